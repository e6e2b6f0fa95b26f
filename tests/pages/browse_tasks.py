"""The pages of nets with several labels and of models that give numbers: checked against `study.json`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backlight import Examples
from backlight_report import report
from tests.pages.browser import Browser
from tests.study.nets import CLASSES, Net, examples

Record = dict[str, Any]
TASKS = ("multi-label", "regression")


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Record]]:
    data, rng = examples(), np.random.default_rng(3)
    has, numbers = rng.random((90, 3)) < 0.4, rng.normal(size=90) - 1.5
    made = {
        "multi-label": (Net(torch.nn.Sigmoid()).eval(), has, CLASSES),
        "regression": (Net(classes=1).eval(), numbers, ("weight",)),
    }
    found = {}
    for task, (net, labels, names) in made.items():
        folder = tmp_path_factory.mktemp("task") / "report"
        report(
            net,
            Examples(data.x, labels, names, data.names),
            directory=folder,
            methods=["integrated_gradients:steps=4", "saliency"],
            limit=12,
            right=4,
        )
        record = json.loads((folder / "study.json").read_text(encoding="utf-8"))
        found[task] = folder / "report.html", record
    return found


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_page(browser: Browser, studied: Any, task: str, width: int, scheme: Any) -> None:
    page, study = studied[task]
    assert study["task"] == task
    browser.open(page, width=width, scheme=scheme)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.requests() == [page.as_uri()]
    assert browser.complaints() == []
    assert browser.faults() == []
    assert browser.becomes(browser.cases, [case["id"] for case in study["cases"]])
    browser.open(page, width=width, scheme=scheme, scripts=False)
    count = len(browser.all(".case .verdict"))
    assert count == len(study["cases"]) == 16


def test_mistakes_of_a_label(browser: Browser, studied: Any) -> None:
    page, study = studied["multi-label"]
    browser.open(page)
    kinds = ["fp", "fn", "tp", "tn"]
    labels = {one["label"]: one for one in study["performance"]["labels"]}
    wanted = {}
    for case in study["cases"]:
        cell = f"cell-{case['label']['class']}-{kinds.index(case['kind'])}"
        wanted.setdefault(cell, []).append(case["id"])
    for cell, ids in wanted.items():
        browser.open(page, f"#{cell}")
        assert sorted(browser.cases()) == sorted(ids)
        (count,) = browser.texts(f"[id='{cell}'] > .count")
        _, label, kind = cell.split("-")
        if int(kind) < 2:
            assert int(count) == labels[int(label)]["invented" if kind == "0" else "missed"]
    first = min(labels.values(), key=lambda one: one["f1"]["value"])
    assert browser.texts(".scores tbody th")[0] == CLASSES[first["label"]]
    cells = browser.texts(".scores tbody tr:first-child td")
    assert cells[-3:] == [str(first[key]) for key in ("missed", "invented", "support")]
    browser.open(page)
    browser.choose("true", "1")
    assert set(browser.cases()) == {
        case["id"] for case in study["cases"] if case["label"]["class"] == 1
    }


def test_errors_of_a_number(browser: Browser, studied: Any) -> None:
    page, study = studied["regression"]
    browser.open(page)
    (found,) = study["performance"]["numbers"]
    assert browser.texts(".tile b") == [
        f"{found[key]['value']:.3g}".replace("-", "\N{MINUS SIGN}")
        for key in ("mae", "rmse", "r2", "bias")
    ]
    assert len(browser.all(".plot rect")) == len(found["plot"]["cells"])
    assert sum(count for _, _, count in found["plot"]["cells"]) == 90
    assert len(browser.all(".plot circle")) == len(study["cases"])
    for kind, key in (("over", "0"), ("under", "1")):
        browser.open(page, f"#cell-0-{key}")
        ids = {case["id"] for case in study["cases"] if case["kind"] == kind}
        assert set(browser.cases()) == ids
        assert len(browser.all(f"[id='cell-0-{key}'] li")) == len(found[kind])
    browser.open(page)
    browser.choose("sort", "-error")
    sizes = {case["id"]: abs(case["error"]) for case in study["cases"]}
    assert browser.becomes(browser.cases, sorted(sizes, key=lambda id: sizes[id]))
    caption = browser.texts(f"#{study['cases'][0]['id']} .map figcaption")[0]
    target = study["cases"][0]["explanations"][0]["targets"]["value"]
    assert "difference" in caption
    assert np.isfinite(target["score"] - target["baseline_score"])
