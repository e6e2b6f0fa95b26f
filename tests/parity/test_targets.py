"""What is asked of a net means the same on each framework: operands of functions, outputs by name,
the classes of a binary net, pictures without channels."""

from collections.abc import Callable
from functools import cache

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from numpy.typing import NDArray

import backlight
from backlight import (
    BacklightWarning,
    Function,
    LogProbability,
    Margin,
    Method,
    Output,
    Probability,
)
from backlight.errors import NoGradientError, TargetError
from backlight.values.layout import Layout
from backlight_methods import (
    DeepLIFT,
    GradCAM,
    GuidedGradCAM,
    InputXGradient,
    IntegratedGradients,
    Occlusion,
    Saliency,
    Smooth,
)
from tests.parity.measure import FRAMEWORKS

RNG = np.random.default_rng(0)
WEIGHT = RNG.normal(size=(3, 4)).astype(np.float32)
X = RNG.normal(size=(7, 3)).astype(np.float32)
LOGITS = X.astype(np.float64) @ WEIGHT
LABELS = np.array([0, 3, 1, 1, 2, 0, 3])
MASKS = RNG.normal(size=(7, 4))
CLOSE = {"rtol": 1e-5, "atol": 1e-5}

Net = Callable[[object], object]


@cache
def net(framework: str, wrap: Callable[[object], object]) -> object:
    """X @ WEIGHT, and what `wrap` makes of it."""
    if framework == "torch":
        weight = torch.tensor(WEIGHT)
        return backlight.wrap(lambda x: wrap(x @ weight), "torch")
    if framework == "jax":
        return backlight.wrap(lambda x: wrap(x @ WEIGHT), "jax")
    return backlight.wrap(tf.function(lambda x: wrap(x @ WEIGHT), autograph=False))


def same(out: object) -> object:
    return out


def of_its_own(out, xp, label, mask):
    own = xp.take_along_axis(out, label[:, None], axis=1)[:, 0]
    return own + xp.sum(out * mask, axis=1)


OWN = np.eye(4)[LABELS] + MASKS


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("batch_size", [3, 64])
@pytest.mark.parametrize(
    "technique",
    [InputXGradient(), IntegratedGradients(steps=3), DeepLIFT(), Occlusion()],
    ids=lambda technique: type(technique).__name__,
)
def test_the_operands_of_a_function_come_with_their_examples(
    technique: Method, batch_size: int, framework: str
) -> None:
    """Labels and masks in NumPy's dtypes, of a net in float32; each feature's share is known."""
    target = Function(of_its_own, LABELS, MASKS)
    found = technique(net(framework, same), X, target, batch_size=batch_size)
    np.testing.assert_allclose(found.score, (LOGITS * OWN).sum(1), **CLOSE)
    np.testing.assert_allclose(found.values, X * np.einsum("ik,nk->ni", WEIGHT, OWN), **CLOSE)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_operands_may_be_the_frameworks_own(framework: str) -> None:
    model = net(framework, same)
    given = [model.asarray(LABELS), model.asarray(MASKS), model.asarray(MASKS > 0)]

    def function(out, xp, label, mask, positive):
        return of_its_own(out, xp, label, xp.where(positive, mask, xp.zeros_like(mask)))

    found = InputXGradient()(model, X, Function(function, *given), batch_size=4)
    expected = (LOGITS * (np.eye(4)[LABELS] + np.maximum(MASKS, 0))).sum(1)
    np.testing.assert_allclose(found.score, expected, **CLOSE)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_function_is_compiled_once_for_all_operands(framework: str) -> None:
    calls = []

    def counted(out, xp, mask):
        calls.append(None)
        return xp.sum(out * mask, axis=1)

    model = net(framework, same)
    InputXGradient()(model, X, Function(counted, MASKS))
    first = len(calls)
    found = InputXGradient()(model, X, Function(counted, 2 * MASKS))
    # PyTorch runs it each time, and once more where it is looked into at first.
    assert len(calls) > first if framework == "torch" else len(calls) == first
    np.testing.assert_allclose(found.score, 2 * (LOGITS * MASKS).sum(1), **CLOSE)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("batch_size", [3, 64])
@pytest.mark.parametrize(
    "technique",
    [InputXGradient(), IntegratedGradients(steps=3), DeepLIFT(), Occlusion()],
    ids=lambda technique: type(technique).__name__,
)
def test_a_function_that_needs_the_whole_batch_is_a_target_error(
    technique: Method, batch_size: int, framework: str
) -> None:
    model = net(framework, same)
    masks = model.asarray(MASKS)

    def closed(out, xp):
        return xp.sum(out * masks, axis=1)

    uncut = batch_size > 7 and isinstance(technique, (InputXGradient, DeepLIFT))
    if uncut:
        found = technique(model, X, closed, batch_size=batch_size)
        np.testing.assert_allclose(found.score, (LOGITS * MASKS).sum(1), **CLOSE)
        return
    with pytest.raises(TargetError, match=r"Function\(closed\).*Function\(f, labels"):
        technique(model, X, closed, batch_size=batch_size)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(
    "function",
    [lambda out, xp: out, lambda out, xp: xp.sum(out), lambda out, xp: out[:2, 0], lambda *_: None],
)
@pytest.mark.parametrize(
    "technique", [InputXGradient(), DeepLIFT(), Occlusion()], ids=lambda one: type(one).__name__
)
def test_what_is_not_one_number_per_example_is_refused(
    technique: Method, function: object, framework: str
) -> None:
    with pytest.raises(TargetError, match="one number per example"):
        technique(net(framework, same), X, function)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_score_of_integers_has_no_gradient_but_can_be_covered(framework: str) -> None:
    def highest(out, xp):
        return xp.argmax(out, axis=1)

    model = net(framework, same)
    with pytest.raises(NoGradientError, match=r"each way is cut, at (?i:argmax)"):
        InputXGradient()(model, X, highest)
    with pytest.warns(BacklightWarning, match="exactly 0 for examples 0, 2: nothing that"):
        covering = Occlusion()(model, X, highest)
    np.testing.assert_array_equal(covering.score, LOGITS.argmax(1))
    falls = covering.values
    for feature in range(3):
        covered = X.astype(np.float64) * (np.arange(3) != feature)
        fall = LOGITS.argmax(1) - (covered @ WEIGHT).argmax(1)
        np.testing.assert_allclose(np.asarray(falls)[:, feature], fall, **CLOSE)


# Outputs by name


def one_in_a_dict(out: object) -> object:
    return {"loss": None, "logits": out}


def one_in_a_tuple(out: object) -> object:
    return (out, None)


def two(out: object) -> object:
    return {"a": out, "b": 2 * out}


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(
    ("form", "name"), [(one_in_a_dict, "'logits'"), (one_in_a_tuple, "0")], ids=["dict", "tuple"]
)
def test_one_array_among_the_outputs_is_the_output(
    form: Callable[[object], object], name: str, framework: str
) -> None:
    model = net(framework, form)
    given = InputXGradient()(model, X, LABELS, batch_size=4)
    np.testing.assert_allclose(given.score, LOGITS[np.arange(7), LABELS], **CLOSE)
    assert given.target.endswith(f"path={name})")
    predicted = InputXGradient()(model, X, batch_size=4)
    np.testing.assert_array_equal(predicted.classes, LOGITS.argmax(1))
    assert predicted.predicted


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_several_outputs_have_names_and_positions(framework: str) -> None:
    model = net(framework, two)
    for path, factor in [("a", 1), (0, 1), ("b", 2), (-1, 2)]:
        found = InputXGradient()(model, X, Output(path, index=3))
        np.testing.assert_allclose(found.score, factor * LOGITS[:, 3], **CLOSE)
        assert found.target == f"Output({'a' if factor == 1 else 'b'!r}, index=3)"
    with pytest.raises(TargetError, match="by its path: 'a', 'b'"):
        InputXGradient()(model, X, 3)


# Binary nets


def sigmoid(out):
    if isinstance(out, torch.Tensor):
        return torch.sigmoid(out)
    return tf.sigmoid(out) if isinstance(out, tf.Tensor) else jax.nn.sigmoid(out)


def column(out: object) -> object:
    return sigmoid(out[:, :1])


def picked(out: object) -> object:
    return sigmoid(out)[:, 0]


def flat(out: object) -> object:
    odds = sigmoid(out[:, :1])
    return tf.reshape(odds, [-1]) if isinstance(odds, tf.Tensor) else odds.reshape(-1)


def logit(out: object) -> object:
    return out[:, 0]


Z = LOGITS[:, 0]
P = 1 / (1 + np.exp(-Z))
LABEL = np.array([0, 1, 1, 0, 1, 0, 0])


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("form", [column, picked, flat, logit], ids=lambda form: form.__name__)
def test_a_net_with_one_output_has_two_classes(
    form: Callable[[object], object], framework: str
) -> None:
    """The values are those of the gradient by hand; completeness holds for DeepLIFT."""
    model = net(framework, form)
    plain = [] if form is logit else [(1, P), (0, 1 - P), (LABEL, np.where(LABEL, P, 1 - P))]
    for target, expected in [
        *plain,
        (Probability(0), 1 - P),
        (LogProbability(LABEL), np.log(np.where(LABEL, P, 1 - P))),
        (Margin(LABEL, versus=1 - LABEL), Z * (2 * LABEL - 1)),
    ]:
        technique = DeepLIFT() if form in (column, logit) else InputXGradient()
        found = technique(model, X, target)
        np.testing.assert_allclose(found.score, expected, **CLOSE)
        assert found.gap is None or found.gap.max() < 1e-5
    margin = InputXGradient()(model, X, Margin(0, versus=1)).values
    np.testing.assert_allclose(margin, -X * WEIGHT[:, 0], **CLOSE)


# Pictures without channels

KERNEL = RNG.normal(size=(3, 3, 1, 2)).astype(np.float32)
HEAD = RNG.normal(size=(2, 3)).astype(np.float32)
PICTURES = RNG.normal(size=(2, 10, 8)).astype(np.float32)


@cache
def picture_net(framework: str) -> object:
    """(N, 10, 8) -> (N, 3): a channel is made inside, as many a first net does."""
    if framework == "torch":
        conv = torch.nn.Conv2d(1, 2, 3, padding=1, bias=False)
        conv.weight.data = torch.tensor(KERNEL.transpose(3, 2, 0, 1))
        head = torch.nn.Linear(2, 3, bias=False)
        head.weight.data = torch.tensor(HEAD.T)
        parts = [torch.nn.Unflatten(1, (1, 10)), conv, torch.nn.ReLU()]
        pool = [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()]
        return torch.nn.Sequential(*parts, *pool, head).eval()
    if framework == "tensorflow":
        layers = [
            keras.Input((10, 8)),
            keras.layers.Reshape((10, 8, 1)),
            keras.layers.Conv2D(2, 3, padding="same", use_bias=False),
            keras.layers.ReLU(),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, use_bias=False),
        ]
        made = keras.Sequential(layers)
        made.set_weights([KERNEL, HEAD])
        return made

    def function(x):
        numbers = ("NHWC", "HWIO", "NHWC")
        features = jax.lax.conv_general_dilated(
            x[..., None], KERNEL, (1, 1), "SAME", dimension_numbers=numbers
        )
        return jnp.mean(jax.nn.relu(features), axis=(1, 2)) @ HEAD

    return function


def features() -> NDArray[np.float64]:
    padded = np.pad(PICTURES.astype(np.float64), ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return np.maximum(np.einsum("nhwab,abc->nhwc", windows, KERNEL[:, :, 0]), 0)


def scores(x: NDArray[np.float32]) -> NDArray[np.float64]:
    padded = np.pad(x.astype(np.float64), ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    maps = np.maximum(np.einsum("nhwab,abc->nhwc", windows, KERNEL[:, :, 0]), 0)
    return maps.mean((1, 2)) @ HEAD[:, 1]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_pictures_without_channels_are_pictures_for_every_technique(framework: str) -> None:
    model = backlight.wrap(picture_net(framework), framework, channels="none")
    found = np.asarray(Occlusion(window=(5, 4), stride=(5, 4))(model, PICTURES, 1).values)
    for top in (0, 5):
        for left in (0, 4):
            covered = PICTURES.copy()
            covered[:, top : top + 5, left : left + 4] = 0
            part = found[:, top : top + 5, left : left + 4]
            fall = scores(PICTURES) - scores(covered)
            np.testing.assert_allclose(
                part, np.broadcast_to(fall[:, None, None], part.shape), **CLOSE
            )
    cam = GradCAM()(model, PICTURES, 1)
    np.testing.assert_allclose(cam.values, features() @ HEAD[:, 1] / 80, **CLOSE)
    assert cam.layouts[0].channel_axis is None
    guided = GuidedGradCAM()(model, PICTURES, 1)
    assert guided.values.shape == PICTURES.shape
    values = np.asarray(InputXGradient()(model, PICTURES, 1).values) / PICTURES
    reduced = Saliency(channels="max")(model, PICTURES, 1)
    np.testing.assert_allclose(reduced.values, np.abs(values), rtol=1e-4, atol=1e-6)
    smooth = Smooth(samples=2)(model, PICTURES, 1)
    assert smooth.layouts == reduced.layouts == cam.layouts


def series_net(framework: str) -> object:
    """(N, 6, 9) on torch, (N, 9, 6) elsewhere: a convolution along one axis, and a mean."""
    kernel = RNG.normal(size=(3, 6, 2)).astype(np.float32)
    if framework == "torch":
        parts = [torch.nn.Conv1d(6, 2, 3), torch.nn.AdaptiveAvgPool1d(1), torch.nn.Flatten()]
        return torch.nn.Sequential(*parts).eval()
    if framework == "tensorflow":
        layers = [keras.layers.Conv1D(2, 3), keras.layers.GlobalAveragePooling1D()]
        return keras.Sequential([keras.Input((9, 6)), *layers])

    def function(x):
        numbers = ("NWC", "WIO", "NWC")
        found = jax.lax.conv_general_dilated(x, kernel, (1,), "VALID", dimension_numbers=numbers)
        return found.mean(1)

    return function


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_net_that_looks_along_one_axis_is_known_to_take_signals(framework: str) -> None:
    """No guess, no warning."""
    x = RNG.normal(size=(2, 6, 9)).astype(np.float32)
    x = x if framework == "torch" else np.ascontiguousarray(np.moveaxis(x, 1, 2))
    model = backlight.wrap(series_net(framework), framework)
    found = Occlusion(window=2)(model, x, 1)
    axis = 1 if framework == "torch" else 2
    assert np.ptp(np.asarray(found.values), axis=axis).max() == 0
    assert found.layouts == (Layout(axis, (9,)),)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_net_that_makes_the_channel_itself_shows_which_axes_are_places(framework: str) -> None:
    nets = [
        backlight.wrap(picture_net(framework), framework),
        backlight.wrap(picture_net(framework), framework, channels="none"),
    ]
    known, said = (np.asarray(Occlusion(window=4)(net, PICTURES, 1).values) for net in nets)
    np.testing.assert_array_equal(known, said)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_noise_of_pictures_without_channels_is_the_same(framework: str) -> None:
    models = [
        backlight.wrap(picture_net(one), one, channels="none") for one in (framework, "torch")
    ]
    one, other = (np.asarray(Smooth(samples=2)(model, PICTURES, 1).values) for model in models)
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
