"""The example of a third-party plugin: built, installed, found and used."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import backlight
from backlight import API_VERSION

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "example_plugin"

USE = """
import numpy as np
import backlight
from tests.reference import ReferenceModel, polynomial

assert "squared_gradient" in backlight.methods()
weight = np.array([[1.0, -2.0], [0.5, 3.0]])
model = ReferenceModel(("head", polynomial(weight)))
found = backlight.explain(model, np.ones((3, 2)), 1, method="squared_gradient", batch_size=2)
np.testing.assert_allclose(found.values, [[4.0, 9.0]] * 3, rtol=1e-8, atol=1e-8)
print(found.method)
"""

CHECK = """
import backlight_squared_gradient
from backlight.testing import check_method, check_plugin
from backlight_conformance import builder

check_plugin(backlight_squared_gradient)
check_method(backlight_squared_gradient.SquaredGradient(), builder("torch"))
"""


def run(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The import path with a folder into which the example's wheel was installed."""
    folder = tmp_path_factory.mktemp("example")
    source = shutil.copytree(EXAMPLE, folder / "source")
    run("-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder / "dist"), str(source))
    (wheel,) = (folder / "dist").glob("*.whl")
    assert wheel.name == "backlight_squared_gradient-0.1.0-py3-none-any.whl"
    target = folder / "site"
    run("-m", "pip", "install", "--no-deps", "--no-index", "--target", str(target), str(wheel))
    return os.pathsep.join(filter(None, (str(target), os.environ.get("PYTHONPATH"))))


def test_it_is_not_there_before() -> None:
    code = "import backlight; print(sorted(backlight.methods()))"
    assert "squared_gradient" not in run("-c", code)


def test_it_is_found_and_used(installed: str) -> None:
    assert run("-c", USE, PYTHONPATH=installed).strip() == "SquaredGradient()"


def test_it_keeps_the_laws(installed: str) -> None:
    run("-c", CHECK, PYTHONPATH=installed)


def test_the_command_line_lists_it(installed: str) -> None:
    code = "from backlight.command_line import main; main(['{}'])"
    wide = {"PYTHONPATH": installed, "COLUMNS": "200", "NO_COLOR": "1"}
    (line,) = [
        line
        for line in run("-c", code.format("plugins"), **wide).splitlines()
        if line.split()[:1] == ["squared_gradient"]
    ]
    for part in (
        "backlight_squared_gradient",
        "backlight-squared-gradient 0.1.0",
        "methods",
        "loaded",
    ):
        assert part in line
    listed = run("-c", code.format("methods"), **wide)
    _, listed = listed.split("From the plugin squared_gradient (backlight-squared-gradient 0.1.0):")
    assert listed.startswith("\n\nsquared_gradient  \n")
    assert "The square of the gradient of the score." in listed


def test_it_can_be_switched_off(installed: str) -> None:
    code = "import backlight; print('squared_gradient' in backlight.methods())"
    off = {"PYTHONPATH": installed, "BACKLIGHT_DISABLE": "backlight-squared-gradient"}
    assert run("-c", code, **off) == "False\n"


def test_it_states_the_api_that_it_was_written_for() -> None:
    for text in (
        (EXAMPLE / "backlight_squared_gradient.py").read_text(),
        (ROOT / "README.md").read_text(),
    ):
        assert re.search(rf"^backlight_api = {API_VERSION}\b", text, re.MULTILINE)


def test_its_readme_names_what_it_is_made_of() -> None:
    text = (EXAMPLE / "README.md").read_text()
    project = (EXAMPLE / "pyproject.toml").read_text()
    for name in ("backlight_squared_gradient.py", "squared_gradient", "`backlight_methods`"):
        assert name in text
    assert "[project.entry-points.backlight]" in project
    assert "backlight_squared_gradient-0.1.0-py3-none-any.whl" in text
    assert 'version = "0.1.0"' in project


DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted(EXAMPLE.glob("*.py"))]


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_what_the_docs_import_is_covered_by_the_api(path: Path) -> None:
    """A plugin that was written by the docs must not break with a release that keeps the number."""
    covered = (ROOT / "core" / "backlight" / "version.py").read_text()
    found = re.findall(r"^ *from (backlight(?:\.[\w.]+)?) import (.+)$", path.read_text(), re.M)
    for module, names in found:
        assert module == "backlight" or f"`{module}`" in covered
        for name in names.split(", ") if module == "backlight" else ():
            assert name in backlight.__all__
