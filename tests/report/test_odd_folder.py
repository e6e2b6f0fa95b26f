"""A folder with odd pictures, through the command and the call: what is sound is judged and explained as
it is, everything else is named with the reason, in the result and on the page."""

import html
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import backlight
from tests.odd_folder import BROKEN, LEFT_OUT, SOUND, odd_folder
from tests.report.shared import parsed, run

NET = '''
"""Which colour is there most of?"""
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 3, 1, bias=False)
        self.conv.weight.data = torch.eye(3)[:, :, None, None]

    def forward(self, x):
        return self.conv(x).mean((2, 3)) * 4


def net():
    return Net().eval()
'''

ENORMOUS = "a/enormous.png"


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`net.py`, and a folder of odd pictures `all of them`, one of a hundred megapixels among them."""
    place = tmp_path_factory.mktemp("odd")
    (place / "net.py").write_text(NET)
    folder = odd_folder(place / "all of them")
    Image.new("1", (10_000, 10_000), 1).save(folder / ENORMOUS, compress_level=1)
    return place


def probabilities(colours: tuple[tuple[int, ...], tuple[int, ...]]) -> list[float]:
    """What the net says of a picture of these two halves."""
    scores = np.exp(4 * np.mean(colours, axis=0) / 255)
    return list(scores / scores.sum())


def test_the_report_has_all_that_is_sound_and_names_the_rest(
    odd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, expected = tmp_path / "out", {**SOUND, ENORMOUS: ((255,) * 3, (255,) * 3)}
    code, said, err = run(
        capsys, "report", f"{odd / 'net.py'}:net", odd / "all of them", "-o", out, "--size", "8x6",
        "--colour", "rgb", "--only", "all", "-m", "gradient", "--metric", "none",
    )  # fmt: skip
    assert code == 0, err
    assert f"of {len(expected)} right" in said
    study = json.loads((out / "study.json").read_text(encoding="utf-8"))
    page = (out / "report.html").read_text(encoding="utf-8")
    parsed(page)

    assert {case["name"] for case in study["cases"]} == set(expected)
    for case in study["cases"]:
        colours = expected[case["name"]]
        with Image.open(out / case["input"]) as drawn:
            rows = np.asarray(drawn.convert("RGB"), dtype=int)[[0, -1]]
        for row, colour in zip(rows, colours, strict=True):
            np.testing.assert_allclose(row, [colour] * len(row), atol=3, err_msg=case["name"])
        told = {one["class"]: one["probability"] for one in case["probabilities"]}
        np.testing.assert_allclose(
            [told[k] for k in range(3)], probabilities(colours), atol=0.02, err_msg=case["name"]
        )
        assert html.escape(case["name"], quote=False) in page.replace("&#34;", '"').replace(
            "&#39;", "'"
        )

    left_out = dict(line.split(": ", 1) for line in study["data"]["skipped"])
    assert set(left_out) == {*BROKEN, *LEFT_OUT}
    for name, reason in {**BROKEN, **LEFT_OUT}.items():
        assert reason in left_out[name]
        assert f"<bdi>{name}: " in page
    assert f"{len(left_out)} left out in all" in err
    assert "the first frame of several" in study["data"]["reading"]
    assert study["data"]["reading"] in page
    assert study["classes"] == ["a", "b", "nothing"]


def test_so_has_a_study(odd: Path) -> None:
    found = backlight.study(
        torch_net(odd), odd / "all of them", only="all", methods=["gradient"], size=(8, 6)
    )
    assert set(found.names) == {*SOUND, ENORMOUS}
    told = found.predictions.probabilities
    names = found.cases.source.names(0, len(found.cases.source))
    for k, row in zip(found.predictions.ids, told, strict=True):
        if names[k] in SOUND:
            np.testing.assert_allclose(row, probabilities(SOUND[names[k]]), atol=0.02)
    skipped = (*found.cases.source.left_out, *found.predictions.skipped)
    assert {line.split(": ")[0] for line in skipped} == {*BROKEN, *LEFT_OUT}


def torch_net(odd: Path) -> torch.nn.Module:
    from backlight_loading.models import load_model

    found = load_model(f"{odd / 'net.py'}:net")
    assert isinstance(found, torch.nn.Module)
    return found
