"""The notebook cell of the documentation: it runs, shows what it found, and gives the command's
numbers."""

import ast
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch

from backlight.command_line import main
from backlight_demo import fashion
from backlight_pictures.layers import read_map
from backlight_study import Study, study
from tests.study.nets import Net, examples

DOCS = (Path(__file__).parents[2] / "docs" / "study.md").read_text()
(CELL,) = (one for one in re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL) if "demo" in one)
METHODS = re.findall(r'^        "(\w.*)",$', CELL, re.MULTILINE)


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        if tag == "img":
            assert str(dict(attrs)["src"]).startswith("data:image/png;base64,")
        else:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def shown() -> tuple[Study, str]:
    """What a notebook does with the cell: all lines run, and the last one's value is displayed."""
    *lines, last = ast.parse(CELL).body
    scope: dict[str, object] = {}
    exec(compile(ast.Module(lines, []), "cell", "exec"), scope)
    assert isinstance(last, ast.Expr)
    study = eval(compile(ast.Expression(last.value), "cell", "eval"), scope)
    return study, study._repr_html_()


def test_it_shows_the_first_cases_with_all_techniques(shown: tuple[Study, str]) -> None:
    study, text = shown
    tags = Tags(text)
    assert not tags.open
    assert "script" not in tags.found
    assert tags.found.count("img") == 6 * (1 + len(METHODS))
    assert len(text) < 300_000
    words = " ".join(tags.texts)
    assert "1,833 of 2,000 right (91.6%)" in words
    assert study.rule in words
    for place in range(6):
        row = study.rows[place]
        odds = study.predictions.probabilities[row]
        for k in np.argsort(-odds)[:3]:
            assert f"{fashion.CLASSES[k]} {odds[k]:.1%}" in words


def test_the_command_gives_the_same_numbers(
    shown: tuple[Study, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, _ = shown
    images, labels = fashion.examples()
    np.savez(tmp_path / "clothes.npz", x=images, y=labels, classes=np.array(fashion.CLASSES))
    methods = [word for one in METHODS for word in ("-m", one)]
    command = ["report", "backlight_demo.fashion_torch:net", str(tmp_path / "clothes.npz"),
               "--cell", "Shirt:Coat", "--cell", "Coat:Shirt", "--limit", "100", *methods,
               "--metric", "none", "-o", str(tmp_path / "report")]  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code in (None, 0), capsys.readouterr().err
    record = json.loads((tmp_path / "report" / "study.json").read_text())
    assert [case["row"] for case in record["cases"]] == study.rows.tolist()
    labels, called = study.predictions.labels, study.predictions.classes
    both = [(6, 4), (4, 6)]
    expected = {row for row in range(2000) if (labels[row], called[row]) in both}
    assert set(study.rows.tolist()) == expected
    assert len(METHODS) == 5
    maps = {name.partition(":")[0]: study.maps(name.partition(":")[0]) for name in METHODS}
    for place, case in enumerate(record["cases"]):
        odds = study.predictions.probabilities[study.rows[place]]
        assert [one["probability"] for one in case["probabilities"]] == pytest.approx(
            sorted(odds, reverse=True)[:5], rel=1e-6
        )
        for row in case["explanations"]:
            read = read_map((tmp_path / "report" / row["targets"]["contrast"]["file"]).read_bytes())
            assert read is not None
            grey, scale = read
            values = (grey.astype(float) - 128) / 127 if scale.signed else grey / 255
            clipped = np.clip(maps[row["name"]][place], -scale.limit, scale.limit)
            np.testing.assert_allclose(values * scale.limit, clipped, atol=0.51 / 127 * scale.limit)


def test_labels_and_numbers_have_words_of_their_own() -> None:
    data, methods = examples(), ["gradient"]
    has = (np.random.default_rng(3).random((len(data.x), 3)) < 0.4).astype(np.uint8)
    labels = study(
        Net(torch.nn.Sigmoid()).eval(), replace(data, labels=has), methods=methods, limit=2
    )
    assert labels._repr_html_().count("wrongly said") == 2
    numbers = replace(data, labels=np.linspace(-1, 1, len(data.x)), classes=("weight",))
    found = study(Net(classes=1).eval(), numbers, methods=methods, limit=2)._repr_html_()
    assert found.count("weight: said <b>") == 2
    assert "Maps: why the number" in found
