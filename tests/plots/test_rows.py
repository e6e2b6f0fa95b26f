"""Bars of features, for one example and for many: what they add up to, their order, their names."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from backlight import Columns, Words, plots
from backlight.errors import InputError, UnknownNameError
from tests.plots import made


def names(ax: Any) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


def bars(ax: Any) -> list[tuple[float, float]]:
    """Where each bar begins, and its signed length, from the top row down."""
    found = [one for one in ax.patches if isinstance(one, Rectangle)]
    return [(one.get_x(), one.get_width()) for one in sorted(found, key=lambda one: one.get_y())]


@pytest.mark.parametrize(
    ("found", "options"),
    [
        (made.table(), {}),
        (made.table(), {"max_display": 3}),
        (made.table(), {"features": Columns({"two": (0, 3)})}),
        (made.text(3), {}),
        (made.picture(), {"features": "grid:2x2"}),
        (made.several(), {"input": "row"}),
        (made.several(), {"input": "row", "max_display": 2}),
    ],
)
def test_a_waterfall_leads_from_the_baselines_score_to_the_score(
    found: Any, options: dict[str, Any]
) -> None:
    ax = plots.waterfall(found, 1, **options)
    drawn = bars(ax)[::-1]  # from the bottom
    assert drawn[0][0] == pytest.approx(found.baseline_score[1])
    for (start, length), (following, _) in itertools.pairwise(drawn):
        assert start + length == pytest.approx(following)
    assert sum(drawn[-1]) == pytest.approx(found.score[1])
    assert names(ax)[-1] == "gap" and drawn[0][1] == pytest.approx(-made.GAP)


def test_a_waterfalls_rows_are_the_largest_with_their_own_numbers() -> None:
    found = made.table()
    values, given = found.values[0], found.inputs[0].given
    assert given is not None
    order = np.argsort(-np.abs(values))
    ax = plots.waterfall(found, max_display=4)
    own = given[0]
    wanted = [f"feature {one} = {own[one]:.6g}".replace("-", "\u2212") for one in order[:3]]
    assert names(ax) == [*wanted, "sum of 4 others", "gap"]
    np.testing.assert_allclose([length for _, length in bars(ax)[:3]], values[order[:3]])
    assert bars(ax)[3][1] == pytest.approx(values[order[3:]].sum())


def test_what_is_of_another_input_has_a_bar() -> None:
    found = made.several()
    ax = plots.waterfall(found, input="row")
    elsewhere = dict(zip(names(ax), bars(ax), strict=True))["elsewhere"]
    assert elsewhere[1] == pytest.approx(found.values["photo"][0].sum())
    assert "elsewhere" not in names(made.table().plot())


def test_several_tables_are_drawn_as_one() -> None:
    whole = made.table()
    (table,), given = whole.inputs, whole.inputs[0].given
    assert given is not None
    parts = [(table.names[:3], np.s_[:, :3]), ((), np.s_[:, 3:])]
    found = replace(
        whole,
        values=tuple(whole.values[part] for _, part in parts),
        inputs=tuple(replace(table, names=own, given=given[part]) for own, part in parts),
        layouts=(None, None),
    )
    one, several = (
        (names(ax), bars(ax)) for ax in (plots.waterfall(whole, 1), plots.waterfall(found, 1))
    )
    called = dict(zip(table.names[3:], [f"1[{at}]" for at in range(4)], strict=True))
    renamed = [
        name.replace(own := name.partition(" = ")[0], called.get(own, own)) for name in one[0]
    ]
    assert (renamed, one[1]) == several
    assert names(plots.beeswarm(found, max_display=7))[0] == "1[3]"


def test_values_that_sum_to_no_scores_are_no_waterfall() -> None:
    with pytest.raises(InputError, match=r"Made\(\) sum to no difference of scores.*kind='bars'"):
        plots.waterfall(replace(made.table(), gap=None))


def test_bars_have_the_standard_error() -> None:
    found = made.table()
    error = np.abs(found.values) / 4
    ax = plots.bars(replace(found, standard_error=error), 2)
    ends = np.array([segment[:, 0] for segment in ax.collections[0].get_segments()])  # type: ignore[attr-defined]
    order = np.argsort(-np.abs(found.values[2]))
    np.testing.assert_allclose(np.ptp(ends, axis=1), 2 * error[2][order])
    np.testing.assert_allclose(ends.mean(axis=1), found.values[2][order])
    assert not plots.bars(found).collections


def test_long_names_are_cut_and_none_is_read_as_mathematics() -> None:
    found = made.table()
    odd = ("$x$\n", "n" * 80, *made.NAMES[2:])
    ax = plots.bars(replace(found, inputs=(replace(found.inputs[0], names=odd),)))
    ax.figure.get_figure(root=True).draw_without_rendering()  # type: ignore[union-attr]
    told = " ".join(names(ax))
    assert "$x$\u23ce = " in told and "n" * 80 not in told and "nnn \u2026 nnn" in told
    assert not any(label.get_parse_math() for label in ax.get_yticklabels())


def test_bar_is_the_mean_of_sizes() -> None:
    found = made.table()
    sizes = np.abs(found.values).mean(axis=0)
    ax = plots.bar(found, max_display=5)
    order = np.argsort(-sizes)
    assert names(ax) == [*(f"feature {one}" for one in order[:4]), "sum of 3 others"]
    wanted = [*sizes[order[:4]], sizes[order[4:]].sum()]
    np.testing.assert_allclose([length for _, length in bars(ax)], wanted)
    assert ax.get_xlabel() == "mean |value| (logit)"


def test_classes_are_looked_at_apart() -> None:
    found = made.table()
    sizes = np.abs(found.values[1::2]).mean(axis=0)
    for of_class in (1, "dog"):
        ax = plots.bar(found, of_class=of_class)
        np.testing.assert_allclose([length for _, length in bars(ax)], np.sort(sizes)[::-1])
        assert ax.get_title() == "10 examples, dog"
    assert plots.bar(found).get_title() == "20 examples, each for its own class"
    with pytest.raises(UnknownNameError, match=r"class 'bird'.*Known: cat, dog"):
        plots.bar(found, of_class="bird")
    with pytest.raises(
        InputError, match=r"Class 7 was explained for no example; those are \[0, 1\]"
    ):
        plots.bar(found, of_class=7)
    with pytest.raises(InputError, match=r"explains no classes"):
        plots.bar(replace(found, classes=None), of_class=1)


def test_a_beeswarm_has_each_value_once_coloured_by_the_features_own_number() -> None:
    found = made.table(60)
    ax = plots.beeswarm(found, max_display=4)
    order = np.argsort(-np.abs(found.values).mean(axis=0))
    assert names(ax) == [*(f"feature {one}" for one in order[:3]), "sum of 4 others"]
    (dots,) = ax.collections
    places = np.asarray(dots.get_offsets())
    rows, colours = np.rint(places[:, 1]).astype(int), np.ma.filled(dots.get_array(), np.nan)  # type: ignore[no-untyped-call]
    for row, feature in enumerate(order[:3]):
        np.testing.assert_allclose(places[rows == row, 0], found.values[:, feature])
        ranks = np.argsort(np.argsort(found.inputs[0].given[:, feature]))  # type: ignore[index]
        middle = (ranks > 4) & (ranks < 55)
        assert (np.diff(colours[rows == row][middle][np.argsort(ranks[middle])]) > 0).all()
        assert colours[rows == row].min() == 0 and colours[rows == row].max() == 1
    np.testing.assert_allclose(places[rows == 3, 0], found.values[:, order[3:]].sum(axis=1))
    assert np.isnan(colours[rows == 3]).all()
    assert np.abs(places[:, 1] - rows).max() < 0.45


def test_equal_values_of_a_beeswarm_lie_side_by_side() -> None:
    found = made.table(200)
    ax = plots.beeswarm(replace(found, values=np.sign(found.values)))
    places = np.asarray(ax.collections[0].get_offsets())
    assert len(np.unique(places, axis=0)) == 7 * 200
    rows = np.rint(places[:, 1])
    assert np.abs(places[:, 1] - rows).max() < 0.45
    heights = (places[:, 1] - rows)[rows == 0]
    assert abs(heights.mean()) < 0.01


def test_a_beeswarm_of_cells_that_are_missing_or_all_alike() -> None:
    found = made.table()
    given = np.array(found.inputs[0].given)
    given[:, 6], given[3, 5] = 1.0, np.nan
    ax = plots.beeswarm(replace(found, inputs=(replace(found.inputs[0], given=given),)))
    colours = np.ma.filled(ax.collections[0].get_array(), np.nan).reshape(20, 7)  # type: ignore[no-untyped-call]
    assert np.isnan(colours).sum() == 1
    assert (colours == 0.5).all(axis=0).sum() == 1
    bare = replace(found, inputs=(replace(found.inputs[0], given=None),))
    assert len(plots.beeswarm(bare).figure.axes) == 1


def test_a_heatmap_goes_from_the_lowest_score_to_the_highest() -> None:
    found = made.table()
    ax = plots.heatmap(found)
    features = np.argsort(-np.abs(found.values).mean(axis=0))
    wanted = found.values[np.argsort(found.score)][:, features].T
    np.testing.assert_allclose(np.asarray(ax.images[0].get_array()), wanted)
    low, high = ax.images[0].get_clim()
    assert high == -low == pytest.approx(np.percentile(np.abs(found.values), 99))


def test_texts_have_no_features_in_common_unless_they_are_named() -> None:
    with pytest.raises(InputError, match=r"Texts have words of their own: plots\.words"):
        plots.bar(made.text())
    pooled = plots.bar(made.text(), features=Words([None, 0, 1, 1, 2, 3, *[None] * 5]))
    assert len(names(pooled)) == 4


def test_values_without_columns_have_to_be_pooled() -> None:
    with pytest.raises(InputError, match=r"shape \(2, 3, 6, 8\).*features='grid:4x4'"):
        made.picture().plot(kind="bars")
