"""The page as text: what it escapes, refuses, leaves out, and refers to."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from backlight.errors import InputError
from backlight_report.study_page import images, study_page
from tests.pages import made_up_study
from tests.pages.made_up_pictures import Shape
from tests.pages.made_up_study import HOSTILE, made_up, private_texts

VOID = {"meta", "img", "input", "br", "hr", "link"}
STUDIES = ("small", "one_output", "no_cases", "hostile")


class Read(HTMLParser):
    """Tags and their attributes, ids, and whether every tag is closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    @property
    def ids(self) -> list[str]:
        return [found for _, attrs in self.tags if (found := attrs.get("id"))]


def page_of(name: str, **options: bool) -> str:
    study, pictures = getattr(made_up_study, name)()
    return study_page(study, pictures, **options)


@pytest.mark.parametrize("name", STUDIES)
def test_tags_are_closed_ids_are_unique_and_links_lead_somewhere(name: str) -> None:
    read = Read(page_of(name))
    assert not read.open
    assert len(set(read.ids)) == len(read.ids)
    links = [attrs["href"] for tag, attrs in read.tags if tag == "a"]
    assert links
    for link in links:
        assert link is not None and link.startswith("#")
        assert "=" in link or link[1:] in read.ids


@pytest.mark.parametrize("name", STUDIES)
def test_nothing_is_fetched(name: str) -> None:
    text = page_of(name)
    sources = [attrs.get("src") or "" for tag, attrs in Read(text).tags if tag in ("img", "script")]
    assert all(one.startswith("data:image/") or one == "" for one in sources)
    addresses = re.findall(r"url\(\s*[\"']?([^\"')]+)", text)
    assert all(one.startswith(("data:image/", "#")) for one in addresses)
    assert "http:" not in text and "https:" not in text and "@import" not in text


def test_names_of_strangers_are_text() -> None:
    text = page_of("hostile")
    tags = Read(text).tags
    assert [tag for tag, _ in tags].count("script") == 1
    assert not any(name.startswith("on") for _, attrs in tags for name in attrs)
    assert "7 * 7" in text and ">49<" not in text
    for name in HOSTILE[:2]:
        assert name not in text


def test_a_private_page_has_no_pictures_names_or_paths() -> None:
    study, pictures = made_up_study.hostile()
    text = study_page(study, pictures, private=True)
    for found in private_texts(study):
        assert found not in text
    assert not any(tag == "img" for tag, _ in Read(text).tags)
    assert "are left out" in text
    for case in study["cases"]:
        assert f'id="{case["id"]}"' in text


def test_a_private_page_keeps_the_numbers_and_the_classes() -> None:
    study, pictures = made_up_study.small()
    text = study_page(study, pictures, private=True)
    assert "T-shirt/top" in text and "264" in text
    for case in study["cases"]:
        assert case["name"] not in text


def test_pictures_may_stay_beside_the_page() -> None:
    study, pictures = made_up_study.small()
    text = study_page(study, pictures, embed=False)
    sources = {attrs["src"] for tag, attrs in Read(text).tags if tag == "img"}
    assert sources == set(pictures)
    assert len(text) < len(study_page(study, pictures))


def test_a_missing_picture_is_no_end() -> None:
    study, pictures = made_up_study.small()
    gone = study["cases"][0]["explanations"][0]["targets"]["contrast"]["file"]
    del pictures[gone]
    assert study["cases"][0]["id"] in study_page(study, pictures)


def test_other_formats_are_refused() -> None:
    study, pictures = made_up_study.no_cases()
    with pytest.raises(InputError, match="format 3, got 2"):
        study_page({**study, "format": 2}, pictures)


def numbers(estimate: dict[str, Any]) -> str:
    return f"{100 * estimate['low']:.1f} to {100 * estimate['high']:.1f}"


def test_figures_that_were_not_measured_are_left_out() -> None:
    study, pictures = made_up_study.no_cases()
    found = study["performance"]
    assert numbers(found["accuracy"]) in study_page(study, pictures)
    found["calibration"] = found["log_loss"] = found["macro"]["auc"] = None
    text = study_page(study, pictures)
    assert "log loss" not in text and "calibration error" not in text


def test_maps_share_a_budget_by_becoming_coarser(monkeypatch: pytest.MonkeyPatch) -> None:
    study, pictures = made_up(Shape(cases=2, side=160, techniques=1, noisy=True))
    fine = study_page(study, pictures)
    monkeypatch.setattr(images, "BUDGET", 4_000)
    monkeypatch.setattr(images, "LEAST", 4_000)
    coarse = study_page(study, pictures)
    assert "; means of" in coarse and "; means of" not in fine
    assert len(coarse) < len(fine)
