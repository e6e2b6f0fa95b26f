"""From a user's object to a Model."""

import gc
import weakref
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

import backlight
from backlight import BacklightWarning, forget, hookimpl, wrap
from backlight.errors import HyperParameterError, NoBackendError
from backlight.model.wrapping import KEPT
from backlight.values.layout import Layout
from tests.reference import ReferenceModel


class Net:
    """Something that the backend of these tests knows."""


@pytest.fixture
def calls(install: Callable) -> list[dict[str, object]]:
    seen: list[dict[str, object]] = []

    @hookimpl
    def backlight_wrap(net, inputs, framework, options):
        seen.append({"net": net, "framework": framework, "options": options})
        if isinstance(net, Net) or framework == "mine" or isinstance(inputs, (set, frozenset)):
            model = ReferenceModel(("head", lambda x: x), kind=options.outputs or "logits")
            model.fed = type(inputs)
            return model
        return None

    install(mine={"backlight_wrap": backlight_wrap})
    return seen


def test_a_model_is_returned_as_it_is() -> None:
    model = ReferenceModel(("head", lambda x: x))
    assert wrap(model) is model


def test_the_same_net_gives_the_same_model(calls: list) -> None:
    net = Net()
    model = wrap(net)
    assert wrap(net) is model
    assert wrap(Net()) is not model
    assert len(calls) == 2


def test_other_options_give_another_model(calls: list) -> None:
    net = Net()
    plain = wrap(net)
    odds = wrap(net, outputs="probabilities")
    assert (plain.kind, odds.kind) == ("logits", "probabilities")
    assert wrap(net, outputs="probabilities") is odds
    assert wrap(net, channels="last") is not plain
    assert wrap(net, "mine") is not plain
    assert calls[-2]["options"].channels == "last"
    assert calls[-1]["framework"] == "mine"


def test_inputs_without_channels_are_the_cores_to_know(calls: list) -> None:
    """A backend is asked where feature maps have theirs, which its framework knows."""
    net = Net()
    model = wrap(net, channels="none")
    assert calls[-1]["options"].channels is None
    assert model.declared_channels == "none"
    assert model.input_layout((2, 5, 6)) == Layout(None, (5, 6))
    assert wrap(net, channels="none") is model
    assert wrap(net) is not model
    assert wrap(net).declared_channels is None


@pytest.mark.parametrize("said", [{"channels": "second"}, {"outputs": "odds"}])
def test_what_cannot_be_said_is_refused(said: dict, calls: list) -> None:
    (name,) = said
    with pytest.raises(HyperParameterError, match=f"wrap: {name} must be one of '.*, got '"):
        wrap(Net(), **said)


def test_a_model_that_is_wrapped_is_not_told_something_else(calls: list) -> None:
    model = wrap(Net(), channels="none", outputs="sigmoid")
    assert wrap(model, channels="none", outputs="sigmoid") is model
    for said in ({"channels": "first"}, {"outputs": "logits"}):
        with pytest.raises(HyperParameterError, match="wrapped before"):
            wrap(model, **said)


def test_a_plain_function_fed_with_another_frameworks_arrays_is_wrapped_anew(calls: list) -> None:
    """`f` may be a function of any framework's arrays; what it is fed with tells whose it is."""

    def f(x):
        return x

    assert wrap(f, inputs={1}).fed is set
    assert wrap(f, inputs=frozenset({1})).fed is frozenset
    assert wrap(f, inputs={2}).fed is set


def test_forget_lets_go(calls: list) -> None:
    net = Net()
    model = wrap(net)
    forget()
    assert wrap(net) is not model
    gone = weakref.ref(net)
    del net
    calls.clear()
    forget()
    gc.collect()
    assert gone() is None


def test_only_the_last_few_models_are_remembered(calls: list) -> None:
    first = Net()
    model = wrap(first)
    others = [Net() for _ in range(KEPT - 1)]
    for net in others:
        wrap(net)
    assert wrap(first) is model, "asking again makes it the most recent"
    wrap(Net())
    assert wrap(first) is model
    count = len(calls)
    wrap(others[0])
    assert len(calls) == count + 1


def test_an_unknown_object_is_named_with_the_plugins(calls: list) -> None:
    with pytest.raises(NoBackendError) as caught:
        wrap(len, "no_such", inputs=np.zeros(3))
    text = str(caught.value)
    for fragment in (
        "No backend takes a builtins.builtin_function_or_method",
        "fed with a numpy.ndarray",
        "(framework='no_such')",
        "Plugins installed: mine.",
        "framework='torch', 'tensorflow', 'jax' or 'mlx'",
        "pip install 'backlight[torch]'",
    ):
        assert fragment in text
    assert isinstance(caught.value, TypeError)


def test_a_plugin_that_is_broken_is_named_too(install: Callable) -> None:
    @hookimpl
    def backlight_no_such_hook() -> None:
        """Not a hook."""

    with pytest.warns(BacklightWarning, match="bad-package"):
        install(bad={"backlight_no_such_hook": backlight_no_such_hook})
    with pytest.raises(NoBackendError, match="could not be loaded: PluginValidationError"):
        wrap(3)


def test_techniques_wrap_what_they_are_given(calls: list) -> None:
    found = backlight.explain(Net(), np.ones((1, 2)), 1, method=_gradient())
    np.testing.assert_allclose(found.values, [[0, 1]], rtol=1e-8, atol=1e-9)


def _gradient():
    from backlight_methods import Gradient

    return Gradient()


def test_a_bound_method_is_the_same_net_each_time_it_is_asked_for(calls: list) -> None:
    class Holder:
        def first(self, x):
            return x

        def second(self, x):
            return x

    held = Holder()
    for make in (
        lambda: held.first,
        lambda: partial(held.first, calls),
        lambda: partial(held.first, y=calls),
        lambda: (held, calls),
    ):
        assert wrap(make(), "mine") is wrap(make(), "mine")
    assert len(calls) == 4
    assert wrap(held.first, "mine") is not wrap(held.second, "mine")
    assert wrap(held.first, "mine") is not wrap(Holder().first, "mine")
