"""Plugins that exist for one test."""

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import Distribution, EntryPoint, SimplePath
from types import ModuleType

import pytest

import backlight.plugins.entry_points
from backlight import forget
from backlight.plugins.entry_points import GROUP, plugins
from backlight.plugins.plugins import Plugins


class Package(Distribution):
    """An installed package with entry points, without any files."""

    def __init__(self, name: str, points: dict[str, str]) -> None:
        lines = [f"[{GROUP}]", *(f"{point} = {module}" for point, module in points.items())]
        self._texts = {
            "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
            "entry_points.txt": "\n".join(lines),
        }

    def read_text(self, filename: str) -> str | None:
        return self._texts.get(filename)

    def locate_file(self, path: object) -> SimplePath:
        raise FileNotFoundError(path)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Plugins]]:
    """`install(name={"backlight_wrap": function, ...})` makes these the only plugins, each from a
    package of its own, `name-package 1.0`; `__` in a name sets an entry point apart from its package:
    `one__torch` is the entry point `torch` of `one-package`. A string is a module to import."""

    def installed(**contents: dict[str, object] | str) -> Plugins:
        points: list[EntryPoint] = []
        for key, content in contents.items():
            owner, _, name = key.partition("__")
            module = ModuleType(f"plugin_of_a_test_{key}")
            if isinstance(content, dict):
                vars(module).update(content)
                monkeypatch.setitem(sys.modules, module.__name__, module)
            place = module.__name__ if isinstance(content, dict) else content
            points += Package(f"{owner}-package", {name or owner: place}).entry_points
        monkeypatch.setattr(backlight.plugins.entry_points, "entry_points", lambda group: points)
        plugins.cache_clear()
        forget()
        return plugins()

    yield installed
    monkeypatch.undo()
    plugins.cache_clear()
    forget()
