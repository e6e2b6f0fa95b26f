"""Every parameter takes another number, on each framework, and has its own again to the last bit."""

import torch  # isort: skip  (before TensorFlow: the other order does not load)

import signal
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import pytest

import backlight
from backlight.errors import HyperParameterError
from backlight.testing.nets import TRANSFORMER
from backlight_conformance import builder
from backlight_methods import Gradient, InputXGradient
from backlight_metrics import ModelRandomisation
from backlight_metrics.model_randomisation import drawn, entropy, groups_of, parameters_of
from tests.metrics.nets import additive, judged, random
from tests.test_interrupts import moments

FRAMEWORKS = ("torch", "tensorflow", "jax", *(("mlx",) if find_spec("mlx") else ()))


class ViT(torch.nn.Module):
    """A small vision transformer with all that is no layer's weight: class token, positions, and the
    joint projection of attention."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = torch.nn.Conv2d(3, 8, 4, stride=4)
        self.token = torch.nn.Parameter(torch.zeros(1, 1, 8))
        self.positions = torch.nn.Parameter(0.02 * torch.randn(1, 5, 8))
        self.block = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)
        self.head = torch.nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.positions
        return self.head(self.block(x)[:, 0])


@pytest.fixture(scope="module")
def vit() -> ViT:
    torch.manual_seed(0)
    return ViT().eval()


def bits(net: torch.nn.Module) -> dict[str, bytes]:
    return {name: one.detach().numpy().tobytes() for name, one in net.state_dict().items()}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_all_of_a_nets_parameters_change_and_come_back(framework: str) -> None:
    trial = builder(framework).trial(TRANSFORMER, "float32")
    before = parameters_of(trial.model)
    outputs = trial.predict()
    assert sum(one.size for one in before.values()) == sum(
        one.size for one in TRANSFORMER.weights.values()
    )
    for error in (None, ValueError, KeyboardInterrupt):
        new = {name: drawn(one, 0) for name, one in before.items()}
        try:
            with trial.model.with_weights(new) as other:
                inside = parameters_of(other)
                for name, one in before.items():
                    assert (inside[name] != one).all(), name
                changed = trial.numbers(other.predict(trial.inputs))
                assert np.abs(changed - outputs).min() > 0
                if error is not None:
                    raise error
        except (ValueError, KeyboardInterrupt):
            assert error is not None
        after = parameters_of(trial.model)
        assert {name: one.tobytes() for name, one in after.items()} == {
            name: one.tobytes() for name, one in before.items()
        }
        assert (trial.predict() == outputs).all()


def test_all_of_a_vision_transformers_are_among_them(vit: ViT) -> None:
    before = bits(vit)
    names = {name for name, _ in vit.named_parameters()}
    assert {"token", "positions", "block.self_attn.in_proj_weight"} < names
    assert set(parameters_of(backlight.wrap(vit))) == names
    x = random(3, 3, 8, 8).astype("float32")
    found = judged(vit, x, InputXGradient(), ModelRandomisation(stops=3), 1)
    assert found.details["similarity"].shape == (3, 3)
    (note,) = found.notes
    count = sum(one.numel() for one in vit.parameters())
    assert f"{len(names)} parameters, all {count:,} numbers" in note
    assert bits(vit) == before


def broken(after: int) -> Callable:
    calls = []

    def explained(model, x, target, **said):
        calls.append(1)
        if len(calls) > after:
            raise KeyboardInterrupt
        return Gradient()(model, x, target, **said)

    return explained


@pytest.mark.parametrize("after", [1, 2, 3])
def test_an_interrupt_leaves_the_weights_as_they_were(vit: ViT, after: int) -> None:
    before = bits(vit)
    with pytest.raises(KeyboardInterrupt):
        judged(vit, random(2, 3, 8, 8).astype("float32"), broken(after), ModelRandomisation(), 1)
    assert bits(vit) == before


def test_so_does_one_at_any_moment(vit: ViT) -> None:
    before, x = bits(vit), random(1, 3, 8, 8).astype("float32")

    def call() -> None:
        judged(vit, x, Gradient(), ModelRandomisation(stops=1), 1)

    call()
    last = moments(call)
    for moment in np.linspace(last // 4, last, 8, dtype=int):
        moments(call, int(moment))
        assert bits(vit) == before, f"interrupted at moment {moment} of {last}"


@pytest.mark.parametrize("moment", [0, 1, 2, 5, 9])
def test_so_does_one_from_the_keyboard_while_they_are_written(vit: ViT, moment: int) -> None:
    """The signal comes as the given parameter is copied."""
    before, model = bits(vit), backlight.wrap(vit)
    new = {name: drawn(one, 0) for name, one in parameters_of(model).items()}
    written = []

    class Pressing(dict):
        def items(self):
            for one in super().items():
                if len(written) == len(new) + moment:  # each is looked at before
                    signal.raise_signal(signal.SIGINT)
                written.append(one)
                yield one

    @backlight.interrupts.interruptible
    def replaced() -> None:
        with model.with_weights(Pressing(new)):
            signal.pause()  # the interrupt comes again, once all is set up

    with pytest.raises(KeyboardInterrupt):
        replaced()
    assert bits(vit) == before


def test_maps_of_the_picture_stay_and_those_of_the_net_change(vit: ViT) -> None:
    x = random(6, 3, 8, 8).astype("float32")
    found = backlight.evaluate(vit, x, InputXGradient(), ModelRandomisation(stops=2), 1)
    np.testing.assert_allclose(found["edges", "ModelRandomisation"].values, 1)
    assert found["uniform", "ModelRandomisation"].n_nan == 6
    assert abs(found["random", "ModelRandomisation"].mean) < 0.2
    assert found["InputXGradient", "ModelRandomisation"].mean < 0.6
    np.testing.assert_allclose(found["edges", "ModelRandomisation"].details["complexity_rise"], 0)


def test_the_net_as_it_is_does_not_count() -> None:
    """The score of the last layer's randomisation alone, on a net of one layer, is that of the whole."""
    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 3))
    x = random(4, 3, 8, 8).astype("float32")
    several, whole = (
        judged(net, x, Gradient(), ModelRandomisation(stops=stops), 1) for stops in (5, 1)
    )
    np.testing.assert_array_equal(several.values, whole.values)
    assert (
        np.abs(whole.values) < 0.4
    ).all()  # not (1 + 0) / 2, as where the net itself is averaged in


def test_random_numbers_do_not_depend_on_where_a_framework_keeps_them() -> None:
    kernel = random(4, 3, 5)
    moved = drawn(np.moveaxis(kernel, 0, 2), 3)
    np.testing.assert_array_equal(np.moveaxis(moved, 2, 0), drawn(kernel, 3))
    assert (drawn(kernel, 4) != drawn(kernel, 3)).all()


def test_random_numbers_have_the_parameters_mean_and_width() -> None:
    values = 3 + 0.5 * random(10_000)
    found = drawn(values, 0)
    np.testing.assert_allclose([found.mean(), found.std()], [3, 0.5], atol=0.02)
    assert abs(np.corrcoef(values, found)[0, 1]) < 0.05
    assert (drawn(np.abs(random(1000)), 0) > 0).all()
    zeros = drawn(np.zeros(1000), 0)
    assert (zeros != 0).all()
    assert (drawn(np.ones(10), 0) != 1).all()


def test_groups_and_entropy_by_hand() -> None:
    assert groups_of(["a.w", "a.b", "token", "b.c.w"]) == [["a.w", "a.b"], ["token"], ["b.c.w"]]
    even = np.arange(100.0)[None]
    np.testing.assert_allclose(entropy(even), np.log(100))
    assert entropy(np.ones((1, 5))).tolist() == [0]


def test_nets_without_weights_are_refused_with_the_reason() -> None:
    model, _ = additive()
    x = random(2, 3, 8, 8)
    assert "No weights were found" in (
        judged(model, x, InputXGradient(), ModelRandomisation(), 1).error or ""
    )
    with pytest.raises(HyperParameterError):
        ModelRandomisation(stops=0)


def nnx_net() -> object:
    from flax import nnx

    class Net(nnx.Module):
        def __init__(self) -> None:
            self.layer = nnx.Linear(6, 3, rngs=nnx.Rngs(0))

        def __call__(self, x):
            return self.layer(x)

    return Net()


def linen_net(bound: bool) -> object:
    import jax
    from flax import linen

    module = linen.Dense(3)
    variables = module.init(jax.random.key(0), np.ones((1, 6), "float32"))
    return module.bind(variables) if bound else (module, variables)


def equinox_net() -> object:
    import equinox
    import jax

    return jax.vmap(equinox.nn.Linear(6, 3, key=jax.random.key(0)))


def partial_net() -> object:
    from functools import partial

    import jax.numpy as jnp

    return partial(lambda p, x: x @ p["w"] + p["b"], {"w": jnp.ones((6, 3)), "b": jnp.zeros(3)})


def closed_net(jitted: bool) -> object:
    import jax
    import jax.numpy as jnp

    weight, rest = jnp.ones((6, 3)), {"all": [jnp.zeros(3)]}

    def function(x):
        return x @ weight + rest["all"][0]

    return jax.jit(function) if jitted else function


@pytest.mark.parametrize(
    "make",
    [
        nnx_net,
        lambda: linen_net(True),
        lambda: linen_net(False),
        equinox_net,
        partial_net,
        lambda: closed_net(False),
        lambda: closed_net(True),
    ],
)
def test_styles_of_jax_nets(make: Callable[[], object]) -> None:
    net = make()
    x = random(3, 6).astype("float32")
    model = backlight.wrap(net, "jax")
    before, outputs = parameters_of(model), np.asarray(model.predict(x))
    assert sorted(one.size for one in before.values()) == [3, 18]
    found = backlight.evaluate(model, x, InputXGradient(), ModelRandomisation(stops=1), 1)
    assert found["InputXGradient", "ModelRandomisation"].n == 3
    after = parameters_of(model)
    for name, one in before.items():
        assert one.tobytes() == after[name].tobytes()
    assert (np.asarray(model.predict(x)) == outputs).all()
