"""Guided backprop, deconvnet and guided Grad-CAM against backward passes written out in NumPy."""

import numpy as np
import pytest

from backlight.errors import CoverageError, HyperParameterError
from backlight_methods import Deconvnet, GradCAM, GuidedBackprop, GuidedGradCAM
from backlight_methods import Gradient as PlainGradient
from tests import tape
from tests.methods.judges import any_numbers, closed_form
from tests.reference import ReferenceModel, places_by_shapes

pytestmark = [*any_numbers, places_by_shapes]

EXACT = {"rtol": 1e-12, "atol": 1e-13}


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape)


W1, W2, W3 = random(5, 6), random(6, 4, seed=1), random(4, 3, seed=2)
B1, B2 = random(6, seed=3), random(4, seed=4)


def mlp(activation=tape.relu) -> ReferenceModel:
    return ReferenceModel(
        ("first", lambda x: activation(tape.dense(x, W1, B1))),
        ("second", lambda x: activation(tape.dense(x, W2, B2))),
        ("head", lambda x: tape.dense(x, W3)),
    )


def by_hand(x: np.ndarray, k: int, activation, back) -> np.ndarray:
    """Two hidden layers; `back` takes the gradient and the value before the activation."""
    z1 = x @ W1 + B1
    z2 = activation(z1) @ W2 + B2
    grad = back(np.tile(W3[:, k], (len(x), 1)), z2)
    return back(grad @ W2.T, z1) @ W1.T


def rectified(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


@closed_form("guided_backprop")
@pytest.mark.parametrize("k", [0, 1, 2])
def test_guided_backprop_lets_positive_gradients_through_active_rectifiers(k: int) -> None:
    x = random(8, 5, seed=9)
    expected = by_hand(x, k, rectified, lambda grad, z: rectified(grad) * (z > 0))
    found = GuidedBackprop()(mlp(), x, k)
    np.testing.assert_allclose(found.values, expected, **EXACT)
    plain = PlainGradient()(mlp(), x, k).values
    assert np.abs(found.values - plain).max() > 0.1 * np.abs(plain).max()


@closed_form("deconvnet")
@pytest.mark.parametrize("k", [0, 1, 2])
def test_deconvnet_rectifies_gradients_whatever_went_up(k: int) -> None:
    x = random(8, 5, seed=9)
    expected = by_hand(x, k, rectified, lambda grad, z: rectified(grad))
    np.testing.assert_allclose(Deconvnet()(mlp(), x, k).values, expected, **EXACT)


def test_a_rectifier_that_is_cut_off_above_lets_nothing_through_there() -> None:
    x = 5 * random(8, 5, seed=9)
    expected = by_hand(
        x, 1, lambda z: np.clip(z, 0, 6), lambda g, z: rectified(g) * ((z > 0) & (z < 6))
    )
    np.testing.assert_allclose(GuidedBackprop()(mlp(tape.relu6), x, 1).values, expected, **EXACT)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_smooth_rectifiers_on_request() -> None:
    x = random(8, 5, seed=9)

    def slope(z: np.ndarray) -> np.ndarray:
        return sigmoid(z) * (1 + z * (1 - sigmoid(z)))

    def silu(z: np.ndarray) -> np.ndarray:
        return z * sigmoid(z)

    guided = by_hand(x, 1, silu, lambda grad, z: rectified(grad) * slope(z))
    found = GuidedBackprop(all_rectifiers=True)(mlp(tape.silu), x, 1)
    np.testing.assert_allclose(found.values, guided, **EXACT)
    assert found.warnings == ()
    backwards = by_hand(x, 1, silu, lambda grad, z: rectified(grad))
    found = Deconvnet(all_rectifiers=True)(mlp(tape.silu), x, 1)
    np.testing.assert_allclose(found.values, backwards, **EXACT)


@pytest.mark.parametrize("technique", [GuidedBackprop, Deconvnet])
def test_a_net_without_a_rectifier_is_refused_with_the_option_that_allows_it(technique) -> None:
    net = mlp(tape.silu)
    with pytest.raises(CoverageError) as caught:
        technique()(net, random(2, 5), 1)
    assert "silu at first, second" in str(caught.value)
    assert "all_rectifiers=True" in str(caught.value)


def test_a_linear_net_is_refused_and_the_gradient_named() -> None:
    net = ReferenceModel(("head", lambda x: tape.dense(x, W1)))
    with pytest.raises(CoverageError, match="'gradient'"):
        Deconvnet()(net, random(2, 5), 1)


def test_a_mixed_net_is_explained_with_a_warning() -> None:
    net = ReferenceModel(
        ("first", lambda x: tape.relu(tape.dense(x, W1))),
        ("second", lambda x: tape.silu(tape.dense(x, W2))),
        ("head", lambda x: tape.dense(x, W3)),
    )
    with pytest.warns(UserWarning, match="no rule for silu at second"):
        found = GuidedBackprop()(net, random(2, 5), 1)
    assert "silu at second" in found.warnings[0]


def test_many_gates_are_one_short_line() -> None:
    def gated(x: tape.Traced) -> tape.Traced:
        return tape.sigmoid(tape.relu(tape.dense(x, np.eye(5) / 2)))

    net = ReferenceModel(
        *((f"gate{number}", gated) for number in range(30)),
        ("head", lambda x: tape.dense(x, W1)),
    )
    with pytest.warns(UserWarning, match="no rule for sigmoid") as caught:
        GuidedBackprop()(net, random(2, 5), 1)
    (said,) = caught
    assert str(said.message) == (
        "Guided backprop has no rule for sigmoid at gate0 and 29 more: the plain gradient is used there."
    )


def test_at_a_site_only_rectifiers_behind_it_count() -> None:
    x = random(4, 5, seed=9)
    z2 = rectified(x @ W1 + B1) @ W2 + B2
    expected = (rectified(W3[:, 2]) * (z2 > 0)) @ W2.T
    np.testing.assert_allclose(GuidedBackprop()(mlp(), x, 2, at="first").values, expected, **EXACT)
    with pytest.raises(CoverageError):
        GuidedBackprop()(mlp(), x, 2, at="second")


def test_all_positive_nets_have_the_gradient() -> None:
    def net(x):
        return tape.dense(tape.relu(tape.dense(x, np.abs(W1))), np.abs(W2))

    x = np.abs(random(4, 5))
    for technique in (GuidedBackprop(), Deconvnet()):
        found = technique(ReferenceModel(("net", net)), x, 1).values
        expected = np.tile(np.abs(W1) @ np.abs(W2)[:, 1], (4, 1))
        np.testing.assert_allclose(found, expected, **EXACT)


C1, C2 = random(3, 1, 3, 3), random(2, 3, 3, 3, seed=1)
HEAD = random(8, 3, seed=5)


def cnn() -> ReferenceModel:
    return ReferenceModel(
        ("first", lambda x: tape.relu(tape.convolution(x, C1))),
        ("pool", lambda x: tape.max_pool(x, 3, 2)),
        ("features", lambda x: tape.relu(tape.convolution(x, C2))),
        ("flat", lambda x: tape.arrays.reshape(x, (x.shape[0], -1))),
        ("head", lambda x: tape.dense(x, HEAD)),
    )


def guided_cnn(x: np.ndarray, k: int) -> np.ndarray:
    """Loop by loop: the head, a rectifier, a convolution, overlapping max-pooling, and again."""

    def convolved(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
        rows, columns = x.shape[1] - 2, x.shape[2] - 2
        out = np.zeros((len(weight), rows, columns))
        for o, i, j in np.ndindex(out.shape):
            out[o, i, j] = (weight[o] * x[:, i : i + 3, j : j + 3]).sum()
        return out

    def transposed(grad: np.ndarray, weight: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        back = np.zeros(shape)
        for o, i, j in np.ndindex(grad.shape):
            back[:, i : i + 3, j : j + 3] += grad[o, i, j] * weight[o]
        return back

    z1 = convolved(x, C1)
    a1 = rectified(z1)
    size = (a1.shape[1] - 3) // 2 + 1
    pooled = np.zeros((3, size, size))
    winners = {}
    for c, i, j in np.ndindex(pooled.shape):
        window = a1[c, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
        row, column = np.unravel_index(window.argmax(), window.shape)
        winners[c, i, j] = (c, 2 * i + row, 2 * j + column)
        pooled[c, i, j] = window.max()
    z2 = convolved(pooled, C2)
    grad = rectified(HEAD[:, k].reshape(z2.shape)) * (z2 > 0)
    grad = transposed(grad, C2, pooled.shape)
    back = np.zeros_like(a1)
    for place, winner in winners.items():
        back[winner] += grad[place]
    return transposed(rectified(back) * (z1 > 0), C1, x.shape)


@closed_form("guided_backprop")
def test_guided_backprop_of_a_convolutional_net_with_overlapping_pools() -> None:
    x = random(3, 1, 11, 11, seed=7)
    expected = [guided_cnn(row, 1) for row in x]
    np.testing.assert_allclose(GuidedBackprop()(cnn(), x, 1).values, expected, **EXACT)


@closed_form("guided_grad_cam")
@pytest.mark.parametrize("upsample", ["bilinear", "nearest"])
@pytest.mark.parametrize("rectify", [False, True])
def test_guided_grad_cam_is_the_product_of_both(upsample, rectify: bool) -> None:
    x = random(3, 1, 11, 11, seed=7)
    cam = GradCAM(upsample=upsample, rectify=rectify)(cnn(), x, 1, at="features")
    technique = GuidedGradCAM(upsample=upsample, rectify=rectify)
    found = technique(cnn(), x, 1, at="features")
    expected = np.stack([guided_cnn(row, 1) for row in x]) * np.asarray(cam.values)[:, None]
    # The map's weights are central differences here.
    np.testing.assert_allclose(found.values, expected, rtol=1e-6, atol=1e-9)
    assert found.at == "features"


@pytest.mark.parametrize("technique", [GuidedBackprop, Deconvnet, GuidedGradCAM])
def test_options_are_checked(technique) -> None:
    with pytest.raises(HyperParameterError, match="all_rectifiers"):
        technique(all_rectifiers="yes")
