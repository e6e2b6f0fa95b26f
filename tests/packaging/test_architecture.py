"""docs/architecture.md names what is there: folders, files, and public words."""

import re
from pathlib import Path

import pytest

import backlight
from tests.packaging.floors import floors

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROWS = [line for line in TEXT.splitlines() if re.match(r"\| `[a-z_]+/`", line)]
BACKENDS = sorted(path.name for path in (ROOT / "backends").glob("backlight_*"))
FLOORS = {
    "backlight_jax": 6,
    "backlight_mlx": 6,
    "backlight_numpy": 3,
    "backlight_tensorflow": 6,
    "backlight_torch": 6,
}
"""How deep files stand on each other: to be lowered, never raised."""
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


@pytest.mark.parametrize("backend", BACKENDS)
def test_backends_grow_no_higher(backend: str) -> None:
    found = floors(ROOT / "backends" / backend)
    highest = [name for name, floor in found.items() if floor > FLOORS[backend]]
    assert not highest


def test_floors_are_counted(tmp_path: Path) -> None:
    package = tmp_path / "house"
    (package / "inner").mkdir(parents=True)
    for name, code in {
        "__init__": "",
        "plugin": "from house.top import one",
        "top": "def f():\n    from house import inner\n    from house.inner.low import two",
        "inner/__init__": "import house.inner.low",
        "inner/low": "if TYPE_CHECKING:\n    from house.top import one\nimport house.other.thing",
    }.items():
        (package / f"{name}.py").write_text(code)
    found = floors(package)
    assert found == {"house": 1, "house.top": 3, "house.inner": 2, "house.inner.low": 1}
    (package / "inner" / "low.py").write_text("from house import top")
    with pytest.raises(AssertionError, match="circle"):
        floors(package)


def test_public_words_of_the_glossary_are_public() -> None:
    listed = words(TEXT.partition("## Glossary")[2])
    assert {word for word in listed if word[0].isupper()} - set(backlight.__all__) == {
        "Measured",
        "Treatment",
    }
