"""Each technique against algebra: class activation maps."""

import array_api_strict as strict
import numpy as np
import pytest
import torch
from PIL import Image

from backlight import Method
from backlight.errors import HyperParameterError, SiteError
from backlight_methods import (
    METHODS,
    GradCAM,
    GradCAMPlusPlus,
    HiResCAM,
    LayerCAM,
    Smooth,
    XGradCAM,
)
from tests.methods.judges import any_numbers, closed_form
from tests.methods.polynomials import CLOSE, noisy
from tests.reference import ReferenceModel, places_by_shapes

pytestmark = [*any_numbers, places_by_shapes]

GRID = (3, 2)


SIZE = (6, 4)


CHANNELS = 3


class Convolutional:
    """Images (N, 1, 6, 4) to a feature map of 3 x 2 places and 3 channels, which a head sums up.

    channel c = a_c m + b_c m^2 of each block's mean m; score k = sum of w A + v A^2 / 2.
    """

    def __init__(self, form: str, curved: bool = True):
        rng = np.random.default_rng(3)
        self.form = form
        self.a, self.b = rng.normal(size=(2, CHANNELS))
        self.w, self.v = rng.normal(size=(2, *GRID, CHANNELS, 2))
        if not curved:
            self.v = np.zeros_like(self.v)
        self.x = rng.normal(size=(2, 1, *SIZE))
        if form == "last":
            self.x = self.x.transpose(0, 2, 3, 1)
        self.model = ReferenceModel(
            ("features", self.features),
            ("head", self.head),
            channels=form.replace("tokens", "first"),
        )

    def features(self, x):
        count = x.shape[0]
        blocks = strict.mean(
            strict.reshape(x, (count, GRID[0], SIZE[0] // GRID[0], GRID[1], SIZE[1] // GRID[1])),
            axis=(2, 4),
        )
        m = blocks[..., None]
        value = strict.asarray(self.a) * m + strict.asarray(self.b) * m**2
        if self.form == "first":
            return strict.permute_dims(value, (0, 3, 1, 2))
        if self.form == "tokens":
            patches = strict.reshape(value, (count, GRID[0] * GRID[1], CHANNELS))
            return strict.concat([strict.sum(patches, axis=1, keepdims=True), patches], axis=1)
        return value

    def head(self, value):
        if self.form == "first":
            value = strict.permute_dims(value, (0, 2, 3, 1))
        if self.form == "tokens":
            value = strict.reshape(value[:, 1:, :], (value.shape[0], *GRID, CHANNELS))
        value = value[..., None]
        w, v = strict.asarray(self.w), strict.asarray(self.v)
        return strict.sum(w * value + v * value**2 / 2, axis=(1, 2, 3))

    def by_hand(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Feature map and gradient, both (N, rows, columns, channels)."""
        activation = np.zeros((2, *GRID, CHANNELS))
        for n, i, j, c in np.ndindex(activation.shape):
            block = self.x[n].reshape(SIZE)[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            activation[n, i, j, c] = self.a[c] * block.mean() + self.b[c] * block.mean() ** 2
        return activation, self.w[..., k] + self.v[..., k] * activation


def cam_by_hand(name: str, activation: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """The map of each technique with its formula written out for one place at a time."""
    out = np.zeros(activation.shape[:3])
    places = list(np.ndindex(GRID))
    for n, c in np.ndindex(len(activation), activation.shape[-1]):
        a, g = activation[n, ..., c], gradient[n, ..., c]
        grad_cam = sum(g[p] for p in places) / len(places)
        x_grad = sum(g[p] * a[p] for p in places) / sum(a[p] for p in places)
        plus_plus = 0.0
        for p in places:
            total = sum(max(a[q], 0.0) for q in places)
            below = 2 * g[p] ** 2 + total * g[p] ** 3
            plus_plus += g[p] ** 2 / below * max(g[p], 0.0)
        for p in places:
            weight = {
                "grad_cam": grad_cam,
                "grad_cam_plus_plus": plus_plus,
                "hires_cam": g[p],
                "layer_cam": max(g[p], 0.0),
                "x_grad_cam": x_grad,
            }[name]
            out[(n, *p)] += weight * a[p]
    return out


CAMS = ["grad_cam", "grad_cam_plus_plus", "hires_cam", "layer_cam", "x_grad_cam"]


@closed_form(*CAMS)
@pytest.mark.parametrize("rectify", [False, True])
@pytest.mark.parametrize("form", ["first", "last", "tokens"])
@pytest.mark.parametrize("name", CAMS)
def test_class_activation_map(name: str, form: str, rectify: bool) -> None:
    net = Convolutional(form)
    found = METHODS[name](upsample="none", rectify=rectify)(net.model, net.x, 1)
    expected = cam_by_hand(name, *net.by_hand(1))
    assert expected.min() < 0 < expected.max()
    if rectify:
        expected = np.maximum(expected, 0)
    np.testing.assert_allclose(found.values, expected, **CLOSE)
    assert found.at == "features"


@pytest.mark.parametrize("name", CAMS)
@pytest.mark.parametrize("upsample", ["nearest", "bilinear"])
def test_class_activation_map_is_brought_to_the_inputs_places(name: str, upsample: str) -> None:
    net = Convolutional("first")
    found = METHODS[name](upsample=upsample)(net.model, net.x, 1)
    small = cam_by_hand(name, *net.by_hand(1))
    how = Image.Resampling.BILINEAR if upsample == "bilinear" else Image.Resampling.NEAREST
    for row in range(2):
        drawn = Image.fromarray(small[row].astype(np.float32)).resize(SIZE[::-1], how)
        np.testing.assert_allclose(found.values[row], np.asarray(drawn), rtol=1e-5, atol=1e-5)


def test_rectify_comes_before_upsampling() -> None:
    net = Convolutional("first")
    both = GradCAM(rectify=True)(net.model, net.x, 1).values
    small = GradCAM(rectify=True, upsample="none")(net.model, net.x, 1).values
    for row in range(2):
        drawn = Image.fromarray(small[row].astype(np.float32)).resize(
            SIZE[::-1], Image.Resampling.BILINEAR
        )
        np.testing.assert_allclose(both[row], np.asarray(drawn), rtol=1e-5, atol=1e-5)


def test_the_papers_upsampling_is_the_default_and_nothing_is_rectified() -> None:
    for name in CAMS:
        assert METHODS[name]().upsample == "bilinear"
        assert METHODS[name]().rectify is False


@pytest.mark.parametrize("name", ["grad_cam_plus_plus", "x_grad_cam"])
def test_a_channel_without_activation_and_gradient_adds_nothing(name: str) -> None:
    net = Convolutional("first")
    net.a[0] = net.b[0] = 0.0
    net.w[:, :, 0, :] = net.v[:, :, 0, :] = 0.0
    found = METHODS[name](upsample="none")(net.model, net.x, 1).values
    activation, gradient = net.by_hand(1)
    expected = cam_by_hand(name, activation[..., 1:], gradient[..., 1:])
    np.testing.assert_allclose(found, expected, **CLOSE)


@closed_form("grad_cam")
def test_grad_cam_with_global_average_pooling_sums_to_the_score() -> None:
    net = Convolutional("first", curved=False)
    net.w[...] = net.w[:1, :1]
    found = GradCAM(upsample="none")(net.model, net.x, 0)
    np.testing.assert_allclose(found.values.sum((1, 2)), found.score, **CLOSE)


@closed_form("hires_cam", "x_grad_cam")
@pytest.mark.parametrize("technique", [HiResCAM, XGradCAM])
def test_maps_of_a_linear_head_sum_to_the_score(technique: type[Method]) -> None:
    net = Convolutional("first", curved=False)
    found = technique(upsample="none")(net.model, net.x, 0)
    np.testing.assert_allclose(found.values.sum((1, 2)), found.score, **CLOSE)


@closed_form("layer_cam")
def test_layer_cam_is_hires_cam_where_no_gradient_is_negative() -> None:
    net = Convolutional("first", curved=False)
    net.w[...] = np.abs(net.w)
    one, other = (cam(upsample="none")(net.model, net.x, 0).values for cam in (LayerCAM, HiResCAM))
    np.testing.assert_allclose(one, other, **CLOSE)


@closed_form("grad_cam_plus_plus")
def test_grad_cam_plus_plus_gives_no_weight_to_negative_gradients() -> None:
    net = Convolutional("first", curved=False)
    net.w[...] = -np.abs(net.w)
    found = GradCAMPlusPlus(upsample="none")(net.model, net.x, 0).values
    np.testing.assert_allclose(found, 0, atol=1e-12)


def test_class_activation_map_at_a_site_without_places_is_refused() -> None:
    net = Convolutional("first")
    with pytest.raises(SiteError, match=r"'head' of shape \(2, 2\) is not laid out"):
        GradCAM()(net.model, net.x, 1, at="head")


def test_smooth_grad_cam_reads_the_feature_map_of_the_noisy_picture() -> None:
    net = Convolutional("first")
    technique = Smooth(inner=GradCAM(upsample="none"), samples=3)
    found = technique(net.model, net.x, 1)
    assert found.at == "features"
    clean, maps = net.x, []
    for sample in range(3):
        net.x = noisy(clean, technique, sample)
        maps.append(cam_by_hand("grad_cam", *net.by_hand(1)))
    np.testing.assert_allclose(found.values, np.mean(maps, axis=0), **CLOSE)


@pytest.mark.parametrize("method", [GradCAM, HiResCAM, XGradCAM, LayerCAM, GradCAMPlusPlus])
@pytest.mark.parametrize("form", ["first", "last"])
def test_channels_that_are_kept_add_up_to_the_map(method: type[Method], form: str) -> None:
    net = Convolutional(form)
    whole = method(upsample="none")(net.model, net.x, 1, at="features")
    kept = method(upsample="none", channels="keep")(net.model, net.x, 1, at="features")
    assert kept.numpy().shape == (2, *GRID, CHANNELS)
    np.testing.assert_allclose(kept.numpy().sum(-1), whole.numpy(), **CLOSE)


def test_a_map_of_places_that_are_not_the_inputs() -> None:
    """A net makes a picture of a row of numbers: the mean gradient of a channel times its values."""
    rng = np.random.default_rng(7)
    mixing, weights = rng.normal(size=(8, 12)), rng.normal(size=(12, 2))

    def spectrogram(x: torch.Tensor) -> torch.Tensor:
        return (x @ torch.from_numpy(mixing)).reshape(-1, 2, 3, 2)  # channels, two axes of places

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.picture = torch.nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.picture(spectrogram(x)).flatten(1) @ torch.from_numpy(weights)

    x = rng.normal(size=(4, 8))
    given = torch.from_numpy(x)
    found = GradCAM(upsample="none", axes=(2, 3))(Net(), given, 1, at="picture")
    values = (x @ mixing).reshape(4, 2, 3, 2)
    means = weights[:, 1].reshape(2, 6).mean(1)
    np.testing.assert_allclose(found.numpy(), np.einsum("c,nchw->nhw", means, values), rtol=1e-9)
    with pytest.raises(SiteError, match=r"axes=\(2, 3\)"):
        GradCAM(upsample="none")(Net(), given, 1, at="picture")


@pytest.mark.parametrize("options", [{"channels": "keep"}, {"axes": (1, 2)}])
def test_what_has_places_of_its_own_is_not_upsampled(options: dict[str, object]) -> None:
    with pytest.raises(
        HyperParameterError, match=r"GradCAM\.upsample must be 'none' where channels"
    ):
        GradCAM(**options)


def test_axes_are_those_of_a_named_feature_map() -> None:
    net = Convolutional("first")
    for at in (None, "features"):
        with pytest.raises(
            HyperParameterError, match=r"GradCAM.axes must be axes of a feature map"
        ):
            GradCAM(upsample="none", axes=(1, 9))(net.model, net.x, 1, at=at)
