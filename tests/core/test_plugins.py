"""Measured plugins: the good ones are registered, the broken ones are named and skipped."""

from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from backlight import API_VERSION, BacklightWarning, __version__, hookimpl
from backlight.errors import InputError
from backlight.plugins import hooks
from backlight.plugins.choices import DISABLE, PREFER, chosen, normalised
from backlight.plugins.entry_points import GROUP, load


@hookimpl
def backlight_render(attribution: object) -> str:
    return f"<b>{attribution}</b>"


GOOD = {"backlight_render": backlight_render}


def test_a_good_plugin_is_registered(install: Callable) -> None:
    found = install(pictures=GOOD)
    assert [(plugin.name, plugin.error) for plugin in found.found] == [("pictures", None)]
    assert [str(plugin) for plugin in found.found] == ["pictures (pictures-package 1.0)"]
    assert found.broken == ()
    assert found.left_out("backlight_render") == ()
    assert found.first("backlight_render", str, attribution=3) == "<b>3</b>"


def test_an_entry_point_that_fails_is_reported_and_skipped(install: Callable) -> None:
    with pytest.warns(BacklightWarning) as told:
        found = install(
            missing="no_such_module_anywhere.plugin",
            nameless="plugin_of_a_test_good:no_such_name",
            good=GOOD,
        )
    assert [plugin.name for plugin in found.found] == ["good", "missing", "nameless"]
    by_name = {plugin.name: plugin for plugin in found.broken}
    assert set(by_name) == {"missing", "nameless"}
    assert by_name["missing"].error.startswith("ModuleNotFoundError: No module named 'no_such")
    assert by_name["missing"].module == "no_such_module_anywhere.plugin"
    assert by_name["nameless"].error.startswith("AttributeError")
    assert found.first("backlight_render", str, attribution=3) == "<b>3</b>"
    assert [str(one.message) for one in told] == list(found.left_out("backlight_render"))
    assert str(told[0].message).startswith(
        "The plugin missing (missing-package 1.0) could not be loaded: ModuleNotFoundError"
    )


FAULTS = {
    "1 / 0": "ZeroDivisionError: division by zero",
    "raise SystemExit(0)": "SystemExit: 0",
    "raise Exception": "Exception",
    "raise BaseException('odd')": "BaseException: odd",
    "class Mute(Exception):\n    __str__ = None\nraise Mute": "Mute",
    "x = (": "SyntaxError: '(' was never closed (plugin_with_a_fault.py, line 1)",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_plugin_that_fails_while_it_is_imported(
    fault: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "plugin_with_a_fault.py").write_text(f"{fault}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    (plugin,) = load([EntryPoint("faulty", "plugin_with_a_fault", GROUP)]).found
    assert plugin.error == FAULTS[fault]


def test_an_interruption_while_a_plugin_is_imported_passes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "plugin_interrupted.py").write_text("raise KeyboardInterrupt\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        load([EntryPoint("interrupted", "plugin_interrupted", GROUP)])


def test_a_misspelt_hook_is_reported_and_its_plugin_skipped(install: Callable) -> None:
    @hookimpl
    def backlight_metods() -> dict:
        return {}

    with pytest.warns(BacklightWarning, match="wrong-package"):
        found = install(wrong={"backlight_metods": backlight_metods, **GOOD}, right=GOOD)
    (broken,) = found.broken
    assert broken.name == "wrong"
    assert "unknown hook 'backlight_metods'" in broken.error
    assert len(found.manager.hook.backlight_render.get_hookimpls()) == 1


def test_a_second_plugin_of_the_same_name_and_package_does_not_remove_the_first(
    install: Callable,
) -> None:
    with pytest.warns(BacklightWarning, match="already registered"):
        found = install(same=GOOD, same__same=GOOD)
    assert [plugin.error is None for plugin in found.found] == [True, False]
    assert found.first("backlight_render", str, attribution=3) == "<b>3</b>"


def test_a_hook_with_an_argument_that_is_not_there_is_reported(install: Callable) -> None:
    @hookimpl
    def backlight_render(attribution: object, size: int) -> str:
        return ""

    with pytest.warns(BacklightWarning, match="wrong-package"):
        found = install(wrong={"backlight_render": backlight_render}, right=GOOD)
    (broken,) = found.broken
    assert broken.name == "wrong"
    assert "size" in broken.error
    assert found.first("backlight_render", str, attribution=3) == "<b>3</b>"


def test_the_api_that_a_plugin_was_made_for_is_compared(install: Callable) -> None:
    assert install(stated={"backlight_api": API_VERSION, **GOOD}, silent=GOOD).broken == ()
    for stated, advice in (
        (API_VERSION + 1, "install a newer Backlight"),
        (API_VERSION - 1, "install a newer version of the plugin"),
        ("1", "install a newer version of the plugin"),
        (True, "install a newer version of the plugin"),
    ):
        with pytest.warns(BacklightWarning, match=r"other \(other-package 1\.0\)"):
            found = install(other={"backlight_api": stated, **GOOD}, good=GOOD)
        (broken,) = found.broken
        assert broken.error == (
            f"it was made for API {stated!r} of Backlight, and this Backlight {__version__} has API "
            f"{API_VERSION}; {advice}"
        )
        assert found.first("backlight_render", str, attribution=3) == "<b>3</b>"


@pytest.mark.parametrize("name", ["two", "TWO-package", " two_package"])
def test_a_plugin_that_is_switched_off_is_not_imported(
    name: str, install: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DISABLE, f"{name},")
    found = install(one=GOOD, two="no_such_module_anywhere")
    assert [plugin.disabled for plugin in found.found] == [False, True]
    assert found.broken == ()
    assert found.left_out("backlight_render") == (
        "The plugin two (two-package 1.0) is switched off.",
    )
    assert found.first("backlight_render", str, attribution=3) == "<b>3</b>"


def test_an_entry_points_name_that_two_packages_have_switches_nothing_off(
    install: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DISABLE, "same")
    with pytest.raises(InputError) as caught:
        install(one__same=GOOD, two__same=GOOD)
    for fragment in ("'same'", DISABLE, "one-package 1.0", "two-package 1.0", "say a package"):
        assert fragment in str(caught.value)
    monkeypatch.setenv(DISABLE, "two-package")
    found = install(one__same=GOOD, two__same=GOOD)
    assert [str(plugin) for plugin in found.found if plugin.disabled] == ["same (two-package 1.0)"]


@pytest.mark.parametrize(("variable", "value"), [(DISABLE, "nobody"), (PREFER, "x=nobody")])
def test_a_choice_that_names_no_plugin_is_told(
    variable: str, value: str, install: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.warns(BacklightWarning, match=f"No plugin is called 'nobody', which {variable}"):
        install(one=GOOD)


def test_choices_are_read_from_the_environment() -> None:
    found = chosen({PREFER: "Grad-CAM = mine, report=Your.Package", DISABLE: " a ,b"})
    assert found.prefer == {"grad_cam": "mine", "report": "Your.Package"}
    assert found.disable == ("a", "b")
    assert chosen({}) == chosen({PREFER: "", DISABLE: ""})
    for wrong in ("saliency", "=mine", "saliency="):
        with pytest.raises(InputError, match=f"NAME=PLUGIN .in {PREFER}., got '{wrong}'"):
            chosen({PREFER: wrong})


@pytest.mark.parametrize("name", ["grad_cam", "Grad-CAM", "grad cam", " GRAD__CAM ", "grad.cam"])
def test_a_name_has_one_spelling(name: str) -> None:
    assert normalised(name) == "grad_cam"


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
