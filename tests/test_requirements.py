"""What make installs is what was tested: the small lists for the demo are parts of the large one."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "requirements"
FRAMEWORKS = ("jax", "mlx", "tensorflow", "torch")


def pins(file: str) -> set[str]:
    lines = (FOLDER / file).read_text().splitlines()
    return {line for line in lines if line and not line.startswith(("#", "-r"))}


def name(requirement: str) -> str:
    return re.match(r"[\w-]+", requirement).group().lower().replace("_", "-")  # type: ignore[union-attr]


@pytest.mark.parametrize("file", ["demo.txt", *(f"demo-{one}.txt" for one in FRAMEWORKS)])
def test_the_demo_pins_what_development_pins(file: str) -> None:
    assert pins(file)
    assert pins(file) <= pins("development.txt")


def test_the_demo_has_what_backlight_needs_and_no_framework() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    pinned = set(map(name, pins("demo.txt")))
    assert {name(one) for one in project["dependencies"]} <= pinned
    assert pinned.isdisjoint(FRAMEWORKS)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_demo_installs_one_framework(framework: str) -> None:
    text = (FOLDER / f"demo-{framework}.txt").read_text()
    assert text.startswith("-r demo.txt\n")
    others = set(FRAMEWORKS) - {framework}
    assert framework in set(map(name, pins(f"demo-{framework}.txt")))
    assert others.isdisjoint(map(name, pins(f"demo-{framework}.txt")))
