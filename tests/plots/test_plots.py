"""All plots: they give Axes back, leave the attribution and matplotlib as they were, and say what is
wrong."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import backlight
from backlight import Attribution
from backlight.attribution.described import DescribedInput
from backlight.errors import HyperParameterError, InputError, PluginError, UnknownNameError
from backlight.plugins.entry_points import load
from backlight_methods import Gradient, IntegratedGradients
from backlight_plots.axes import AGAINST, FOR, colour_map, text_on
from tests.plots import made
from tests.reference import ReferenceModel, polynomial

OF_ONE = {
    "picture": made.picture,
    "text": made.text,
    "waterfall": made.table,
    "bars": made.table,
    "line": made.series,
    "slices": made.volume,
    "plot": made.table,
}
OF_MANY = {
    "bar": made.table,
    "beeswarm": made.table,
    "heatmap": made.table,
    "words": made.text,
}
MODEL = ReferenceModel(("out", polynomial(np.random.default_rng(0).normal(size=(3, 2)))))
FRAME = pd.DataFrame({"age": [1.0, 2.0], "size": [3, 4], "new": [True, False]})


def drawn(name: str, found: Attribution[Any], ax: Axes | None = None, **options: Any) -> Axes:
    axes: Axes = getattr(backlight.plots, name)(found, ax=ax, **options)
    return axes


@pytest.mark.parametrize("name", [*OF_ONE, *OF_MANY])
def test_a_plot_changes_nothing_but_its_axes(name: str) -> None:
    found = {**OF_ONE, **OF_MANY}[name]()
    before = [array.copy() for array in made.numbers(found)]
    settings = dict(matplotlib.rcParams)
    ax = Figure().add_subplot()
    assert drawn(name, found, ax) is ax
    own = drawn(name, found)
    assert isinstance(own.figure, Figure) and own.get_title()
    own.figure.draw_without_rendering()
    assert not plt.get_fignums() and dict(matplotlib.rcParams) == settings
    for array, old in zip(made.numbers(found), before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_every_plot_is_tested() -> None:
    assert {*OF_ONE, *OF_MANY, "image"} == set(backlight.plots.__all__)


@pytest.mark.parametrize(
    ("found", "label"),
    [
        (made.picture(), "value (logit)\ncut off at percentile 99"),
        (made.text(), "value (logit), cut off at the largest word"),
        (made.series(), "value (logit)\ncut off at percentile 99"),
        (made.volume(), "value (logit)\ncut off at percentile 99"),
        (replace(made.picture(), gap=None), "value\ncut off at percentile 99"),
    ],
)
def test_each_kind_is_drawn_with_its_scale(found: Attribution[Any], label: str) -> None:
    bar = found.plot().figure.axes[1]
    assert label in (bar.get_ylabel(), bar.get_xlabel())
    low, high = bar.dataLim.intervaly if bar.get_ylabel() else bar.dataLim.intervalx
    assert low == -high < 0


def test_a_table_is_a_waterfall_where_values_sum_to_scores_else_bars() -> None:
    complete = IntegratedGradients()(MODEL, FRAME, 0).plot()
    assert "at the baseline" in complete.get_xlabel()
    ax = Gradient()(MODEL, FRAME, 0).plot(1)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert sorted(names) == ["age = 2", "new = 0", "size = 4"]
    assert ax.get_xlabel() == "value"


def test_a_saved_attribution_is_drawn(tmp_path: Path) -> None:
    made.text().save(tmp_path / "text.npz")
    assert "$5" in [one.get_text() for one in Attribution.load(tmp_path / "text.npz").plot().texts]


def test_a_title_says_what_was_explained() -> None:
    found = made.table()
    assert found.plot(1).get_title() == f"dog: logit {found.score[1]:.3g}".replace("-", "\u2212")
    rival = replace(found, rivals=1 - found.classes, predicted=True)
    assert rival.plot(1).get_title().startswith("dog rather than cat (predicted): ")
    nameless = replace(found, class_names=None)
    assert nameless.plot(1).get_title().startswith("class 1: ")


@pytest.mark.parametrize("example", [-1, 20, 1.0, True])
def test_an_example_that_is_not_there(example: Any) -> None:
    with pytest.raises(InputError, match=r"example must be a whole number from 0 to 19, got"):
        made.table().plot(example)


def test_several_inputs_are_drawn_one_by_one() -> None:
    found = made.several()
    with pytest.raises(InputError, match=r"inputs row, photo: say which.*input='row'"):
        found.plot()
    with pytest.raises(UnknownNameError, match=r"input of this attribution 'phot'.*photo"):
        found.plot(input="phot")
    assert found.plot(input="photo").images


def test_a_kind_that_is_none_is_refused_with_those_that_are() -> None:
    kinds = "picture, text, waterfall, bars, line, slices"
    with pytest.raises(UnknownNameError, match=f"kind of plot 'pie'.*{kinds}"):
        made.table().plot(kind="pie")  # type: ignore[arg-type]
    other = made.attribution(np.ones((2, 3, 4)), inputs=(DescribedInput("other"),))
    with pytest.raises(InputError, match=rf"\(2, 3, 4\).*{kinds}"):
        other.plot()


@pytest.mark.parametrize(
    ("kind", "lacks"),
    [
        ("picture", "no places of a picture"),
        ("text", "not one for each token"),
        ("line", "no moments"),
        ("slices", "no places of a volume"),
    ],
)
def test_values_without_what_a_kind_needs(kind: Any, lacks: str) -> None:
    other = made.attribution(np.ones((2, 3, 4, 5, 6)))
    with pytest.raises(InputError, match=rf"shape \(2, 3, 4, 5, 6\).*{lacks}"):
        other.plot(kind=kind)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(wrong: float) -> None:
    found = made.table()
    found.values[3, 1] = wrong
    with pytest.raises(InputError, match=r"NaN or infinity among the values of examples \[3\]"):
        found.plot()


@pytest.mark.parametrize(
    ("name", "options", "rule"),
    [
        ("picture", {"percentile": 0}, "percentile must be more than 0"),
        ("picture", {"limit": -1}, "limit must be at least 0"),
        ("picture", {"alpha": 2}, "alpha must be from 0 to 1"),
        ("picture", {"signs": "left"}, "signs must be 'both', 'positive' or 'negative'"),
        ("line", {"percentile": 101}, "at most 100"),
        ("heatmap", {"percentile": 0}, "percentile must be more than 0"),
        ("bars", {"max_display": 1}, "max_display must be a whole number from 2"),
        ("words", {"max_display": 1}, "max_display must be a whole number from 2"),
        ("slices", {"axis": 3}, "axis must be 0, 1 or 2"),
        ("slices", {"max_display": 0}, "max_display must be a whole number from 1"),
        ("line", {"max_display": 0}, "max_display must be a whole number from 1"),
    ],
)
def test_choices_out_of_range(name: str, options: dict[str, Any], rule: str) -> None:
    with pytest.raises(HyperParameterError, match=rule):
        drawn(name, {**OF_ONE, **OF_MANY}[name](), **options)


def test_colours_are_told_apart_by_the_colour_blind_and_texts_read() -> None:
    # Deuteranopia, Vienot, Brettel, Mollon 1999, on linear RGB.
    lost = np.array([[0.293, 0.707, 0.0], [0.293, 0.707, 0.0], [-0.022, 0.022, 1.0]])
    seen = [lost @ np.array(colour[:3]) ** 2.2 for colour in (FOR, AGAINST)]
    assert np.abs(seen[0] - seen[1]).max() > 0.4
    for signed in (True, False):
        for colour in colour_map(signed)(np.linspace(0, 1, 101))[:, :3]:
            assert contrast(colour, text_on(colour)) >= 4.5
    middle = colour_map(True)(0.5)[:3]
    assert min(middle) > 0.9 and max(middle) - min(middle) < 0.05


def contrast(background: Any, text: str) -> float:
    """WCAG 2.2's contrast ratio."""
    luminances = []
    for colour in (background, (0.0, 0.0, 0.0) if text == "black" else (1.0, 1.0, 1.0)):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        luminances.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(luminances) + 0.05) / (min(luminances) + 0.05)


def test_without_matplotlib_plots_say_what_to_install_and_images_are_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [
        name for name in sys.modules if name.startswith(("backlight_plots.", "matplotlib"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delattr("backlight_plots.plots", raising=False)
    with pytest.raises(PluginError, match=r"need matplotlib.*pip install 'backlight\[plot\]'"):
        made.table().plot()
    assert made.picture().to_image(size=64).size[0] >= 64


def test_without_the_plugin_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backlight.attribution.drawing.plugins", lambda: load(()))
    with pytest.raises(PluginError, match=r"No plugin adds backlight\.plots"):
        made.table().plot()
