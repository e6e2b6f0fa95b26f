"""What importing Backlight brings along, and that what it offers is documented and found."""

import importlib.metadata
import inspect
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import backlight
from backlight import API_VERSION
from backlight.plugins import hooks
from backlight.plugins.entry_points import plugins

ROOT = Path(__file__).parents[2]
FRAMEWORKS = {"torch", "tensorflow", "keras", "jax", "jaxlib", "flax", "equinox", "mlx", "captum"}
FRAMEWORKS |= {"onnx", "onnxruntime", "ray"}
ENTRIES = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][
    "backlight"
]


def modules_after(code: str) -> set[str]:
    """The top-level modules that a fresh Python has imported after running the code."""
    tail = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{code}\n{tail}"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_check_itself_sees_what_is_imported() -> None:
    assert "json" in modules_after("import json")
    assert "pluggy" not in modules_after("import json")


def test_importing_backlight_brings_little_along() -> None:
    found = modules_after("import backlight")
    foreign = found - set(sys.stdlib_module_names) - {"__main__"}
    foreign = {name for name in foreign if not name.startswith(("_", "sitecustomize"))}
    # NumPy's compiled modules make cython_runtime.
    assert foreign <= {"backlight", "numpy", "pluggy", "cython_runtime"}


@pytest.mark.parametrize(
    "code",
    [
        "import backlight",
        "from backlight.plugins.entry_points import plugins; plugins()",
        "import backlight; backlight.methods()",
        "import backlight_methods",
    ],
)
def test_no_framework_is_imported(code: str) -> None:
    assert not modules_after(code) & FRAMEWORKS


@pytest.mark.parametrize("name", ENTRIES)
def test_no_framework_is_imported_by_a_plugin(name: str) -> None:
    assert not modules_after(f"import {ENTRIES[name]}") & FRAMEWORKS


def test_asking_whose_an_unknown_object_is_imports_no_framework() -> None:
    code = """
import backlight
try:
    backlight.wrap(object())
except backlight.BacklightError:
    pass
"""
    assert not modules_after(code) & FRAMEWORKS


@pytest.mark.parametrize(
    "name", [name for name in backlight.__all__ if "version" not in name.lower()]
)
def test_every_public_name_is_documented(name: str) -> None:
    offered = getattr(backlight, name)
    if name == "hookimpl":  # pluggy's own marker
        assert inspect.getdoc(type(offered))
        return
    text = offered.__doc__
    assert text
    # A dataclass without a docstring gets its own signature for one.
    assert not text.startswith(f"{name}(")
    assert text.strip().partition("\n")[0].endswith((".", ":", "?"))


def test_public_names_are_sorted_and_there() -> None:
    assert list(backlight.__all__) == sorted(backlight.__all__)
    assert all(hasattr(backlight, name) for name in backlight.__all__)


@pytest.mark.parametrize("name", [name for name in vars(hooks) if name.startswith("backlight_")])
def test_every_hook_has_one_line_that_says_what_it_is_for(name: str) -> None:
    (line,) = (getattr(hooks, name).__doc__ or "").splitlines()
    assert line.endswith(".")


@pytest.mark.parametrize("name", ENTRIES)
def test_every_entry_point_of_the_project_loads_and_implements_a_hook(name: str) -> None:
    (point,) = importlib.metadata.entry_points(group="backlight", name=name)
    assert point.value == ENTRIES[name], "install the project again: its entry points have changed"
    found = {plugin.name: plugin for plugin in plugins().found}[name]
    assert found.error is None
    known = {hook for hook in vars(hooks) if hook.startswith("backlight_")}
    assert known & set(vars(sys.modules[point.value]))
    assert sys.modules[point.value].backlight_api == API_VERSION


def test_the_version_is_said_once() -> None:
    assert importlib.metadata.version("backlight") == backlight.__version__
