"""Techniques by name, and the one-call door."""

import inspect
import re
from collections.abc import Callable

import numpy as np
import pytest

import backlight
from backlight import Method
from backlight.errors import HyperParameterError, PluginError, UnknownNameError
from backlight.explaining.registry import make_method
from backlight.plugins.choices import DISABLE, PREFER
from backlight_methods import METHODS, Gradient, IntegratedGradients, Saliency
from tests.reference import ReferenceModel, polynomial

X = np.random.default_rng(0).normal(size=(3, 2))
WEIGHTS = np.random.default_rng(1).normal(size=(2, 2, 2))
MODEL = ReferenceModel(("head", polynomial(*WEIGHTS)))


def test_every_technique_is_listed_by_name() -> None:
    found = backlight.methods()
    assert dict(METHODS).items() <= dict(found).items()
    assert list(found) == sorted(found)


@pytest.mark.parametrize(
    "name", ["input_x_gradient", "Input X Gradient", "input-x-gradient", " INPUT_X_GRADIENT "]
)
def test_a_name_may_be_written_in_several_ways(name: str) -> None:
    found = backlight.explain(MODEL, X, 1, method=name)
    assert found.method == "InputXGradient()"


def test_explain_is_the_technique_called() -> None:
    one = backlight.explain(MODEL, X, [0, 1, 1], steps=3, baseline=0.5, batch_size=2)
    other = IntegratedGradients(steps=3, baseline=0.5)(MODEL, X, [0, 1, 1], batch_size=2)
    assert one.method == other.method
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(
        backlight.explain(MODEL, X, 1, method=Gradient()).values, Gradient()(MODEL, X, 1).values
    )


def test_explain_passes_on_where_and_what_else() -> None:
    model = ReferenceModel(("mix", lambda x, mask: x * mask), ("head", polynomial(*WEIGHTS)))
    mask = np.array([[1.0, 2.0]] * 3)
    found = backlight.explain(model, X, 1, "gradient", at="mix", extra=(mask,))
    z = X * mask
    expected = WEIGHTS[0][:, 1] + 2 * z * WEIGHTS[1][:, 1]
    np.testing.assert_allclose(found.values, expected, rtol=1e-7, atol=1e-8)


def test_an_unknown_method_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        backlight.explain(MODEL, X, 1, method="gradiant")
    assert "Unknown method 'gradiant'. Nearest: gradient" in str(caught.value)
    assert "Known: conductance, deconvnet, deep_lift, " in str(caught.value)


def test_an_unknown_hyper_parameter_lists_the_known() -> None:
    with pytest.raises(HyperParameterError) as caught:
        backlight.explain(MODEL, X, 1, method="smooth", sample=3)
    for fragment in ("smooth", "'sample'", "inner, samples, noise, relative"):
        assert fragment in str(caught.value)
    with pytest.raises(HyperParameterError, match="it has none"):
        backlight.explain(MODEL, X, 1, method="gradient", steps=3)


def test_a_technique_takes_no_second_hyper_parameters() -> None:
    with pytest.raises(HyperParameterError) as caught:
        backlight.explain(MODEL, X, 1, method=Saliency(), channels="max", steps=3)
    assert "Saliency(channels='keep')" in str(caught.value)
    assert "put channels, steps into it" in str(caught.value)


@pytest.mark.parametrize("method", [Saliency, None, 3])
def test_what_is_no_technique_is_refused(method: object) -> None:
    with pytest.raises(backlight.BacklightError) as caught:
        backlight.explain(MODEL, X, 1, method=method)
    assert repr(method) in str(caught.value) or getattr(method, "__name__", "?") in str(
        caught.value
    )


def offering(**offered: object) -> dict[str, object]:
    @backlight.hookimpl
    def backlight_methods() -> dict[str, object]:
        return offered

    return {"backlight_methods": backlight_methods}


TWO = {"aaa": offering(same=Gradient, other=Gradient), "zzz": offering(same=Saliency)}


def test_a_name_that_two_plugins_offer_is_an_error_where_it_is_used(install: Callable) -> None:
    install(**TWO)
    with pytest.raises(PluginError) as caught:
        backlight.explain(MODEL, X, 1, method="Same")
    for fragment in (
        "The technique same is offered by aaa (aaa-package 1.0) and zzz (zzz-package 1.0)",
        f"{PREFER}=same=aaa-package",
        "`backlight --prefer same=aaa-package`",
        DISABLE,
    ):
        assert fragment in str(caught.value)
    assert backlight.explain(MODEL, X, 1, method="other").method == "Gradient()"
    with pytest.warns(backlight.BacklightWarning, match="same is offered by aaa .* left out"):
        assert backlight.methods() == {"other": Gradient}


@pytest.mark.parametrize(("said", "taken"), [("zzz", Saliency), ("AAA_package", Gradient)])
def test_the_user_chooses_of_two(
    said: str, taken: type[Method], install: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PREFER, f"same={said}")
    install(**TWO)
    assert backlight.methods() == {"other": Gradient, "same": taken}
    assert backlight.explain(MODEL, X, 1, method="same").method == repr(taken())


def test_a_plugin_that_is_switched_off_offers_nothing(
    install: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DISABLE, "aaa")
    install(**TWO)
    assert backlight.methods() == {"same": Saliency}
    with pytest.raises(UnknownNameError, match=r"aaa \(aaa-package 1\.0\) is switched off"):
        backlight.explain(MODEL, X, 1, method="other")


def no_technique(steps: int = 1) -> int:
    return steps


def failing() -> Method:
    raise SystemExit(3)


NONSENSE = {
    "nothing": (None, "it gave something of type NoneType, not a mapping"),
    "list": (["gradient"], "it gave something of type list, not a mapping"),
    "error": (RuntimeError("no such file"), "RuntimeError: no such file"),
    "exit": (SystemExit(0), "SystemExit: 0"),
    "purpose": (HyperParameterError("no licence"), "failed: no licence"),
    "number for a name": ({3: Gradient}, "it names a technique 3"),
    "no name": ({" ": Gradient}, "it names a technique ' '"),
    "sign in a name": ({"a:b": Gradient}, "it names a technique 'a:b'"),
    "one name in two spellings": ({"My-Own": Gradient, "my_own": Gradient}, "technique 'my_own'"),
    "value": (
        {"mine": 3},
        "its technique mine is of type int, neither a subclass of backlight.Method",
    ),
    "function in C": (
        {"mine": max},
        "its technique mine is of type builtin_function_or_method, neither",
    ),
    "foreign class": ({"mine": dict}, "its technique mine is dict, neither a subclass"),
    "instance": ({"mine": Gradient()}, "its technique mine is made already; offer Gradient"),
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_costs_its_plugin_alone(kind: str, install: Callable) -> None:
    answer, why = NONSENSE[kind]

    @backlight.hookimpl
    def backlight_methods() -> object:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    install(broken={"backlight_methods": backlight_methods}, good=offering(good=Gradient))
    with pytest.warns(backlight.BacklightWarning, match=r"broken \(broken-package") as told:
        assert backlight.methods() == {"good": Gradient}
    assert why in str(told[0].message)
    with pytest.warns(backlight.BacklightWarning), pytest.raises(UnknownNameError) as caught:
        backlight.explain(MODEL, X, 1, method="mine")
    assert why in str(caught.value)


def test_an_interruption_while_techniques_are_listed_passes(install: Callable) -> None:
    @backlight.hookimpl
    def backlight_methods() -> object:
        raise KeyboardInterrupt

    install(slow={"backlight_methods": backlight_methods})
    with pytest.raises(KeyboardInterrupt):
        backlight.methods()


def test_a_technique_whose_package_cannot_be_imported_says_so(install: Callable) -> None:
    with pytest.warns(backlight.BacklightWarning):
        install(mine="no_such_module_anywhere", good=offering(good=Gradient))
    with pytest.raises(UnknownNameError) as caught:
        backlight.explain(MODEL, X, 1, method="mine")
    for fragment in ("mine (mine-package 1.0) could not be loaded", "no_such_module_anywhere"):
        assert fragment in str(caught.value)


@pytest.mark.parametrize("said", ["MyMethod", "mymethod", "MYMETHOD"])
def test_a_name_with_capitals_is_reached_in_any_spelling(said: str, install: Callable) -> None:
    install(plugin=offering(MyMethod=Gradient))
    assert list(backlight.methods()) == ["mymethod"]
    assert backlight.explain(MODEL, X, 1, method=said).method == "Gradient()"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (no_technique, "The technique mine made something of type int, not a backlight.Method"),
        (failing, "The technique mine failed when it was made: SystemExit: 3"),
        (lambda: {}["x"], "The technique mine failed when it was made: KeyError: 'x'"),
        (
            lambda: Gradient,
            "The technique mine made something of type ABCMeta, not a backlight.Method",
        ),
    ],
)
def test_what_makes_no_technique_is_named(make: object, why: str, install: Callable) -> None:
    install(plugin=offering(mine=make))
    with pytest.raises(PluginError, match=re.escape(why)):
        backlight.explain(MODEL, X, 1, method="mine")


def test_what_a_technique_refuses_is_a_hyper_parameters_error(install: Callable) -> None:
    def picky(*, depth: int, name: str = "x", **more: object) -> Method:
        return Gradient() if depth > len(more) else Gradient(depth)

    install(plugin=offering(picky=picky))
    with pytest.raises(HyperParameterError, match="picky has no default for depth; say it"):
        backlight.explain(MODEL, X, 1, method="picky")
    with pytest.raises(HyperParameterError, match=r"picky\(depth='a'\) cannot be made: Type"):
        backlight.explain(MODEL, X, 1, method="picky", depth="a")
    found = backlight.explain(MODEL, X, 1, method="picky", depth=3, anything="else")
    assert found.method == "Gradient()"


@pytest.mark.parametrize("name", [name for name in METHODS if name != "smooth"])
@pytest.mark.parametrize("value", ["no such thing", object(), np.zeros((200, 200)), [1, 2], {}])
def test_a_hyper_parameter_of_a_wrong_type_is_told_in_a_line(name: str, value: object) -> None:
    for parameter in inspect.signature(METHODS[name]).parameters:
        try:
            made = make_method(name, {parameter: value})
        except HyperParameterError as error:
            assert parameter in str(error)
            assert len(str(error)) < 400
        else:
            assert made


def test_a_function_may_stand_for_a_technique(install: Callable) -> None:
    def coarse(steps: int = 2) -> IntegratedGradients:
        return IntegratedGradients(steps=steps)

    install(plugin=offering(coarse=coarse))
    assert "steps=5" in backlight.explain(MODEL, X, 1, method="coarse", steps=5).method
    with pytest.raises(HyperParameterError, match="it has steps"):
        backlight.explain(MODEL, X, 1, method="coarse", rule="left")
