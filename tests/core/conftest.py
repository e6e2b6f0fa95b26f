"""Plugins that exist for one test."""

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from backlight import forget, registry, wrapping
from backlight.plugins import GROUP, Plugins, load


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Plugins]:
    """`install(name={"backlight_wrap": function, ...})` makes these the only plugins."""

    def installed(**plugins: dict[str, object]) -> Plugins:
        points = []
        for name, contents in plugins.items():
            module = ModuleType(f"plugin_of_a_test_{name}")
            vars(module).update(contents)
            monkeypatch.setitem(sys.modules, module.__name__, module)
            points.append(EntryPoint(name, module.__name__, GROUP))
        found = load(points)
        monkeypatch.setattr(wrapping, "plugins", lambda: found)
        monkeypatch.setattr(registry, "plugins", lambda: found)
        forget()
        return found

    return installed
