"""Each technique against algebra: occlusion."""

from collections.abc import Callable
from itertools import product

import array_api_strict as strict
import numpy as np
import pytest

from backlight import BacklightWarning, Several
from backlight.errors import HyperParameterError, InputError
from backlight_methods import (
    Occlusion,
    Saliency,
)
from tests.methods.judges import any_numbers, closed_form
from tests.methods.polynomials import (
    CLOSE,
    EXACT,
    cubic,
    first,
    model_of,
    random,
    slope_of,
    value_of,
)
from tests.reference import ReferenceModel, linear, places_by_shapes, polynomial

pytestmark = [*any_numbers, places_by_shapes]


def occluded(
    x: np.ndarray,
    baseline: np.ndarray,
    channel_axis: int | None,
    window: tuple[int, ...],
    stride: tuple[int, ...],
    score: Callable[[np.ndarray], float],
) -> np.ndarray:
    """Occlusion of one example (no batch axis), one window at a time."""
    axes = [axis for axis in range(x.ndim) if axis != channel_axis]
    lines = []
    for axis, length, step in zip(axes, window, stride, strict=True):
        starts = [0]
        while starts[-1] + length < x.shape[axis]:
            starts.append(starts[-1] + step)
        lines.append([(axis, slice(start, start + length)) for start in starts])
    total, count = np.zeros(x.shape), np.zeros(x.shape)
    for chosen in product(*lines):
        cut = [slice(None)] * x.ndim
        for axis, part in chosen:
            cut[axis] = part
        covered = x.copy()
        covered[tuple(cut)] = baseline[tuple(cut)]
        total[tuple(cut)] += score(x) - score(covered)
        count[tuple(cut)] += 1
    return total / np.maximum(count, 1)


def occlusion_case(shape: tuple[int, ...], **options: object) -> tuple:
    features = int(np.prod(shape[1:]))
    mix, weights, x = random(features, 3, seed=8), cubic(3), random(*shape, seed=1)
    model = ReferenceModel(("mix", polynomial(mix)), ("head", polynomial(*weights)), **options)

    def score(one: np.ndarray) -> float:
        return float(value_of(weights, 1, one.ravel() @ mix))

    return model, x, score


@closed_form("occlusion")
@pytest.mark.parametrize("batch_size", [2, 5, 256])
@pytest.mark.parametrize(
    ("shape", "channels", "axis", "window", "stride", "sides", "steps"),
    [
        ((2, 3, 5, 4), "first", 0, 2, 2, (2, 2), (2, 2)),  # last row of windows cut off
        ((2, 3, 5, 4), "first", 0, 3, 1, (3, 3), (1, 1)),  # overlap
        ((2, 5, 4, 3), "last", 2, (3, 2), (2, 1), (3, 2), (2, 1)),
        ((2, 2, 6, 6), "first", 0, 4, 4, (4, 4), (4, 4)),  # side by side, the last cut off
        ((2, 2, 7), "first", 0, 3, 2, (3,), (2,)),
        ((2, 7, 2), "last", 1, (3,), 3, (3,), (3,)),
        ((2, 5), "first", None, None, None, (1,), (1,)),  # a table: one feature at a time
        ((2, 5), "first", None, 2, None, (2,), (1,)),
        ((2, 5), "first", None, 3, None, (3,), (2,)),  # half of three, rounded up
        ((2, 1, 16, 17), "first", 0, None, None, (2, 2), (1, 1)),  # an eighth, and half of it
        ((2, 1, 33), "first", 0, None, None, (4,), (2,)),
    ],
)
def test_occlusion(
    shape: tuple[int, ...],
    channels: str,
    axis: int | None,
    window: object,
    stride: object,
    sides: tuple[int, ...],
    steps: tuple[int, ...],
    batch_size: int,
) -> None:
    model, x, score = occlusion_case(shape, channels=channels)
    technique = Occlusion(window=window, stride=stride, baseline=0.25)
    found = technique(model, x, 1, batch_size=batch_size)
    start = np.full(shape[1:], 0.25)
    expected = [occluded(one, start, axis, sides, steps, score) for one in x]
    assert found.values.shape == shape
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-9)
    assert found.gap is None


def test_windows_go_with_their_axes_in_the_order_that_is_said() -> None:
    weight, x = random(20, 2, seed=4), random(2, 4, 5)
    model = ReferenceModel(("head", linear(weight)))
    one = Occlusion(window=(2, 3), stride=(2, 3), axes=(1, 2))(model, x, 0)
    other = Occlusion(window=(3, 2), stride=(3, 2), axes=(2, 1))(model, x, 0)
    np.testing.assert_array_equal(one.values, other.values)


@closed_form("occlusion")
@pytest.mark.parametrize("channels", ["first", "last"])
@pytest.mark.parametrize("way", ["axes", "said"])
def test_occlusion_of_pictures_without_channels(way: str, channels: str) -> None:
    """Windows of 2 x 3 pixels, wherever the framework would have the channels of other inputs."""
    model, x, score = occlusion_case((2, 7, 6), channels=channels)
    if way == "said":
        model.declared_channels = "none"
    technique = Occlusion(window=(2, 3), stride=(1, 2), axes=(1, 2) if way == "axes" else None)
    expected = [occluded(one, np.zeros((7, 6)), None, (2, 3), (1, 2), score) for one in x]
    np.testing.assert_allclose(technique(model, x, 1).values, expected, rtol=1e-9, atol=1e-9)


@closed_form("occlusion")
@pytest.mark.parametrize(("channels", "axis"), [("first", 0), ("last", 1)])
def test_occlusion_warns_where_three_axes_are_a_guess(channels: str, axis: int) -> None:
    model, x, score = occlusion_case((2, 7, 6), channels=channels)
    with pytest.warns(BacklightWarning, match=r"channels='none'.*Occlusion\(axes=") as seen:
        found = Occlusion(window=2, stride=1)(model, x, 1)
    assert len(seen) == 1
    assert f"on axis {axis + 1}." in found.warnings[0]
    expected = [occluded(one, np.zeros((7, 6)), axis, (2,), (1,), score) for one in x]
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-9)
    model.declared_channels = channels
    np.testing.assert_array_equal(Occlusion(window=2, stride=1)(model, x, 1).values, found.values)


@closed_form("occlusion")
@pytest.mark.parametrize(("axes", "axis"), [((1,), 1), ((2,), 0)])
def test_occlusion_along_one_axis_covers_all_of_the_others(axes: tuple, axis: int) -> None:
    model, x, score = occlusion_case((2, 7, 6))
    found = Occlusion(window=2, stride=1, axes=axes)(model, x, 1)
    expected = [occluded(one, np.zeros((7, 6)), axis, (2,), (1,), score) for one in x]
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("features_first", [True, False])
def test_occlusion_covers_whole_tokens_wherever_their_features_are(features_first: bool) -> None:
    """The ids are (N, 7): the axis of an inner value with 7 places is that of the tokens."""
    table, weight = random(5, 6), random(42, 2)

    def embed(ids):
        found = strict.take(strict.asarray(table), strict.reshape(ids, (-1,)), axis=0)
        found = strict.reshape(found, (*ids.shape, 6))
        return strict.permute_dims(found, (0, 2, 1)) if features_first else found

    model = ReferenceModel(("embed", embed), ("head", polynomial(weight)))
    ids = np.array([[0, 3, 1, 1, 4, 2, 0]])
    found = Occlusion()(model, ids, 1, at="embed").values[0]
    shape = (6, 7) if features_first else (7, 6)
    value = table[ids[0]].T if features_first else table[ids[0]]
    axis = 0 if features_first else 1
    whole = (value * weight[:, 1].reshape(shape)).sum(axis, keepdims=True)
    np.testing.assert_allclose(found, np.broadcast_to(whole, shape), rtol=1e-9, atol=1e-9)


def test_occlusion_warns_where_the_features_of_an_inner_value_are_a_guess() -> None:
    model = ReferenceModel(
        ("mix", lambda x: strict.reshape(strict.concat([x, x], axis=1), (x.shape[0], 3, 4))),
        ("head", polynomial(random(12, 2))),
    )
    with pytest.warns(BacklightWarning, match="taken for a sequence with features on axis 2"):
        assert Occlusion()(model, random(2, 6), 1, at="mix").values.shape == (2, 3, 4)
    with pytest.raises(InputError, match=r"nothing to cover in a value of shape \(2, 0\)"):
        Occlusion()(
            ReferenceModel(("head", lambda x: strict.ones((x.shape[0], 2)))), np.ones((2, 0)), 1
        )


@closed_form("saliency")
@pytest.mark.parametrize("channels", ["first", "last"])
def test_saliency_of_pictures_without_channels_has_none_to_reduce(channels: str) -> None:
    weights, x = cubic(42, degree=2), random(2, 7, 6)
    model = model_of(weights, channels=channels)
    with pytest.warns(BacklightWarning, match="channels='none'"):
        guess = Saliency(channels="max")(model, x, 1).values
    assert guess.shape == ((2, 6) if channels == "first" else (2, 7))
    model.declared_channels = "none"
    absolute = np.abs(slope_of(weights, 1, first(x))).reshape(x.shape)
    np.testing.assert_allclose(Saliency(channels="max")(model, x, 1).values, absolute, **CLOSE)


@closed_form("occlusion")
def test_occlusion_averages_over_several_baselines() -> None:
    model, x, score = occlusion_case((2, 2, 4, 4))
    starts = [random(2, 4, 4, seed=2), random(2, 2, 4, 4, seed=3), 0.5]
    technique = Occlusion(window=2, stride=1, baseline=Several(starts))
    found = technique(model, x, 1, batch_size=1)
    expected = np.zeros(x.shape)
    for start in starts:
        for row, b in enumerate(np.broadcast_to(start, x.shape)):
            expected[row] += occluded(x[row], b, 0, (2, 2), (1, 1), score) / 3
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-9)


@closed_form("occlusion")
def test_occlusion_of_a_linear_model_is_weight_times_change() -> None:
    weight, x, baseline = random(4, 3), random(3, 4, seed=1), random(3, 4, seed=2)
    found = Occlusion(baseline=baseline)(model_of([weight]), x, 2)
    np.testing.assert_allclose(found.values, weight[:, 2] * (x - baseline), **EXACT)


@closed_form("occlusion")
def test_occlusion_at_a_site_covers_the_sites_value() -> None:
    mix, weights, x = random(4, 3), cubic(3), random(2, 4, seed=1)
    model = ReferenceModel(("mix", polynomial(mix)), ("head", polynomial(*weights)))
    found = Occlusion()(model, x, 1, at="mix")
    z = x @ mix
    expected = np.stack([weights[p][:, 1] * z ** (p + 1) for p in range(3)]).sum(0)
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-9)


@closed_form("occlusion")
def test_occlusion_at_an_embedding_covers_whole_tokens() -> None:
    embed = strict.asarray(random(5, 3))

    def tokens(ids):
        flat = strict.take(embed, strict.reshape(ids, (-1,)), axis=0)
        return strict.reshape(flat, (*ids.shape, 3))

    weights = cubic(6)
    model = ReferenceModel(("embed", tokens), ("head", polynomial(*weights)))
    ids = np.array([[0, 3], [4, 1]])
    found = Occlusion()(model, ids, 1, at="embed")
    value = random(5, 3)[ids].reshape(2, 6)
    parts = np.stack([weights[p][:, 1] * value ** (p + 1) for p in range(3)]).sum(0)
    expected = np.repeat(parts.reshape(2, 2, 3).sum(2), 3, axis=1).reshape(2, 2, 3)
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-9)


@closed_form("occlusion")
@pytest.mark.parametrize("order", ["picture first", "table first"])
def test_occlusion_of_a_picture_and_a_table(order: str) -> None:
    """Each input has its own places: pixels with all their colours, and columns one by one."""
    picture, table = random(2, 3, 4, 4), random(2, 5)
    weights = [random(48, 2), random(5, 2)]

    def outputs(picture, table):
        return polynomial(weights[0])(picture) + polynomial(weights[1])(table)

    given = {"picture": picture, "table": table}
    if order == "table first":
        given = dict(reversed(given.items()))
    found = Occlusion(window=1)(ReferenceModel(("head", outputs)), given, 1).values
    np.testing.assert_allclose(found["table"], table * weights[1][:, 1], rtol=1e-9, atol=1e-9)
    colours = (picture * weights[0][:, 1].reshape(3, 4, 4)).sum(1, keepdims=True)
    np.testing.assert_allclose(
        found["picture"], np.broadcast_to(colours, picture.shape), rtol=1e-9, atol=1e-9
    )


@closed_form("occlusion")
def test_occlusion_of_several_inputs_covers_one_at_a_time() -> None:
    weights = cubic(3), cubic(2)
    x = random(2, 3), random(2, 2)

    def outputs(a, b):
        return polynomial(*weights[0])(a) * polynomial(*weights[1])(b)

    found = Occlusion(baseline=(0.0, 1.0))(ReferenceModel(("head", outputs)), x, 1).values
    for row in range(2):
        whole = [value_of(weights[i], 1, x[i][row]) for i in range(2)]
        for leaf, start in ((0, 0.0), (1, 1.0)):
            for feature in range(x[leaf].shape[1]):
                moved = x[leaf][row].copy()
                moved[feature] = start
                fall = whole[1 - leaf] * (whole[leaf] - value_of(weights[leaf], 1, moved))
                np.testing.assert_allclose(found[leaf][row, feature], fall, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("fields", "fragment"),
    [
        ({"window": 0}, "Occlusion.window must be at least 1 along each axis, got 0."),
        ({"stride": (1, 0)}, "Occlusion.stride must be at least 1"),
        ({"window": 5}, "at most (5, 4); got 5."),
        ({"window": (1, 1, 1)}, "at most (5, 4); got (1, 1, 1)."),
        ({"stride": (1, 1, 1)}, "at most (5, 4); got (1, 1, 1)."),
        (
            {"window": (2, 1), "stride": (2, 3)},
            "at most the window's sides (2, 1), got (2, 3): along axis 3, places 1 to 2 of every 3",
        ),
        ({"axes": ()}, "Occlusion.axes must be a tuple of different axes"),
        ({"axes": (0, 1)}, "Occlusion.axes must be a tuple of different axes"),
        ({"axes": (1, 1)}, "Occlusion.axes must be a tuple of different axes"),
        ({"axes": 1}, "Occlusion.axes must be a tuple of different axes"),
        ({"axes": (2, 4)}, "axes of the value, of shape (2, 3, 5, 4); got (2, 4)."),
    ],
)
def test_occlusion_refuses_windows_that_do_not_fit(fields: dict, fragment: str) -> None:
    model, x, _ = occlusion_case((2, 3, 5, 4))
    with pytest.raises(HyperParameterError) as caught:
        Occlusion(**fields)(model, x, 1)
    assert fragment in str(caught.value)
