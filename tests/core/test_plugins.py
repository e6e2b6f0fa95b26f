"""Finding plugins: the good ones are registered, the broken ones are named and skipped."""

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from backlight import hookimpl, hooks
from backlight.plugins import GROUP, load


@hookimpl
def backlight_render(attribution: object) -> str:
    return f"<b>{attribution}</b>"


GOOD = {"backlight_render": backlight_render}


def test_a_good_plugin_is_registered(install: Callable) -> None:
    found = install(pictures=GOOD)
    assert [(plugin.name, plugin.error) for plugin in found.found] == [("pictures", None)]
    assert found.broken == ()
    assert found.manager.hook.backlight_render(attribution=3) == "<b>3</b>"


def test_an_entry_point_that_fails_is_reported_and_skipped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = ModuleType("a_good_plugin")
    vars(good).update(GOOD)
    monkeypatch.setitem(sys.modules, "a_good_plugin", good)
    found = load(
        [
            EntryPoint("missing", "no_such_module_anywhere.plugin", GROUP),
            EntryPoint("nameless", "a_good_plugin:no_such_name", GROUP),
            EntryPoint("good", "a_good_plugin", GROUP),
        ]
    )
    assert [plugin.name for plugin in found.found] == ["good", "missing", "nameless"]
    by_name = {plugin.name: plugin for plugin in found.broken}
    assert set(by_name) == {"missing", "nameless"}
    assert by_name["missing"].error.startswith("ModuleNotFoundError: No module named 'no_such")
    assert by_name["missing"].module == "no_such_module_anywhere.plugin"
    assert by_name["nameless"].error.startswith("AttributeError")
    assert found.manager.hook.backlight_render(attribution=3) == "<b>3</b>"


def test_a_plugin_that_fails_while_it_is_imported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    (tmp_path / "plugin_with_a_fault.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    (plugin,) = load([EntryPoint("faulty", "plugin_with_a_fault", GROUP)]).found
    assert plugin.error == "ZeroDivisionError: division by zero"


def test_a_misspelt_hook_is_reported_and_its_plugin_skipped(install: Callable) -> None:
    @hookimpl
    def backlight_metods() -> dict:
        return {}

    found = install(wrong={"backlight_metods": backlight_metods, **GOOD}, right=GOOD)
    (broken,) = found.broken
    assert broken.name == "wrong"
    assert "unknown hook 'backlight_metods'" in broken.error
    assert len(found.manager.hook.backlight_render.get_hookimpls()) == 1


def test_a_second_plugin_of_the_same_name_does_not_remove_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("a_first_plugin", "a_second_plugin"):
        module = ModuleType(name)
        vars(module).update(GOOD)
        monkeypatch.setitem(sys.modules, name, module)
    points = [EntryPoint("same", name, GROUP) for name in ("a_first_plugin", "a_second_plugin")]
    found = load(points)
    assert [plugin.error is None for plugin in found.found] == [True, False]
    assert found.manager.hook.backlight_render(attribution=3) == "<b>3</b>"


def test_a_hook_with_an_argument_that_is_not_there_is_reported(install: Callable) -> None:
    @hookimpl
    def backlight_render(attribution: object, size: int) -> str:
        return ""

    found = install(wrong={"backlight_render": backlight_render}, right=GOOD)
    (broken,) = found.broken
    assert broken.name == "wrong"
    assert "size" in broken.error
    assert found.manager.hook.backlight_render(attribution=3) == "<b>3</b>"


def test_a_hook_may_take_some_of_the_arguments(install: Callable) -> None:
    @hookimpl
    def backlight_wrap(net: object) -> object:
        return net

    found = install(some={"backlight_wrap": backlight_wrap})
    assert found.manager.hook.backlight_wrap(net=3, inputs=1, framework=None, options=None) == 3


def test_the_first_answer_counts_where_one_is_wanted(install: Callable) -> None:
    @hookimpl
    def nothing(attribution: object) -> None:
        return None

    found = install(a={"backlight_render": nothing}, b=GOOD, c={"backlight_render": nothing})
    assert found.manager.hook.backlight_render(attribution=3) == "<b>3</b>"


HOOKS = [name for name in vars(hooks) if name.startswith("backlight_")]


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_documented_in_one_sentence(name: str) -> None:
    text = getattr(hooks, name).__doc__
    assert text
    assert "\n" not in text
    assert text.endswith(".")


def test_the_hooks_are_those_that_the_manager_knows(install: Callable) -> None:
    manager = install().manager
    assert {name for name in vars(manager.hook) if name.startswith("backlight_")} == set(HOOKS)
    assert len(HOOKS) >= 6
