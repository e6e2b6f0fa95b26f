"""docs/metrics.md is true: its table lists every metric with its direction, and its example runs."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

import numpy as np

import backlight
from backlight import Cost, Metric, Outcome, Subject
from backlight_metrics import METRICS
from tests.metrics.nets import SIDE, additive, judged, random

TEXT = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
ROWS = re.findall(
    r"^\| (`\w+`(?:, `\w+`)*) \| .* \| (higher|lower|neither) \| ", TEXT, re.MULTILINE
)


def test_every_metric_is_in_the_table_with_its_direction() -> None:
    listed = {name: way for names, way in ROWS for name in re.findall(r"\w+", names)}
    assert listed == {name: make().direction or "neither" for name, make in METRICS.items()}


def test_passes_in_the_table_are_the_metrics_own() -> None:
    passes = re.findall(r"^\| `(\w+)` \| .* \| (\d+(?: x \d+)?) passes \|", TEXT, re.MULTILINE)
    for name, said in passes:
        assert METRICS[name]().cost(10_000).forwards == np.prod([int(n) for n in said.split(" x ")])
    explanations = re.findall(r"^\| `(\w+)` \| .* \| (\d+) explanations \|", TEXT, re.MULTILINE)
    for name, said in explanations:
        assert METRICS[name]().cost(10_000).explanations == int(said)
    assert len(passes) == 6
    assert len(explanations) == 2


def test_the_metric_of_your_own_runs() -> None:
    code = TEXT[TEXT.rindex("    @final") :]
    code = "\n".join(line.removeprefix("    ") for line in code.splitlines())
    scope = {
        "dataclass": dataclass,
        "final": final,
        "ClassVar": ClassVar,
        "Cost": Cost,
        "Metric": Metric,
        "Outcome": Outcome,
        "Subject": Subject,
        "np": np,
        "__name__": "largest_place",
    }
    exec(code, scope)
    model, _ = additive()
    spot = np.zeros((2, SIDE, SIDE))
    spot[:, 3, 4], spot[1, 0, 0] = 3.0, -1.0
    found = judged(model, random(2, 3, SIDE, SIDE), spot, scope["LargestPlace"](), 1)
    assert found.values.tolist() == [1.0, 0.75]


def test_names_in_the_text_are_public() -> None:
    for word in re.findall(r"`backlight\.([A-Za-z]+)", TEXT):
        assert hasattr(backlight, word)
