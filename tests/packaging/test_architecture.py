"""docs/architecture.md names what is there: folders, files, and public words."""

import re
from pathlib import Path

import pytest

import backlight

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROWS = [line for line in TEXT.splitlines() if re.match(r"\| `[a-z_]+/`", line)]
BACKENDS = sorted(path.name for path in (ROOT / "backends").glob("backlight_*"))
JOBS = re.findall(r"^\| `([a-z]+)` \|", TEXT.partition("## A backend")[2], re.MULTILINE)[:9]


def words(text: str) -> list[str]:
    return re.findall(r"`([\w./]+)`", text)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: words(row)[0])
def test_folders_of_the_core_have_the_files_that_are_named(row: str) -> None:
    folder, *named = words(row)
    for name in named:
        if name.endswith((".py", "/")):
            inside = list((ROOT / "core" / "backlight" / folder).rglob(name.rstrip("/")))
            assert inside, f"{name} is not in {folder}"


def test_every_folder_of_the_core_is_named() -> None:
    found = {f"{path.parent.name}/" for path in (ROOT / "core" / "backlight").glob("*/__init__.py")}
    assert {words(row)[0] for row in ROWS} == found


RUN = ("plugin", "model", "nets")
"""The jobs of a backend whose models can only be run."""


@pytest.mark.parametrize(
    ("backend", "job"),
    [(one, job) for one in BACKENDS for job in (RUN if one == "backlight_numpy" else JOBS)],
)
def test_each_backend_has_a_place_for_each_job(backend: str, job: str) -> None:
    place = ROOT / "backends" / backend / job
    assert place.is_dir() or place.with_suffix(".py").is_file()


def test_public_words_of_the_glossary_are_public() -> None:
    listed = words(TEXT.partition("## Glossary")[2])
    assert {word for word in listed if word[0].isupper()} - set(backlight.__all__) == {
        "Measured",
        "Treatment",
    }
