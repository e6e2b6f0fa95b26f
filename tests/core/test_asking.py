"""Asking plugins: what fails costs itself and is named, what clashes is an error that names both."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest

import backlight
from backlight import Attribution, BacklightWarning, hookimpl, wrap
from backlight.errors import InputError, NoBackendError, PluginError
from backlight.plugins.choices import DISABLE, PREFER
from backlight_methods import Gradient
from tests.reference import ReferenceModel


def rendering(answer: object) -> dict[str, object]:
    """A plugin whose hook gives this, or raises it."""

    @hookimpl
    def backlight_render(attribution: object) -> object:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return {"backlight_render": backlight_render}


class MuteError(Exception):
    """An error that cannot even be told."""

    def __str__(self) -> str:
        raise RuntimeError


FAULTS = {
    "raises": (RuntimeError("no\n luck"), "RuntimeError: no luck"),
    "leaves": (SystemExit(3), "SystemExit: 3"),
    "panics": (BaseException("at the disco"), "BaseException: at the disco"),
    "is mute": (MuteError(), "MuteError"),
    "number": (3, "it gave something of type int"),
    "bytes": (b"<b>", "it gave something of type bytes"),
    "truth": (False, "it gave something of type bool"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_hook_that_fails_costs_its_plugin_alone(fault: str, install: Callable) -> None:
    answer, why = FAULTS[fault]
    found = install(aaa=rendering(answer), good=rendering("<b>"), zzz=rendering(answer))
    with pytest.warns(BacklightWarning) as told:
        assert found.first("backlight_render", str, attribution=3) == "<b>"
    sentences = [
        f"The plugin {name} ({name}-package 1.0) is left out, since its backlight_render failed: {why}."
        for name in ("zzz", "aaa")
    ]
    assert [str(one.message) for one in told] == sentences
    assert list(found.left_out("backlight_render")) == sentences


def test_a_failure_is_forgotten_when_the_hook_works_again(install: Callable) -> None:
    answers = [RuntimeError("once"), None]

    @hookimpl
    def backlight_render(attribution: object) -> None:
        answer = answers.pop(0)
        if answer is not None:
            raise answer

    found = install(one={"backlight_render": backlight_render})
    with pytest.warns(BacklightWarning, match="RuntimeError: once"):
        assert found.first("backlight_render", str, attribution=3) is None
    assert len(found.left_out("backlight_render")) == 1
    assert found.first("backlight_render", str, attribution=3) is None
    assert found.left_out("backlight_render") == ()


def test_an_interruption_passes(install: Callable) -> None:
    found = install(one=rendering(KeyboardInterrupt()), two=rendering("<b>"))
    with pytest.raises(KeyboardInterrupt):
        found.first("backlight_render", str, attribution=3)


def test_what_a_plugin_raises_on_purpose_reaches_the_user_with_its_name(install: Callable) -> None:
    found = install(one=rendering(InputError("damaged")), two=rendering(None))
    with pytest.raises(InputError) as caught:
        found.first("backlight_render", str, attribution=3)
    assert str(caught.value) == "damaged"
    assert caught.value.__notes__ == ["(Said by the plugin one (one-package 1.0).)"]


def test_where_another_has_an_answer_it_is_a_warning(install: Callable) -> None:
    found = install(one=rendering(InputError("damaged")), two=rendering("<b>"))
    with pytest.warns(BacklightWarning, match="one-package 1.0. is left out.*failed: damaged"):
        assert found.first("backlight_render", str, attribution=3) == "<b>"


def test_of_several_refusals_all_are_told(install: Callable) -> None:
    found = install(one=rendering(InputError("a")), two=rendering(InputError("b")))
    with pytest.raises(InputError) as caught:
        found.first("backlight_render", str, attribution=3)
    assert str(caught.value) == "b"
    assert caught.value.__notes__ == [
        "(Said by the plugin two (two-package 1.0).)",
        "(The plugin one (one-package 1.0) says: a)",
    ]


def test_a_hook_may_take_some_of_the_arguments(install: Callable) -> None:
    @hookimpl
    def backlight_wrap(net: object) -> object:
        return net

    found = install(some={"backlight_wrap": backlight_wrap})
    given = {"net": 3, "inputs": 1, "framework": None, "options": None}
    assert found.first("backlight_wrap", int, **given) == 3


def test_the_one_answer_counts(install: Callable) -> None:
    found = install(a=rendering(None), b=rendering("<b>"), c=rendering(None))
    assert found.first("backlight_render", str, attribution=3) == "<b>"
    assert install(a=rendering(None)).first("backlight_render", str, attribution=3) is None


def test_a_file_is_loaded_by_the_plugin_that_knows_it(install: Callable) -> None:
    """Models of files are of any type; None is no model, from whichever plugin of the package."""
    plugins = {"same__a": rendering("<b>"), "same__b": rendering(None), "two": rendering(None)}
    assert install(**plugins).first("backlight_render", object, attribution=3) == "<b>"
    assert install(a=rendering(None)).first("backlight_render", object, attribution=3) is None


def test_a_package_orders_its_own_plugins_and_asks_no_further(install: Callable) -> None:
    asked = []

    @hookimpl
    def backlight_render(attribution: object) -> str:
        asked.append(attribution)
        return "<i>"

    found = install(same__a={"backlight_render": backlight_render}, same__b=rendering("<b>"))
    assert found.first("backlight_render", str, attribution=3) == "<b>"
    found = install(
        same__a={"backlight_render": backlight_render}, same__b=rendering(InputError("damaged"))
    )
    with pytest.raises(InputError):
        found.first("backlight_render", str, attribution=3)
    assert asked == []


def test_two_packages_with_an_answer_clash(
    install: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins = {"one": rendering("<b>"), "two": rendering("<i>")}
    with pytest.raises(PluginError) as caught:
        install(**plugins).first("backlight_render", str, attribution=3)
    for fragment in (
        "one (one-package 1.0)",
        "two (two-package 1.0)",
        f"{PREFER}=render=",
        "`backlight --prefer render=",
        DISABLE,
    ):
        assert fragment in str(caught.value)
    for prefer, expected in (("render=one", "<b>"), ("Render=two-package", "<i>")):
        monkeypatch.setenv(PREFER, prefer)
        assert install(**plugins).first("backlight_render", str, attribution=3) == expected
    monkeypatch.setenv(PREFER, "")
    monkeypatch.setenv(DISABLE, "one")
    assert install(**plugins).first("backlight_render", str, attribution=3) == "<i>"


def test_a_preference_for_one_that_has_no_answer_leaves_a_clash(
    install: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PREFER, "render=three")
    plugins = {"one": rendering("<b>"), "two": rendering("<i>"), "three": rendering(None)}
    with pytest.raises(PluginError, match="one-package"):
        install(**plugins).first("backlight_render", str, attribution=3)
    del plugins["two"]
    assert install(**plugins).first("backlight_render", str, attribution=3) == "<b>"


# The doors that ask


def wrapping(model: object) -> dict[str, object]:
    @hookimpl
    def backlight_wrap(net: object) -> object:
        if isinstance(model, BaseException):
            raise model
        return model

    return {"backlight_wrap": backlight_wrap}


@pytest.mark.parametrize("answer", [RuntimeError("x"), SystemExit(1), 3, "model", ReferenceModel])
def test_wrap_survives_a_plugin_that_fails(answer: object, install: Callable) -> None:
    model = ReferenceModel(("head", lambda x: x))
    install(bad=wrapping(answer), good=wrapping(model))
    with pytest.warns(BacklightWarning, match="bad-package"):
        assert wrap(object()) is model
    install(bad=wrapping(answer))
    with pytest.warns(BacklightWarning), pytest.raises(NoBackendError, match="bad-package"):
        wrap(object())


def test_two_backends_that_take_a_net_clash(install: Callable) -> None:
    model = ReferenceModel(("head", lambda x: x))
    install(one=wrapping(model), two=wrapping(model))
    with pytest.raises(PluginError, match="prefer wrap="):
        wrap(object())


def attribution() -> Attribution:
    return Gradient()(ReferenceModel(("head", lambda x: x)), np.ones((1, 2)), 0)


def test_a_picture_survives_a_plugin_that_fails(install: Callable) -> None:
    install(bad=rendering(RuntimeError("x")))
    with pytest.warns(BacklightWarning, match="bad-package"):
        assert "Gradient() of Class" in attribution()._repr_html_()
    install(one=rendering("<b>"), two=rendering("<i>"))
    with pytest.raises(PluginError, match=r"offered by one .* and two|offered by two .* and one"):
        attribution()._repr_html_()


def test_an_unrelated_technique_works_beside_a_plugin_that_fails(install: Callable) -> None:
    @hookimpl
    def backlight_methods() -> dict[str, object]:
        return {"mine": Gradient}

    install(bad=wrapping(RuntimeError("x")), good={"backlight_methods": backlight_methods})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert backlight.methods() == {"mine": Gradient}
