"""Which numbers belong together, and what becomes of them."""

import re
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import backlight
from backlight import (
    Channels,
    Columns,
    Elements,
    Features,
    Grid,
    Segments,
    Several,
    Tokens,
    Windows,
    Words,
)
from backlight.errors import (
    BacklightError,
    HyperParameterError,
    InputError,
    PluginError,
    UnknownNameError,
)
from backlight.features.features import NOWHERE, Part
from backlight.features.labelling import label
from backlight.features.registry import named_features
from backlight.values.layout import Layout
from backlight_methods import FeatureAblation, InputXGradient, KernelSHAP, ShapleyValues
from backlight_pictures.superpixels import SLIC, Felzenszwalb

few = settings(max_examples=20, deadline=None, derandomize=True)


def part(shape: tuple[int, ...], layout: Layout | None = None, total: int | None = None) -> Part:
    return Part(shape, layout, np.arange(shape[0]), total or shape[0])


PICTURES = part((2, 3, 5, 7), Layout(1, (5, 7)))
LAST = part((2, 5, 7, 3), Layout(3, (5, 7)))


def wide(features: Features, where: Part) -> np.ndarray:
    """The label of each number of each example."""
    return np.broadcast_to(features.label(where).labels, where.shape)


@few
@given(rows=st.integers(1, 5), columns=st.integers(1, 7))
def test_the_cells_of_a_grid_are_as_equal_as_places_allow(rows: int, columns: int) -> None:
    found = Grid(rows, columns).label(PICTURES)
    assert len(found.names) == rows * columns and found.labels.shape == (1, 1, 5, 7)
    cells = found.labels[0, 0]
    assert (np.diff(cells // columns, axis=0) >= 0).all()
    assert (np.diff(cells % columns, axis=1) >= 0).all()
    for side, cell in ((5, cells[:, 0] // columns), (7, cells[0] % columns)):
        sizes = np.bincount(cell)
        assert sizes.max() - sizes.min() <= 1 and sizes.sum() == side
    np.testing.assert_array_equal(cells, Grid(rows, columns).label(LAST).labels[0, :, :, 0])


def test_windows_have_one_size_and_may_leave_gaps() -> None:
    cells = Windows(2, 3, stride=(3, 3)).label(PICTURES).labels[0, 0]
    expected = np.array(
        [[r // 3 * 3 + c // 3 if r % 3 < 2 else NOWHERE for c in range(7)] for r in range(5)]
    )
    np.testing.assert_array_equal(cells, expected)
    assert Windows(2).label(part((1, 5), Layout(None, (5,)))).names == (
        "cell 0",
        "cell 1",
        "cell 2",
    )


def test_a_class_token_belongs_to_no_cell() -> None:
    tokens = part((1, 17, 6), Layout(2, (4, 4), prefix=1, tokens=True))
    found = Grid(2, 2).label(tokens).labels
    assert found.shape == (1, 17, 1)
    assert found[0, 0, 0] == NOWHERE
    np.testing.assert_array_equal(
        found[0, 1:, 0].reshape(4, 4), np.kron([[0, 1], [2, 3]], np.ones((2, 2)))
    )


def test_the_other_kinds() -> None:
    np.testing.assert_array_equal(Channels().label(LAST).labels.ravel(), [0, 1, 2])
    columns = Columns({"colour": (1, 3), "age": 0}).label(part((4, 5)))
    assert columns.names == ("colour", "age", "column 2", "column 4")
    np.testing.assert_array_equal(columns.labels, [[1, 0, 2, 0, 3]])
    np.testing.assert_array_equal(wide(Tokens(), part((2, 3, 2)))[0], [[0, 0], [1, 1], [2, 2]])
    words = Words([[None, 0, 0, 1], [0, 1, 2, None]], texts=["a", "b", "c"])
    np.testing.assert_array_equal(words.label(part((2, 4))).labels, [[-1, 0, 0, 1], [0, 1, 2, -1]])
    first, last = (wide(Elements(), one) for one in (PICTURES, LAST))
    np.testing.assert_array_equal(np.moveaxis(first, 1, -1), last)
    assert Elements().label(PICTURES).names[3] == "(0, 1, 0)"


def test_segments_are_of_places_or_of_numbers_for_all_or_each() -> None:
    one = np.random.default_rng(0).integers(-1, 3, size=(5, 7))
    each = np.random.default_rng(1).integers(0, 3, size=(4, 5, 7))
    np.testing.assert_array_equal(wide(Segments(one), PICTURES)[1, 2], one)
    some = Part(PICTURES.shape, PICTURES.layout, np.array([3, 1]), 4)
    np.testing.assert_array_equal(wide(Segments(each), some)[:, 0], each[[3, 1]])
    whole = np.random.default_rng(2).integers(0, 3, size=(3, 5, 7))
    np.testing.assert_array_equal(wide(Segments(torch.tensor(whole)), PICTURES)[0], whole)
    own = np.random.default_rng(3).integers(0, 3, size=(4, 3, 5, 7))
    np.testing.assert_array_equal(wide(Segments(own), some), own[[3, 1]])


REFUSED = {
    "more cells than places": (lambda: Grid(6, 7).label(PICTURES), HyperParameterError, "5 x 7 places"),
    "no places": (lambda: Grid(2).label(part((2, 5))), InputError, "backlight.wrap(net, channels="),
    "a grid of nothing": (lambda: Grid(), HyperParameterError, "Grid.sides"),
    "windows that overlap": (lambda: Windows(4, stride=2), HyperParameterError, "Occlusion"),
    "another shape": (lambda: Segments(np.zeros((4, 4), int)).label(PICTURES), InputError, "(5, 7)"),
    "labels that are none": (lambda: Segments(np.zeros((5, 7))), HyperParameterError, "whole numbers"),
    "nothing but nowhere": (lambda: Segments(np.full((5, 7), -1)), HyperParameterError, "from 0"),
    "a column twice": (lambda: Columns({"a": 0, "b": (0, 1)}), HyperParameterError, "once"),
    "a column too far": (lambda: Columns({"a": 9}).label(part((2, 5))), HyperParameterError, "column 9"),
    "words of another text": (lambda: Words([0, 1]).label(part((2, 5))), InputError, "5 tokens"),
    "superpixels without pixels": (lambda: SLIC().label(PICTURES), InputError, "Segments(labels)"),
    "superpixels of a signal": (
        lambda: SLIC().label(part((2, 3, 9), Layout(1, (9,)))), InputError, "Windows"
    ),
    "a name that is none": (lambda: named_features("gird:8"), UnknownNameError, "grid"),
    "numbers that are none": (lambda: named_features("grid:ax8"), HyperParameterError, "grid:16x16"),
    "too many numbers": (lambda: named_features("channels:8"), HyperParameterError, "channels:8"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused(name: str) -> None:
    make, kind, fragment = REFUSED[name]
    with pytest.raises(kind, match=re.escape(fragment)):
        make()


def test_names_come_from_plugins_and_take_numbers() -> None:
    assert named_features("grid:16x8") == Grid(16, 8)
    assert named_features("Windows:5") == Windows(5)
    assert named_features("channels") == Channels()
    assert named_features("slic:40") == SLIC(segments=40)
    assert named_features("felzenszwalb:200") == Felzenszwalb(scale=200)
    assert repr(Grid(16, 8)) == "Grid(16, 8)"
    assert repr(Windows(5, stride=7)) == "Windows(5, stride=(7,))"


def test_superpixels_say_what_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "skimage.segmentation", None)
    with pytest.raises(PluginError, match=r"pip install 'backlight\[superpixels\]'"):
        SLIC().segmented(np.zeros((8, 8, 3)))


# Spreading and pooling


@few
@given(seed=st.integers(0, 99), each=st.booleans())
def test_what_is_spread_is_pooled_again(seed: int, each: bool) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, 4, size=(3, 5, 7) if each else (5, 7))
    labels[..., 0, :4] = np.arange(4)  # each feature is somewhere
    places = part((3, 2, 5, 7), Layout(1, (5, 7)))
    table = part((3, 6))
    ((_, labelling),) = label((Segments(labels), Columns()), [places, table], ["a", "b"])
    assert labelling.count == 10 and labelling.names[0] == "a: segment 0"
    values = rng.normal(size=(3, 10))
    spread = labelling.spread(values)
    assert [one.shape for one in spread] == [(3, 2, 5, 7), (3, 6)]
    np.testing.assert_allclose(labelling.pooled(spread), values, atol=1e-12)
    ((_, turned),) = label((Columns(), Segments(labels)), [table, places], ["b", "a"])
    for mask, other in zip(labelling.labels, turned.labels[::-1], strict=True):
        np.testing.assert_array_equal(mask == NOWHERE, other == NOWHERE)
    wide = np.broadcast_to(labels if each else labels[None], (3, 5, 7))[:, None]
    anything = rng.normal(size=(3, 2, 5, 7))
    pooled = labelling.pooled([anything, np.zeros((3, 6))])
    for feature in range(4):
        expected = (anything * (wide == feature)).sum(axis=(1, 2, 3))
        np.testing.assert_allclose(pooled[:, feature], expected, atol=1e-12)
        sizes = np.broadcast_to(labelling.sizes, (3, 10))[:, feature]
        np.testing.assert_allclose(sizes, 2 * (wide == feature).sum(axis=(1, 2, 3)))


torch.manual_seed(0)
NET = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 64, 2)).double()


def drawn(count: int, seed: int) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(seed).random((count, 3, 8, 8)))


def test_any_values_are_pooled_and_their_sums_are_complete() -> None:
    x = drawn(3, 0)
    found = backlight.explain(NET, x, 1, "integrated_gradients", baseline=0.3)
    pooled = found.by("grid:2x4")
    assert pooled.values.shape == (3, 8) and pooled.names[1] == "cell (0, 1)"
    np.testing.assert_allclose(
        pooled.values.sum(axis=1), found.score - found.baseline_score, atol=1e-12
    )
    blocks = found.numpy().reshape(3, 3, 2, 4, 4, 2)
    np.testing.assert_allclose(pooled.values, blocks.sum(axis=(1, 3, 5)).reshape(3, 8), atol=1e-12)
    mean = found.by(Grid(2, 4), how="mean").values
    np.testing.assert_allclose(mean, blocks.mean(axis=(1, 3, 5)).reshape(3, 8), atol=1e-12)
    with pytest.raises(HyperParameterError, match="'sum', 'mean' or 'norm', got 'median'"):
        found.by("grid:2x4", how="median")  # type: ignore[arg-type]


def test_the_error_of_a_feature_comes_back_as_it_was() -> None:
    method = ShapleyValues(features=Grid(4, 4), samples=8)
    found = method(
        NET.double(), drawn(2, 1) ** 2, lambda out, arrays: arrays.abs(out[:, 0] * out[:, 1])
    )
    pooled = found.by(Grid(4, 4))
    assert pooled.standard_error is not None
    spread = found.standard_error.numpy()[:, 0, ::2, ::2].reshape(2, 16)
    np.testing.assert_allclose(pooled.standard_error, spread * 12, rtol=1e-12)
    half = found.by("grid:4x2").standard_error
    np.testing.assert_allclose(half, pooled.standard_error.reshape(2, 8, 2).sum(axis=2), rtol=1e-12)


def test_examples_with_features_of_their_own_do_not_depend_on_each_other() -> None:
    labels = np.zeros((4, 8, 8), dtype=int)
    for row, count in enumerate((9, 6, 9, 12)):
        labels[row] = np.random.default_rng(row).integers(0, count, size=(8, 8))
        labels[row].flat[:count] = np.arange(count)
    x = drawn(4, 2)

    def score(out: torch.Tensor, arrays: object) -> torch.Tensor:
        return torch.sin(3 * out[:, 0]) * out[:, 1]

    for make in (partial(KernelSHAP, samples=48), partial(ShapleyValues, exact=0, samples=4)):
        together = make(features=Segments(labels))(NET, x, score)
        assert together.warnings == ()
        np.testing.assert_allclose(together.gap, 0, atol=1e-12)
        for row in range(4):
            alone = make(features=Segments(labels[row : row + 1]))(NET, x[row : row + 1], score)
            np.testing.assert_allclose(together.values[row], alone.values[0], atol=1e-12)
            np.testing.assert_allclose(
                together.standard_error[row], alone.standard_error[0], atol=1e-12
            )
        pooled = together.by(Segments(labels)).values
        assert pooled.shape == (4, 12) and (pooled[1, 6:] == 0).all()


def test_superpixels_of_each_picture() -> None:
    x = torch.zeros(2, 3, 8, 8).double()
    x[0, :, :, 4:] = 1.0
    x[1, :, 4:] = 1.0
    for features, count in ((SLIC(segments=4), 4), (Felzenszwalb(1.0, 0.0, 4), 2)):
        found = FeatureAblation(features=features, baseline=0.5)(NET, x, 0).numpy()[:, 0]
        for one in (found[0], found[1].T):
            left, right = np.unique(one[:, :4]), np.unique(one[:, 4:])
            assert len(left) == len(right) == count / 2
            assert not np.intersect1d(left, right).size


def test_inner_values_and_several_inputs_have_features() -> None:
    class Two(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 4, 3)
            self.head = torch.nn.Linear(5, 2)

        def forward(self, picture: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
            return self.head(table) + self.conv(picture).relu().mean((2, 3))[:, :2]

    torch.manual_seed(0)
    net, x = Two().double(), (drawn(2, 3), torch.ones(2, 5).double())
    features = (Grid(2, 2), Columns({"both": (0, 1)}))
    found = ShapleyValues(features=features)(net, x, 1)
    table = net.head.weight[1].detach().numpy()
    np.testing.assert_allclose(found.values[1][:, 0], (table[0] + table[1]) / 2, atol=1e-12)
    np.testing.assert_allclose(found.values[1][:, 2:], np.tile(table[2:], (2, 1)), atol=1e-12)
    np.testing.assert_allclose(found.gap, 0, atol=1e-12)
    units = FeatureAblation(features=Channels())(net, x, 1, at="conv").by(Channels()).values
    assert units.shape == (2, 4) and (np.abs(units[:, 1]) > 0).all()
    np.testing.assert_allclose(units[:, [0, 2, 3]], 0, atol=1e-12)
    with pytest.raises(BacklightError, match="2 inputs"):
        ShapleyValues(features=(Grid(2, 2),))(net, x, 1)


@pytest.mark.parametrize("name", ["blur", "mean"])
def test_what_is_absent_may_be_made_of_the_example(name: str) -> None:
    from scipy.ndimage import gaussian_filter

    x = drawn(2, 4)
    host = x.numpy()
    made = gaussian_filter(host, [0, 0, 1, 1], mode="nearest") if name == "blur" else np.broadcast_to(
        host.mean(axis=(2, 3), keepdims=True), host.shape
    )  # fmt: skip
    for method in (FeatureAblation, ShapleyValues):
        found = method(features=Grid(2, 3), baseline=name)(NET, x, 1)
        expected = method(features=Grid(2, 3), baseline=made)(NET, x, 1)
        np.testing.assert_allclose(found.values, expected.values, atol=1e-12)
    both = FeatureAblation(features=Grid(2, 3), baseline=Several([name, 0.0]))(NET, x, 1)
    assert (np.abs(both.numpy() - found.numpy()) > 0).any()
    gradients = InputXGradient()(NET, x, 1)
    assert gradients.by(Grid(1, 1)).values.shape == (2, 1)
