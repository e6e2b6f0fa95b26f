"""Panels for a slide: which cases and techniques, in which colours; and what they are refused for."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backlight.errors import InputError, UnknownNameError
from backlight_pictures.colours import overlay
from backlight_pictures.scale import Scale
from backlight_report import report
from backlight_report.lettering import font_for, shortened
from backlight_report.panels import ABOVE, CASE, GAP, MARGIN, TOP, tile_of
from backlight_report.pictures import shown
from tests.study.nets import examples, torch_net

TECHNIQUES = ["saliency", "integrated_gradients:steps=4"]


def test_each_map_is_where_its_case_and_technique_say(tmp_path: Path) -> None:
    made = report(
        torch_net(), examples(), directory=tmp_path / "report", methods=TECHNIQUES, limit=8, metrics=[],
        panels=["contrast", "true"],
    )  # fmt: skip
    record = json.loads((made.directory / "study.json").read_text(encoding="utf-8"))
    assert record["panels"] == [
        f"pictures/panel-{question}-{place:02}.png"
        for question in ("contrast", "true")
        for place in (1, 2)
    ]
    tile = tile_of(2)
    for path in record["panels"]:
        question, place = path.removesuffix(".png").split("-")[1:]
        panel = np.asarray(Image.open(made.directory / path))
        assert panel.shape == (1080, 1920, 3)
        for turn in range(6 if place == "01" else 2):
            case = turn + 6 * (int(place) - 1)
            picture = shown(made.study.cases.stored(np.array([case]))[0], "first", (0, 255))
            left = MARGIN + turn % 2 * (CASE[0] + 3 * GAP)
            top = TOP + turn // 2 * CASE[1] + ABOVE
            centres = ((np.arange(8) + 0.5) * tile / 8).astype(int)
            assert (panel[top + centres][:, left + centres, 0] == picture).all()
            for column, name in enumerate(("saliency", "integrated_gradients"), start=1):
                values = made.study.maps(name, question)[case]  # type: ignore[arg-type]
                limit = record["cases"][case]["explanations"][column - 1]["limit"]
                bytes = np.rint(127 * np.clip(values / limit, -1, 1))  # as the file has them
                if name == "saliency":  # never negative
                    bytes = np.rint(255 * np.clip(values / limit, 0, 1)) * 127 / 255
                at = left + column * (tile + GAP)
                found = panel[top + centres][:, at + centres]
                wanted = overlay(bytes / 127, Scale(1.0, True), picture)
                np.testing.assert_array_equal(found, wanted, err_msg=f"{path} {turn} {name}")
    again = report(
        torch_net(),
        examples(),
        directory=made.directory,
        methods=TECHNIQUES[:1],
        limit=2,
        metrics=[],
    )
    assert not list((again.directory / "pictures").glob("panel*"))


def test_long_names_are_shortened_in_the_middle() -> None:
    font = font_for(True, 20)
    name = "a class whose name is much too long for any panel, number 7"
    made = shortened(name, font, 200)
    assert font.getlength(made) <= 200 < font.getlength(name)
    assert made.startswith("a class")
    assert made.endswith("7")
    assert "..." in made
    assert shortened("short", font, 200) == "short"


def test_what_is_refused_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    asked = []
    for given, error, said in (
        ({"panels": ["contrast"], "private": True}, InputError, "private"),
        ({"panels": ["why"]}, UnknownNameError, "contrast"),
    ):
        with pytest.raises(error, match=said):
            report(
                torch_net(), examples(), directory=tmp_path / "report",
                progress=lambda *told: asked.append(told), **given,  # type: ignore[arg-type]
            )  # fmt: skip
    assert asked == []
    with pytest.raises(InputError, match=r"contrast.*were asked; got 'value'"):
        report(
            torch_net(), examples(), directory=tmp_path / "report", methods=TECHNIQUES[:1], limit=2,
            metrics=[], panels=["value"],
        )  # fmt: skip
    assert not (tmp_path / "report" / "study.json").exists()
