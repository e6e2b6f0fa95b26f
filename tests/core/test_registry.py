"""Techniques by name, and the one-call door."""

from collections.abc import Callable

import numpy as np
import pytest

import backlight
from backlight.errors import HyperParameterError, UnknownNameError
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
    assert "Known: deconvnet, deep_lift, " in str(caught.value)


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


def test_of_two_techniques_with_one_name_the_later_plugins_is_taken(install: Callable) -> None:
    install(aaa=offering(same=Gradient, other=Gradient), zzz=offering(same=Saliency))
    assert backlight.methods() == {"other": Gradient, "same": Saliency}


def test_a_plugin_whose_methods_fail_does_not_stop_the_rest(install: Callable) -> None:
    @backlight.hookimpl
    def backlight_methods() -> dict[str, object]:
        raise RuntimeError("no such file")

    install(broken={"backlight_methods": backlight_methods}, good=offering(mine=Gradient))
    with pytest.warns(backlight.BacklightWarning, match="broken"):
        found = backlight.methods()
    assert found == {"mine": Gradient}


def test_a_function_may_stand_for_a_technique(install: Callable) -> None:
    def coarse(steps: int = 2) -> IntegratedGradients:
        return IntegratedGradients(steps=steps)

    install(plugin=offering(coarse=coarse))
    assert "steps=5" in backlight.explain(MODEL, X, 1, method="coarse", steps=5).method
    with pytest.raises(HyperParameterError, match="it has steps"):
        backlight.explain(MODEL, X, 1, method="coarse", rule="left")
