"""Nets of MLX: values, gradients and names against MLX itself, edits, and what is refused."""

from collections.abc import Callable, Sequence
from threading import Thread
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx import nn

import backlight
from backlight import Logit, Output
from backlight.errors import CoverageError, ModelError, SiteError
from backlight.rules.operations import Kind
from backlight.rules.rules import AppliedOperation, Rule
from backlight.testing.rules import by_kind
from backlight.values.arrays import Array
from backlight_methods import LRP, DeepLIFT, Gradient

PICTURE, SEQUENCE = (2, 6, 6, 4), (2, 6, 8)


class Flat(nn.Module):
    """What a layer gives, five numbers for each example of it."""

    def __init__(self, layer: Callable) -> None:
        super().__init__()
        self.layer = layer

    def __call__(self, x: mx.array) -> mx.array:
        found = self.layer(x)
        found = found[0] if isinstance(found, tuple) else found
        return found.reshape(found.shape[0], -1)[:, :5]


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.MultiHeadAttention(8, 2)

    def __call__(self, x: mx.array) -> mx.array:
        return self.inner(x, x, x)


def written(x: mx.array) -> mx.array:
    made = mx.zeros_like(x)
    made[:, 1:3] = x[:, :2] * 2
    return made.at[:, 2].add(x[:, 3])[:, 1:]


LAYERS: dict[str, tuple[Callable[[], Callable], tuple[int, ...]]] = {
    "convolution": (lambda: nn.Conv2d(4, 3, 3, stride=2, padding=1), PICTURE),
    "grouped": (lambda: nn.Conv2d(4, 4, 3, groups=2), PICTURE),
    "dilated": (lambda: nn.Conv2d(4, 3, 3, dilation=2), PICTURE),
    "transposed": (lambda: nn.ConvTranspose2d(4, 3, 3, 2, 1), PICTURE),
    "along one axis": (lambda: nn.Conv1d(8, 4, 3), SEQUENCE),
    "overlapping max pool": (lambda: nn.MaxPool2d(3, 2, 1), PICTURE),
    "average pool": (lambda: nn.AvgPool2d(3, 2, 1), PICTURE),
    "batch norm": (lambda: nn.BatchNorm(4), PICTURE),
    "layer norm": (lambda: nn.LayerNorm(4), PICTURE),
    "RMS norm": (lambda: nn.RMSNorm(4), PICTURE),
    "group norm": (lambda: nn.GroupNorm(2, 4, pytorch_compatible=True), PICTURE),
    "LSTM": (lambda: nn.LSTM(8, 5), SEQUENCE),
    "GRU": (lambda: nn.GRU(8, 5), SEQUENCE),
    "attention": (Attention, SEQUENCE),
    "RoPE": (lambda: nn.RoPE(8), SEQUENCE),
    "upsampling": (lambda: nn.Upsample(2.0, mode="linear"), PICTURE),
    "dropout": (lambda: nn.Dropout(0.5), SEQUENCE),
    "quantized": (lambda: nn.QuantizedLinear(64, 8), (2, 64)),
    "places": (lambda: lambda x: x[:, mx.array([0, 2]), mx.array([1, 0])], SEQUENCE),
    "backwards": (lambda: lambda x: mx.sort(x[:, ::-1], 1), SEQUENCE),
    "sums": (lambda: lambda x: mx.logsumexp(x, -1) + mx.cumsum(x, -1)[..., 2], SEQUENCE),
    "writing": (lambda: written, SEQUENCE),
    "highest": (lambda: lambda x: mx.topk(x, 3, axis=-1), SEQUENCE),
}


@pytest.mark.parametrize("name", LAYERS)
def test_values_and_gradients_are_those_of_mlx(name: str) -> None:
    make, shape = LAYERS[name]
    mx.random.seed(1)
    net = Flat(make())
    x = mx.array(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    model = backlight.wrap(net)
    found = np.asarray(model.predict(x))
    score = Output(None, (1,)).bind(model.outputs(x), 2)
    gradient = np.asarray(model.gradient(x, score).gradient)
    assert net.training
    net.eval()
    assert np.allclose(found, np.asarray(net(x)), atol=1e-6)
    expected = np.asarray(mx.grad(lambda x: net(x)[:, 1].sum())(x))
    assert np.allclose(gradient, expected, atol=1e-6)
    assert np.abs(expected).max() > 0


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(8, 6), nn.BatchNorm(6), nn.Linear(6, 3)
        self.slope = 0.5

    def __call__(self, x: mx.array) -> mx.array:
        return self.last(nn.relu(self.norm(self.first(x)) * self.slope))


@pytest.fixture
def small() -> Small:
    mx.random.seed(2)
    return Small()


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(4, 8)).astype(np.float32)


def edit_scale(net: Small) -> None:
    net.slope = -2.0


def edit_weight(net: Small) -> None:
    net.first.weight = net.first.weight * 3


def edit_in_place(net: Small) -> None:
    net.first.weight[0] = 5.0


def edit_layer(net: Small) -> None:
    net.norm = nn.LayerNorm(6)


@pytest.mark.parametrize("edit", [edit_scale, edit_weight, edit_in_place, edit_layer])
def test_an_edited_net_is_explained_as_it_is_now(edit: Callable, small: Small, rows) -> None:
    model = backlight.wrap(small)
    before = np.asarray(Gradient()(model, rows, 1).values)
    edit(small)
    after = np.asarray(Gradient()(model, rows, 1).values)
    small.eval()
    expected = mx.grad(lambda x: small(x)[:, 1].sum())(mx.array(rows))
    assert np.allclose(after, np.asarray(expected), atol=1e-6)
    assert not np.allclose(after, before, atol=1e-3)


class Compiled(nn.Module):
    """A net that keeps a method, compiled or not, which reads arrays of its own and others."""

    def __init__(self, factor: Callable[[], mx.array], compiled: bool) -> None:
        super().__init__()
        self.last, self.scale, self.factor = nn.Linear(8, 3), mx.ones(8), factor
        self.run = mx.compile(self.body) if compiled else self.body

    def body(self, x: mx.array) -> mx.array:
        return self.last(x * self.scale) * self.factor()

    def __call__(self, x: mx.array) -> mx.array:
        return self.run(x)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("edit", ["beside", "beside in place", "own", "of a layer"])
def test_arrays_that_are_no_arguments_are_read_anew(edit: str, compiled: bool, rows) -> None:
    factor = mx.ones(3)
    net = Compiled(lambda: factor, compiled)
    model = backlight.wrap(net)
    before = np.asarray(Gradient()(model, rows, 1).values)
    match edit:
        case "beside":
            factor = factor * 3
        case "beside in place":
            factor[1] = 3.0
        case "own":
            net.scale = net.scale * 3
        case "of a layer":
            net.last.weight = net.last.weight * 3
    after = np.asarray(Gradient()(model, rows, 1).values)
    expected = np.asarray(mx.grad(lambda x: net.body(x)[:, 1].sum())(mx.array(rows)))
    assert np.allclose(after, expected, atol=1e-6)
    assert np.allclose(after, 3 * before, atol=1e-5)


class Alike(nn.Module):
    """A net whose compiled part reads two arrays of its own, and one beside it with the same numbers."""

    def __init__(self, own: mx.array) -> None:
        super().__init__()
        self.one = self.other = own
        beside = own * 1
        mx.eval(beside)
        self.run = mx.compile(lambda x: x @ self.one + 10 * (x @ self.other) + 100 * (x @ beside))

    def __call__(self, x: mx.array) -> mx.array:
        return self.run(x)


@pytest.mark.parametrize("dtype", [mx.float32, mx.bfloat16])
@pytest.mark.parametrize("names", [("one",), ("other",), ("one", "other")])
def test_arrays_of_equal_numbers_are_told_apart(names: tuple[str, ...], dtype: mx.Dtype) -> None:
    net = Alike(mx.arange(9).reshape(3, 3).astype(dtype).T)
    model, x = backlight.wrap(net), mx.array([[1.0, 2, 3]]).astype(dtype)
    before = {name: net[name] for name in ("one", "other")}
    model.predict(x)
    for name in names:
        net[name] = before[name] * 2
    grown = 1 + 10 + 100 + sum({"one": 1, "other": 10}[name] for name in names)
    expected = grown * (np.array([[1, 2, 3]]) @ np.arange(9).reshape(3, 3).T)
    outputs: Any = model.predict(x)
    found = np.asarray(outputs.astype(mx.float32))
    assert np.allclose(found, expected, rtol=1e-6 if dtype == mx.float32 else 0.02)


def test_what_a_compiled_function_reads_is_read_anew(rows: np.ndarray) -> None:
    scale = 1.0
    compiled = mx.compile(lambda x: x * scale)
    model = backlight.wrap(lambda x: compiled(x) ** 2, inputs=mx.array(rows))
    before = np.asarray(model.predict(rows))
    scale = 3.0
    assert np.allclose(np.asarray(model.predict(rows)), 9 * before, rtol=1e-6)


def test_a_value_at_a_site_is_put_in_its_place(small: Small, rows: np.ndarray) -> None:
    model = backlight.wrap(small)
    score, value = Logit(1).bind(model.outputs(rows), 4), np.full((4, 6), 0.5, np.float32)
    found = model.gradient(rows, score, at="relu", value=value)
    weight, bias = (np.asarray(small.last[name])[1] for name in ("weight", "bias"))
    assert np.allclose(np.asarray(found.score), 0.5 * weight.sum() + bias, atol=1e-6)
    assert np.allclose(np.asarray(found.gradient), weight, atol=1e-6)
    assert np.array_equal(np.asarray(found.value), value)
    with pytest.raises(SiteError, match=r"'relu' must have shape \(4, 6\)"):
        model.gradient(rows, score, at="relu", value=value[:, 1:])


def test_the_first_of_several_largest_gets_the_gradient() -> None:
    x = mx.array([[1.0, 3.0, 3.0, 2.0, 3.0]])
    for function in (
        lambda x: mx.max(x, axis=1, keepdims=True),
        lambda x: mx.max(x * 1.0, axis=(1,))[:, None],
    ):
        found = Gradient()(backlight.wrap(function, "mlx"), x, Output(None, (0,))).values
        assert np.array_equal(np.asarray(found), [[0, 1, 0, 0, 0]])


def test_places_that_are_found_lead_to_numbers(rows: np.ndarray) -> None:
    def net(x: mx.array) -> mx.array:
        return mx.take_along_axis(x, mx.argmax(x, axis=1, keepdims=True), axis=1) * mx.ones(2)

    assert np.array_equal(np.asarray(backlight.wrap(net, "mlx").predict(rows))[:, 0], rows.max(1))


def test_a_function_is_run_with_what_it_closes_over_now(small: Small, rows: np.ndarray) -> None:
    weight = mx.ones((3, 2))
    model = backlight.wrap(lambda x: small(x) @ weight, "mlx")
    model.predict(rows)
    weight[0] = 4.0
    statistics = np.asarray(small.norm.running_mean)
    found = np.asarray(model.predict(rows))
    assert small.training
    small.eval()
    assert np.allclose(found, np.asarray(small(mx.array(rows)) @ weight), atol=1e-6)
    assert np.array_equal(statistics, np.asarray(small.norm.running_mean))


def test_modules_made_in_a_call_do_not_pass_for_one_another() -> None:
    def net(x: mx.array) -> mx.array:
        x = nn.MaxPool2d(3, 2)(x)
        return nn.MaxPool2d(3, 1)(x).reshape(2, -1)

    x = mx.array(np.random.default_rng(0).normal(size=(2, 12, 12, 2)).astype(np.float32))
    assert np.array_equal(np.asarray(backlight.wrap(net, "mlx").predict(x)), np.asarray(net(x)))


def test_values_have_the_names_of_modules_and_of_what_they_compute(small: Small, rows) -> None:
    model = backlight.wrap(small)
    assert [site.name for site in model.sites(rows)] == ["first", "norm", "scale", "relu", "last"]
    found = np.asarray(model.activation(rows, "relu"))
    small.eval()
    expected = mx.maximum(small.norm(small.first(mx.array(rows))) * 0.5, 0)
    assert np.allclose(found, np.asarray(expected), atol=1e-6)
    kinds = {one.name: one.kind for one in model.operations(rows)}
    assert (kinds["first"], kinds["relu"]) == ("dense", "relu")


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        (lambda z: z, "logits"),
        (lambda z: mx.softmax(z, -1), "probabilities"),
        (nn.log_softmax, "log_probabilities"),
        (mx.sigmoid, "sigmoid"),
    ],
)
def test_outputs_are_what_the_last_operation_makes_them(last: Callable, kind: str, rows) -> None:
    weight = mx.random.normal((8, 3))
    assert backlight.wrap(lambda x: last(x @ weight), "mlx").outputs(rows).kind == kind  # type: ignore[union-attr]


def test_words_are_explained_at_their_embedding() -> None:
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.head = nn.Embedding(11, 8), nn.Linear(8, 4)

        def __call__(self, words: mx.array, mask: mx.array | None = None) -> mx.array:
            x = self.words(words)
            return self.head((x if mask is None else x * mask).mean(1))

    net, words = Words(), np.array([[1, 2, 3], [4, 5, 6]])
    mask = mx.array(np.array([[[1.0], [0.0], [1.0]]] * 2, np.float32))
    found = np.asarray(Gradient()(net, words, Logit(2), at="words", extra=(mask,)).values)
    expected = np.asarray(net.head.weight)[2] / 3
    assert np.allclose(found[:, 0], expected, atol=1e-6) and not found[:, 1].any()


def test_deep_lift_in_float64_is_complete_to_its_last_digits() -> None:
    # In products MLX has the digits of float64; not in convolutions, exp and erf.
    rng = np.random.default_rng(0)
    one, two = (mx.array(rng.normal(size=s), dtype=mx.float64) for s in ((8, 6), (6, 3)))

    def net(x: mx.array) -> mx.array:
        return mx.maximum(x @ one, 0) @ two

    found = DeepLIFT(baseline=0.1)(backlight.wrap(net, "mlx"), rng.normal(size=(4, 8)), 1)
    assert np.asarray(found.gap).max() < 1e-12
    assert np.asarray(found.values).dtype == np.float64


class Lengths(Rule):
    """The derivative; of each operation the rows here and in the pass over a reference are noted."""

    def __init__(self) -> None:
        self.found: set[tuple[int, int]] = set()

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        assert op.reference is not None
        self.found.add((op.output.shape[0], op.reference.output.shape[0]))
        return op.vjp(grad)


@pytest.mark.parametrize("at", [None, "first"])
@pytest.mark.parametrize("length", [1, 4])
def test_a_reference_that_all_examples_share_runs_as_one_row(
    length: int, at: str | None, small: Small, rows: np.ndarray
) -> None:
    model, rule = backlight.wrap(small), Lengths()
    score = Logit([1, 0, 2, 1]).bind(model.outputs(rows), 4)
    value = np.asarray(model.activation(rows, at)) if at else rows
    start = np.repeat(0.1 * value[:1], length, 0)
    found = model.gradient(
        rows, score, at=at, rules=by_kind({Kind.RELU: rule, Kind.DENSE: rule}), reference=start
    )
    assert rule.found == {(4, length)}
    expected = model.score(rows, score, at=at, value=np.repeat(start, 4 // length, 0))
    assert np.allclose(np.asarray(found.reference_score), np.asarray(expected), atol=1e-6)


MIXED: dict[str, Callable] = {
    "an argument by rows": lambda x, mask: mx.maximum(x * mask, 0),
    "a mean of the batch": lambda x, mask: mx.maximum(x - x.mean(0), 0),
    "two rows for each": lambda x, mask: mx.maximum(x.reshape(8, 4) + 1, 0).reshape(4, 8),
}


@pytest.mark.parametrize("name", MIXED)
def test_a_reference_has_all_rows_where_rows_are_not_alike(name: str, rows: np.ndarray) -> None:
    model, rule = backlight.wrap(MIXED[name], "mlx"), Lengths()
    inputs = model.prepare(mx.array(rows), (mx.array(np.abs(rows[::-1])),))
    score, start = Logit(1).bind(model.outputs(inputs), 4), 0.1 * rows[:1]
    found = model.gradient(inputs, score, rules=by_kind({Kind.RELU: rule}), reference=start)
    assert {one == two for one, two in rule.found} == {True}
    whole = model.gradient(
        inputs, score, rules=by_kind({Kind.RELU: Lengths()}), reference=np.repeat(start, 4, 0)
    )
    assert np.array_equal(np.asarray(found.reference_score), np.asarray(whole.reference_score))


def test_threads_explain_one_net_at_once(small: Small, rows: np.ndarray) -> None:
    model = backlight.wrap(small)
    mx.eval(small.parameters())  # what is not computed yet belongs to its thread
    found: list[np.ndarray] = []
    work = [
        Thread(target=lambda: found.append(np.asarray(LRP()(model, rows, 1).values)))
        for _ in range(3)
    ]
    for one in work:
        one.start()
    for one in work:
        one.join()
    expected = np.asarray(LRP()(model, rows, 1).values)
    assert len(found) == 3 and all(np.array_equal(one, expected) for one in found)


def test_what_cannot_be_traced_or_run_again_is_refused(rows: np.ndarray) -> None:
    @mx.custom_function
    def own(x: mx.array) -> mx.array:
        return mx.exp(x)

    own.vjp(lambda x, grad, _: grad)
    with pytest.raises(ModelError, match="derivatives of their own cannot be traced"):
        backlight.wrap(own, "mlx").predict(rows)
    with pytest.raises(ModelError, match="no values can be looked at"):
        backlight.wrap(lambda x: x if x.sum() > 0 else -x, "mlx").predict(rows)
    with pytest.raises(CoverageError, match="'randombits'"):
        backlight.wrap(lambda x: x * mx.random.uniform(shape=x.shape), "mlx").predict(rows)
    grouped = nn.Conv2d(4, 4, 3, groups=2)
    grouped.set_dtype(mx.float64)
    with pytest.raises(ModelError, match="no grouped convolution in float64: convert"):
        backlight.wrap(grouped).predict(np.ones((1, 6, 6, 4)))
