"""Where arrays have their channels and places, and which site is the last feature map."""

from dataclasses import replace

import array_api_strict as strict
import numpy as np
import pytest

from backlight import BacklightWarning, Neuron
from backlight.errors import SiteError
from backlight.values.layout import Layout, guessed, input_layout, site_layout
from backlight_methods import GradCAM, HiResCAM
from tests.reference import ReferenceModel, places_by_shapes, polynomial

pytestmark = places_by_shapes


@pytest.mark.parametrize(
    ("shape", "channels", "axis", "grid"),
    [
        ((2, 3, 8, 9), "first", 1, (8, 9)),
        ((2, 8, 9, 3), "last", 3, (8, 9)),
        ((2, 8, 9, 3), "first", 3, (8, 9)),  # only the other side can be colours
        ((2, 3, 8, 9), "last", 1, (8, 9)),
        ((2, 12, 8, 9), "first", 1, (8, 9)),
        ((2, 8, 9, 12), "last", 3, (8, 9)),
        ((2, 2, 8, 3), "first", 1, (8, 3)),  # both sides may be: the model's own
        ((2, 2, 8, 3), "last", 3, (2, 8)),
        ((2, 1, 8), "first", 1, (8,)),
        ((2, 8, 1), "first", 2, (8,)),
        ((2, 6, 8), "last", 2, (6,)),
        ((2, 1, 4, 5, 6), "first", 1, (4, 5, 6)),
        ((2, 7, 5, 6, 4), "first", 4, (7, 5, 6)),
    ],
)
def test_the_layout_of_an_input(shape: tuple, channels: str, axis: int, grid: tuple) -> None:
    assert input_layout(shape, channels) == Layout(axis, grid)


@pytest.mark.parametrize(
    ("shape", "said", "axis", "grid"),
    [
        ((2, 28, 28), "none", None, (28, 28)),
        ((2, 50), "none", None, (50,)),
        ((2, 4, 5, 3), "none", None, (4, 5, 3)),
        ((2, 28, 20), "first", 1, (20,)),
        ((2, 28, 20), "last", 2, (28,)),
        ((2, 16, 4, 4), "first", 1, (4, 4)),  # what was said counts, not what looks like colours
        ((2, 3, 8, 9), "last", 3, (3, 8)),
    ],
)
@pytest.mark.parametrize("own", ["first", "last"])
def test_what_is_said_of_an_inputs_channels_counts(
    shape: tuple, said: str, axis: int | None, grid: tuple, own: str
) -> None:
    assert input_layout(shape, own, said) == Layout(axis, grid)


@pytest.mark.parametrize(
    ("shape", "said", "expected"),
    [
        ((2, 28, 28), None, True),
        ((2, 12, 1000), None, True),
        ((2, 3, 1000), None, False),
        ((2, 1000, 2), None, False),
        ((2, 28, 28), "none", False),
        ((2, 28, 28), "first", False),
        ((2, 3, 28, 28), None, False),
        ((2, 28), None, False),
    ],
)
def test_three_axes_are_a_guess_where_no_side_is_short(
    shape: tuple, said: str | None, expected: bool
) -> None:
    assert guessed(shape, said) == expected


def test_class_activation_maps_of_pictures_without_channels() -> None:
    """The net makes channels itself; the site of the picture's own shape is no feature map of tokens."""
    weight = RNG.normal(size=(2 * 14 * 14, 3))
    guessing, model = (
        ReferenceModel(
            ("scaled", lambda x: x * 2.0),
            ("features", lambda x: halved(strict.stack([x, x**2], axis=1), "first")),
            ("head", polynomial(weight)),
        )
        for _ in range(2)
    )
    x = RNG.normal(size=(2, 28, 28))
    with pytest.warns(BacklightWarning, match=r"channels='none'"):
        assert GradCAM()(guessing, x, 1).values.shape == (2, 28)
    model.declared_channels = "none"
    found = GradCAM(upsample="none")(model, x, 1)
    assert found.at == "features"
    features = np.stack([2 * x, 4 * x**2], axis=1).reshape(2, 2, 14, 2, 14, 2).mean((3, 5))
    slopes = weight[:, 1].reshape(2, 14, 14).mean((1, 2))
    np.testing.assert_allclose(found.values, np.einsum("c,nchw->nhw", slopes, features), rtol=1e-6)
    assert GradCAM()(model, x, 1).values.shape == x.shape
    one = GradCAM()(
        model, x, 1, at="scaled"
    ).values  # one channel: its mean slope times the picture
    np.testing.assert_allclose(one / (2 * x), np.broadcast_to((one / x)[:, :1, :1] / 2, x.shape))


@pytest.mark.parametrize("shape", [(2,), (2, 5)])
def test_an_input_without_space_has_no_layout(shape: tuple) -> None:
    assert input_layout(shape, "first") is None


@pytest.mark.parametrize(
    ("shape", "image", "channels", "expected"),
    [
        ((2, 64, 7, 7), (224, 224), "first", Layout(1, (7, 7))),
        ((2, 7, 7, 64), (224, 224), "last", Layout(3, (7, 7))),
        ((2, 7, 7, 64), (224, 224), "first", Layout(3, (7, 7))),  # by its proportions
        ((2, 64, 7, 7), (224, 224), "last", Layout(1, (7, 7))),
        ((2, 8, 8, 8), (32, 32), "first", Layout(1, (8, 8))),  # undecided: the model's own side
        ((2, 8, 8, 8), (32, 32), "last", Layout(3, (8, 8))),
        ((2, 16, 7, 14), (32, 64), "first", Layout(1, (7, 14))),
        ((2, 7, 14, 16), (32, 64), "first", Layout(3, (7, 14))),
        ((2, 4, 7, 7), (15, 15), "first", Layout(1, (7, 7))),
        ((2, 512, 1, 1), (224, 224), "first", None),  # pooled to one place
        ((2, 1, 1, 512), (224, 224), "last", None),
        ((2, 3, 448, 448), (224, 224), "first", None),  # finer than the input
        ((3, 64, 7, 7), (224, 224), "first", None),  # not the examples' axis
        ((2, 64), (224, 224), "first", None),
        ((2, 6, 10), (40,), "first", Layout(1, (10,))),
        ((2, 10, 6), (40,), "last", Layout(2, (10,))),
        ((2, 6, 1), (40,), "first", None),
        ((2, 8, 2, 3, 4), (4, 6, 8), "first", Layout(1, (2, 3, 4))),
        ((2, 196, 64), (224, 224), "first", Layout(2, (14, 14), 0, True)),
        ((2, 197, 64), (224, 224), "last", Layout(2, (14, 14), 1, True)),
        ((2, 201, 64), (224, 224), "first", Layout(2, (14, 14), 5, True)),  # register tokens
        ((2, 205, 64), (224, 224), "first", None),  # more than eight before the patches
        ((2, 1 + 7 * 14, 64), (112, 224), "first", Layout(2, (7, 14), 1, True)),
        ((2, 2, 64), (224, 224), "first", None),  # one place is no grid
        ((2, 50, 64), (40,), "first", None),
    ],
)
def test_the_layout_of_an_inner_value(
    shape: tuple, image: tuple, channels: str, expected: Layout | None
) -> None:
    assert site_layout(shape, image, channels, 2) == expected


@pytest.mark.parametrize(
    ("layout", "shape"),
    [
        (Layout(1, (2, 3)), (2, 4, 2, 3)),
        (Layout(3, (2, 3)), (2, 2, 3, 4)),
        (Layout(2, (2, 3), 1, True), (2, 7, 4)),
        (Layout(1, (5,)), (2, 4, 5)),
    ],
)
def test_channels_last(layout: Layout, shape: tuple) -> None:
    value = np.arange(float(np.prod(shape))).reshape(shape)
    found = np.asarray(layout.channels_last(strict.asarray(value), strict))
    assert found.shape == (2, *layout.grid, 4)
    for place in np.ndindex(layout.grid):
        if layout.tokens:
            vector = value[:, layout.prefix + int(np.ravel_multi_index(place, layout.grid))]
        elif layout.channel_axis == 1:
            vector = value[(slice(None), slice(None), *place)]
        else:
            vector = value[(slice(None), *place)]
        np.testing.assert_array_equal(found[(slice(None), *place)], vector)


# The last feature map


def halved(x, channels: str):
    """Each side of (N, C, H, W) or (N, H, W, C) halved by means, nothing else."""
    if channels == "last":
        x = strict.permute_dims(x, (0, 3, 1, 2))
    count, width, *sides = x.shape
    blocks = strict.reshape(x, (count, width, sides[0] // 2, 2, sides[1] // 2, 2))
    x = strict.mean(blocks, axis=(3, 5))
    return strict.permute_dims(x, (0, 2, 3, 1)) if channels == "last" else x


RNG = np.random.default_rng(0)


@pytest.mark.parametrize("channels", ["first", "last"])
def test_the_last_feature_map_is_the_last_that_is_not_pooled(channels: str) -> None:
    x = RNG.normal(size=(2, 2, 8, 8) if channels == "first" else (2, 8, 8, 2))
    model = ReferenceModel(
        ("block1", lambda x: x**2),
        ("block2", lambda x: halved(x, channels)),
        ("pool", lambda x: halved(x, channels)),
        ("flat", lambda x: strict.reshape(x, (x.shape[0], -1))),
        ("head", polynomial(RNG.normal(size=(8, 3)))),
        channels=channels,
    )
    assert GradCAM()(model, x, 1).at == "block2"


def test_the_last_feature_map_of_a_signal() -> None:
    model = ReferenceModel(
        ("block1", lambda x: strict.concat([x, x**2], axis=1)),
        ("block2", lambda x: x[..., ::2] + x[..., 1::2]),
        ("mean", lambda x: strict.mean(x, axis=2, keepdims=True)),
        ("head", polynomial(RNG.normal(size=(2, 3)))),
    )
    x = RNG.normal(size=(2, 1, 8))
    found = GradCAM(upsample="none")(model, x, 1)
    assert found.at == "block2"
    assert found.values.shape == (2, 4)


def test_the_tokens_that_the_score_cannot_see_are_no_feature_map() -> None:
    """After the last attention of a vision transformer only the class token is read."""

    def tokens(x):
        patches = strict.reshape(strict.permute_dims(x, (0, 2, 3, 1)), (x.shape[0], 4, 2))
        return strict.concat([strict.mean(patches, axis=1, keepdims=True), patches], axis=1)

    def attention(value):
        everything = strict.sum(value**2, axis=1, keepdims=True)
        return value + everything

    head = polynomial(RNG.normal(size=(2, 3)))
    model = ReferenceModel(
        ("embed", tokens),
        ("attention", attention),
        ("norm", lambda value: 2 * value),
        ("head", lambda value: head(value[:, 0, :])),
    )
    x = RNG.normal(size=(2, 2, 2, 2))
    found = HiResCAM(upsample="none")(model, x, 1)
    assert found.at == "embed"
    assert np.abs(found.values).min() > 1e-6


def test_without_a_feature_map_the_error_lists_the_sites() -> None:
    model = ReferenceModel(
        ("mean", lambda x: strict.mean(x, axis=(2, 3))), ("head", polynomial(np.ones((2, 3))))
    )
    with pytest.raises(SiteError) as caught:
        GradCAM()(model, RNG.normal(size=(2, 2, 4, 4)), 1)
    for fragment in ("(2, 2, 4, 4)", "None of the sites", "mean (2, 2)", "head (2, 3)"):
        assert fragment in str(caught.value)
    assert "at=" not in str(caught.value)


def test_the_sites_that_an_error_names_can_be_used() -> None:
    """A pooled map is not taken by itself, but it can be asked for; vectors cannot."""

    class Pooling(ReferenceModel):
        def sites(self, inputs):
            listed = super().sites(inputs)
            return tuple(replace(one, pooled=one.name == "pool") for one in listed)

    model = Pooling(
        ("pool", lambda x: halved(x, "first")),
        ("mean", lambda x: strict.mean(x, axis=(2, 3))),
        ("head", polynomial(np.ones((2, 3)))),
    )
    x = RNG.normal(size=(2, 2, 4, 4))
    for at in (None, "mean"):
        with pytest.raises(SiteError, match=r"good for at=\.\.\., are: pool \(2, 2, 2, 2\)\."):
            GradCAM()(model, x, 1, at=at)
    assert GradCAM()(model, x, 1, at="pool").values.shape == (2, 4, 4)


def test_a_table_has_no_feature_map() -> None:
    model = ReferenceModel(("head", polynomial(np.ones((4, 3)))))
    with pytest.raises(SiteError, match="No feature map") as caught:
        GradCAM()(model, RNG.normal(size=(2, 4)), 1)
    assert "need inputs with places" in str(caught.value)
    assert "at=" not in str(caught.value)


def picture_model() -> ReferenceModel:
    return ReferenceModel(
        ("block1", lambda x: x**2),
        ("block2", lambda x: halved(x, "first")),
        ("head", polynomial(RNG.normal(size=(8, 3)))),
    )


def test_the_feature_map_is_found_anew_for_inputs_of_another_shape() -> None:
    model = ReferenceModel(
        ("block1", lambda x: x**2),
        ("block2", lambda x: halved(x, "first")),
        ("head", lambda x: strict.sum(x, axis=(2, 3))),
    )
    assert GradCAM()(model, RNG.normal(size=(2, 2, 4, 4)), 1).at == "block2"
    assert GradCAM()(model, RNG.normal(size=(2, 2, 2, 2)), 1).at == "block1"


def test_the_map_of_a_neuron_is_not_one_that_comes_after_it() -> None:
    """A later feature map cannot tell the neuron's value: its map would be nothing but zeros."""
    found = GradCAM()(picture_model(), RNG.normal(size=(2, 2, 4, 4)), Neuron("block1", 1))
    assert found.at == "block1"


def test_an_earlier_question_does_not_choose_the_map_of_a_neuron() -> None:
    model, x = picture_model(), RNG.normal(size=(2, 2, 4, 4))
    assert GradCAM()(model, x, 1).at == "block2"
    assert GradCAM()(model, x, Neuron("block1", 1)).at == "block1"
    assert GradCAM()(model, x, 1).at == "block2"
