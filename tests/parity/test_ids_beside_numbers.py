"""Categories and numbers of a table, explained together on each framework, against algebra.

The first category's vector is multiplied with the numbers: along a path from zero each of both has half
of the product, and only if both move.
"""

import torch  # isort: skip  (before TensorFlow: the other order does not load)
from typing import Any

import flax.linen
import jax
import jax.numpy as jnp
import keras
import mlx.core as mx
import mlx.nn
import numpy as np
import pytest

import backlight
from backlight import BacklightWarning, Columns, Neuron, TokenBaseline
from backlight.errors import InputError, InputTypeError, ModelError, NonFiniteError
from backlight_methods import Conductance, InputXGradient

RNG = np.random.default_rng(11)
COLOURS, SHAPES, PRODUCTS, OTHERS, OWN = (
    RNG.normal(size=shape) for shape in ((6, 4), (5, 2), (4, 3), (2, 3), (4, 3))
)
KINDS = np.stack([RNG.integers(0, 6, 7), RNG.integers(0, 5, 7)], axis=1)
NUMBERS = RNG.normal(size=(7, 4))
CLASSES = RNG.integers(0, 3, 7)
NAMES = (("colour", "shape"), ("a", "b", "c", "d"))


def product(products: Any, others: Any, own: Any, colours: Any, shapes: Any, numbers: Any) -> Any:
    """The scores, (N, 3), of vectors and numbers."""
    return (colours * numbers) @ products + shapes @ others + numbers @ own


class TorchNet(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.colours = torch.nn.Embedding.from_pretrained(torch.tensor(COLOURS))
        self.shapes = torch.nn.Embedding.from_pretrained(torch.tensor(SHAPES))
        self.weights = [torch.tensor(one) for one in (PRODUCTS, OTHERS, OWN)]

    def forward(self, kinds: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        vectors = self.colours(kinds[:, 0]), self.shapes(kinds[:, 1])
        return product(*self.weights, *vectors, numbers)  # type: ignore[no-any-return]


def keras_net() -> keras.Model:
    kinds = keras.Input((2,), dtype="int64")
    numbers = keras.Input((4,), dtype="float64")
    colours = keras.layers.Embedding(6, 4, name="colours", dtype="float64")
    shapes = keras.layers.Embedding(5, 2, name="shapes", dtype="float64")
    tops = [keras.layers.Dense(3, use_bias=False, dtype="float64") for _ in range(3)]
    parts = keras.ops.multiply(colours(kinds[:, 0]), numbers), shapes(kinds[:, 1]), numbers
    scores = [top(part) for top, part in zip(tops, parts, strict=True)]
    net = keras.Model([kinds, numbers], scores[0] + scores[1] + scores[2])
    for layer, weight in zip(
        (colours, shapes, *tops), (COLOURS, SHAPES, PRODUCTS, OTHERS, OWN), strict=True
    ):
        layer.set_weights([weight])
    return net


class FlaxNet(flax.linen.Module):
    @flax.linen.compact
    def __call__(self, kinds: jax.Array, numbers: jax.Array) -> jax.Array:
        def table(rows: int, width: int, name: str) -> flax.linen.Embed:
            return flax.linen.Embed(rows, width, name=name, param_dtype=jnp.float64)

        vectors = table(6, 4, "colours")(kinds[:, 0]), table(5, 2, "shapes")(kinds[:, 1])
        weights = map(jnp.asarray, (PRODUCTS, OTHERS, OWN))
        return product(*weights, *vectors, numbers)  # type: ignore[no-any-return]


def flax_net() -> Any:
    tables = {"colours": COLOURS, "shapes": SHAPES}
    return FlaxNet(), {
        "params": {name: {"embedding": jnp.asarray(one)} for name, one in tables.items()}
    }


def jax_function(kinds: jax.Array, numbers: jax.Array) -> jax.Array:
    vectors = jnp.asarray(COLOURS)[kinds[:, 0]], jnp.take(jnp.asarray(SHAPES), kinds[:, 1], axis=0)
    weights = map(jnp.asarray, (PRODUCTS, OTHERS, OWN))
    return product(*weights, *vectors, numbers)  # type: ignore[no-any-return]


class MLXNet(mlx.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.colours, self.shapes = mlx.nn.Embedding(6, 4), mlx.nn.Embedding(5, 2)
        self.colours.weight = mx.array(COLOURS.astype(np.float32))
        self.shapes.weight = mx.array(SHAPES.astype(np.float32))
        self.weights = [mx.array(one.astype(np.float32)) for one in (PRODUCTS, OTHERS, OWN)]

    def __call__(self, kinds: mx.array, numbers: mx.array) -> mx.array:
        vectors = self.colours(kinds[:, 0]), self.shapes(kinds[:, 1])
        return product(*self.weights, *vectors, numbers)  # type: ignore[no-any-return]


NETS = {
    "torch": (TorchNet, torch.tensor, 1e-12),
    "keras": (keras_net, np.asarray, 1e-12),
    "flax": (flax_net, jnp.asarray, 1e-12),
    "jax": (lambda: jax_function, jnp.asarray, 1e-12),
    "mlx": (
        MLXNet,
        lambda one: mx.array(one.astype(np.float32 if one.dtype.kind == "f" else int)),
        1e-5,
    ),
}


@pytest.fixture(autouse=True)
def doubles() -> Any:
    with jax.enable_x64(True):
        yield


def expected() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """What integrated gradients from zero give: half of each product, and all of what is linear."""
    products, others, own = (one[:, CLASSES].T for one in (PRODUCTS, OTHERS, OWN))
    halves = COLOURS[KINDS[:, 0]] * NUMBERS * products / 2
    kinds = np.stack([halves.sum(1), (SHAPES[KINDS[:, 1]] * others).sum(1)], axis=1)
    return kinds, halves + NUMBERS * own


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("method", ["integrated_gradients", "deep_lift"])
def test_categories_and_numbers_move_together(name: str, method: str) -> None:
    make, native, within = NETS[name]
    x = native(KINDS), native(NUMBERS)
    rows = 3 if name == "torch" else None  # in blocks, which each take a while to compile
    found = backlight.explain(make(), x, CLASSES, method, names=NAMES, batch_size=rows)
    for values, wanted in zip(found.numpy(), expected(), strict=True):
        np.testing.assert_allclose(np.asarray(values), wanted, atol=within)
    assert found.at is None
    assert (found.gap < within * 100).all()
    assert [(one.kind, one.names) for one in found.inputs] == [("table", each) for each in NAMES]
    np.testing.assert_array_equal(found.inputs[0].given, KINDS)


@pytest.mark.parametrize("name", ["torch", "keras", "flax", "mlx"])
def test_a_value_inside_is_scored_by_its_name(name: str) -> None:
    make, native, within = NETS[name]
    x, site = (native(KINDS), native(NUMBERS)), "FlaxNet/shapes" if name == "flax" else "shapes"
    with pytest.warns(BacklightWarning, match="does not depend on input '1'"):
        found = backlight.explain(make(), x, Neuron(site, 1), "integrated_gradients")
    kinds, numbers = found.numpy()
    wanted = np.stack([np.zeros(7), SHAPES[KINDS[:, 1], 1]], axis=1)
    np.testing.assert_allclose(np.asarray(kinds), wanted, atol=within)
    assert not np.asarray(numbers).any()


def test_an_edit_of_a_table_is_seen() -> None:
    net, x = TorchNet(), (torch.tensor(KINDS), torch.tensor(NUMBERS))
    before = backlight.explain(net, x, 0, "integrated_gradients").numpy()[0]
    with torch.no_grad():
        net.shapes.weight.mul_(2)
    after = backlight.explain(net, x, 0, "integrated_gradients").numpy()[0]
    np.testing.assert_allclose(after, before * [1, 2])


def test_a_category_is_the_baseline_of_its_input() -> None:
    x = torch.tensor(KINDS), torch.tensor(NUMBERS)
    baseline = TokenBaseline(2, keep=[1]), 0.0
    kinds, _ = backlight.explain(TorchNet(), x, 1, "deep_lift", baseline=baseline).numpy()
    assert ((kinds == 0) == np.isin(KINDS, [1, 2])).all()
    with pytest.raises(InputError, match="needs an input of whole numbers"):
        backlight.explain(TorchNet(), x, 1, "deep_lift", baseline=(0.0, TokenBaseline(2)))


class Shifted(torch.nn.Module):
    """Categories of all columns in one table, each column's behind those of the one before."""

    def __init__(self) -> None:
        super().__init__()
        table = np.concatenate([COLOURS[:, :2], SHAPES])
        self.table = torch.nn.Embedding.from_pretrained(torch.tensor(table))

    def forward(self, kinds: torch.Tensor) -> torch.Tensor:
        return self.table(kinds + torch.tensor([0, 6])).tanh().sum(1)


def test_columns_of_one_table() -> None:
    found = backlight.explain(Shifted(), torch.tensor(KINDS), 1, "deep_lift", names=NAMES[0])
    wanted = np.tanh(np.stack([COLOURS[KINDS[:, 0], 1], SHAPES[KINDS[:, 1], 1]], axis=1))
    np.testing.assert_allclose(found.numpy(), wanted)
    assert found.to_pandas().columns.tolist() == ["colour", "shape"]


class Casting(TorchNet):
    """Takes truth values and whole numbers too."""

    def forward(self, kinds: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        return super().forward(kinds.long(), numbers.double())


TAKING_TRUTHS = {
    "torch": (Casting, torch.tensor),
    "keras": (keras_net, np.asarray),
    "jax": (lambda: lambda kinds, numbers: jax_function(kinds.astype(int), numbers), jnp.asarray),
}


@pytest.mark.parametrize("name", TAKING_TRUTHS)
def test_truth_values_are_categories(name: str) -> None:
    make, native = TAKING_TRUTHS[name]
    truths, net = KINDS > 1, make()
    of_truths, of_ids = (
        backlight.explain(net, (native(one), native(NUMBERS)), 1, "deep_lift").numpy()
        for one in (truths, truths.astype(int))
    )
    assert (np.asarray(of_truths[0]) != 0).all()
    for one, other in zip(of_truths, of_ids, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other))


def test_numbers_are_no_others_for_what_was_seen_of_whole_ones() -> None:
    net, kinds, numbers = Casting(), torch.tensor(KINDS), torch.tensor(NUMBERS)
    for _ in range(2):
        with pytest.raises(InputTypeError, match="other numbers to floating point"):
            backlight.explain(net, (kinds, (numbers * 9).int()), 1, "gradient")
        found = backlight.explain(net, (kinds, numbers), CLASSES, "integrated_gradients").numpy()
        for values, wanted in zip(found, expected(), strict=True):
            np.testing.assert_allclose(values, wanted, atol=1e-12)


def test_what_is_not_finite_of_ids_beyond_a_table_is_told() -> None:
    kinds, numbers = jnp.asarray(KINDS), jnp.asarray(NUMBERS)
    with pytest.raises(NonFiniteError, match="The vectors of its ids are not finite"):
        backlight.explain(jax_function, (kinds + 9, numbers), 1, "gradient")
    found = backlight.explain(jax_function, (kinds, numbers), CLASSES, "integrated_gradients")
    np.testing.assert_allclose(np.asarray(found.numpy()[0]), expected()[0], atol=1e-12)


class WithSum(torch.nn.Module):
    """Categories that tell the score by their sum as well."""

    def __init__(self) -> None:
        super().__init__()
        self.net = TorchNet()

    def forward(self, kinds: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        return self.net(kinds, numbers) + kinds.sum(1, keepdim=True)


@pytest.mark.parametrize("kinds", [KINDS, KINDS % 2])
def test_categories_that_tell_the_score_in_another_way_too_are_told(kinds: Any) -> None:
    x = torch.tensor(kinds), torch.tensor(NUMBERS)
    with pytest.warns(
        BacklightWarning, match="by another way than 'net.colours', 'net.shapes' too"
    ):
        backlight.explain(WithSum(), x, 1, "gradient")


class Bag(torch.nn.Module):
    """Vectors of categories that are summed where they are looked up: there are none of each."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.EmbeddingBag.from_pretrained(torch.tensor(COLOURS), mode="sum")

    def forward(self, kinds: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        return self.table(kinds) + numbers  # type: ignore[no-any-return]


def test_vectors_that_hold_more_are_none() -> None:
    with pytest.raises(InputTypeError, match="hold integers, which have no gradient"):
        backlight.explain(Bag(), (torch.tensor(KINDS), torch.tensor(NUMBERS)), 1, "gradient")


class Blended(torch.nn.Module):
    """A value that is told by categories, and by numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.sum = torch.nn.Identity()

    def forward(self, kinds: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        waves = torch.sin(kinds[..., None] + torch.arange(4.0)).sum(1)
        return self.sum(waves + numbers)  # type: ignore[no-any-return]


def test_of_one_example_too_vectors_that_hold_more_are_none() -> None:
    x = torch.tensor(KINDS[:1, :1]), torch.tensor(NUMBERS[:1])
    with pytest.raises(InputTypeError, match="hold integers, which have no gradient"):
        backlight.explain(Blended(), x, 1, "gradient")


class WithoutLayers(torch.nn.Module):
    """Categories looked up by functions, one as a product with ones and zeros."""

    def forward(self, kinds: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        shapes = (kinds[:, 1:] == torch.arange(5)).double() @ torch.tensor(SHAPES)
        vectors = torch.tensor(COLOURS)[kinds[:, 0]], shapes
        weights = map(torch.tensor, (PRODUCTS, OTHERS, OWN))
        return product(*weights, *vectors, numbers)  # type: ignore[no-any-return]


def test_tables_that_no_layer_holds() -> None:
    x = torch.tensor(KINDS), torch.tensor(NUMBERS)
    found = backlight.explain(WithoutLayers(), x, CLASSES, "integrated_gradients").numpy()
    for values, wanted in zip(found, expected(), strict=True):
        np.testing.assert_allclose(values, wanted, atol=1e-12)


@pytest.mark.parametrize("name", ["torch", "keras", "flax", "mlx"])
def test_sites_beside_them_are_explained_in_the_same_call(name: str) -> None:
    make, native, within = NETS[name]
    site, x = "FlaxNet/shapes" if name == "flax" else "shapes", (native(KINDS), native(NUMBERS))
    with pytest.warns(BacklightWarning, match="whether a way to the score passes the layer by"):
        vectors, inputs = Conductance()(make(), x, CLASSES, at=[site, None])
    wanted = SHAPES[KINDS[:, 1]] * OTHERS[:, CLASSES].T
    np.testing.assert_allclose(np.asarray(vectors.numpy()), wanted, atol=within)
    np.testing.assert_allclose(np.asarray(inputs.numpy()[0]), expected()[0], atol=within)


def test_what_cannot_be_is_said() -> None:
    net, x = TorchNet(), (torch.tensor(KINDS), torch.tensor(NUMBERS))
    with pytest.raises(ModelError, match="index out of range"):
        backlight.explain(net, (x[0] + 9, x[1]), 1, "gradient")


def test_priors_reach_the_tables() -> None:
    net = TorchNet()
    net.colours.weight.requires_grad_()
    x = torch.tensor(KINDS), torch.tensor(NUMBERS)
    kinds, _ = InputXGradient()(net, x, 1, differentiable=True).values
    kinds[:, 0].sum().backward()
    wanted = np.zeros_like(COLOURS)
    np.add.at(wanted, KINDS[:, 0], NUMBERS * PRODUCTS[:, 1])
    np.testing.assert_allclose(net.colours.weight.grad, wanted)


def test_a_frame_and_features_have_the_columns() -> None:
    x = torch.tensor(KINDS), torch.tensor(NUMBERS)
    found = backlight.explain(TorchNet(), x, 1, "integrated_gradients", names=NAMES)
    frame = found.to_pandas()
    assert frame.columns.tolist() == [*NAMES[0], *NAMES[1]]
    np.testing.assert_array_equal(frame.to_numpy(), np.concatenate(found.numpy(), axis=1))
    assert found.by(Columns()).names == tuple(
        f"{at}: {name}" for at, names in enumerate(NAMES) for name in names
    )


def test_columns_are_a_table_s_where_they_are_named() -> None:
    """Though the net looks at neighbours among them, as one made of attention does."""
    convolution = torch.nn.Conv1d(1, 3, 3)
    x = torch.tensor(NUMBERS).float()

    def net(columns: torch.Tensor) -> torch.Tensor:
        return convolution(columns[:, None]).tanh().mean(-1)  # type: ignore[no-any-return]

    assert backlight.explain(net, x, 1, "gradient").inputs[0].kind == "series"
    found = backlight.explain(net, x, 1, "gradient", names=NAMES[1])
    assert (found.inputs[0].kind, found.inputs[0].names) == ("table", NAMES[1])
    assert found.layouts == (None,)
    assert found.to_pandas().columns.tolist() == list(NAMES[1])
