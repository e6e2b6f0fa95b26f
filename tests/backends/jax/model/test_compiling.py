"""The JAX backend: compiling."""

import functools
import threading
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import backlight
from backlight import (
    Class,
    Neuron,
)
from backlight.values.outputs import OutputSpec
from tests.backends.jax.model.nets import (
    SKIP,
    A,
    B,
    Values,
    bound,
    compilations,
    names,
    normal,
    of,
    two_layers,
    wrap,
)


def test_one_trace_serves_classes_values_baselines_and_weights(double: None) -> None:
    traces = []

    def net(parameters: Any, x: Any) -> Any:
        traces.append(x.shape)
        with jax.named_scope("hidden"):
            h = jnp.tanh(x @ parameters["a"])
        return h @ parameters["b"]

    parameters = {"a": jnp.asarray(A), "b": jnp.asarray(B)}
    model = wrap(functools.partial(net, parameters))
    x = normal(4, 5)

    def all_verbs(x: Values, k: int) -> list[Values]:
        score = bound(model, x, k)
        neuron = Neuron("hidden", index=(k,)).bind(OutputSpec((4, 6)), 4)
        value = model.activation(x, "hidden")
        return [
            model.predict(x),
            model.score(x, score),
            model.score(x, score, at="hidden", value=value + k),
            model.score(x, neuron),
            model.gradient(x, score).gradient,
            model.gradient(x, score, at="hidden").gradient,
            model.gradient(x, score, at="hidden", value=value * k).gradient,
        ]

    all_verbs(x, 0)
    assert len(traces) == 2  # once, and once to see which axes the examples are on
    compiled = sum(compilations(model))
    parameters["b"] = 2 * parameters["b"]
    later = all_verbs(3 * x, 1)
    assert len(traces) == 2
    assert sum(compilations(model)) == compiled
    h = np.tanh(3 * x @ A)
    np.testing.assert_allclose(later[0], h @ (2 * B), rtol=1e-12)
    np.testing.assert_allclose(later[1], h @ (2 * B[:, 1]), rtol=1e-9)
    np.testing.assert_allclose(later[2], (h + 1) @ (2 * B[:, 1]), rtol=1e-9)
    np.testing.assert_allclose(later[3], h[:, 1], rtol=1e-12)
    slope = ((1 - h**2) * 2 * B[:, 1]) @ A.T
    np.testing.assert_allclose(later[4], slope, rtol=1e-9, atol=1e-12)
    for gradient in later[5:]:
        np.testing.assert_allclose(gradient, np.tile(2 * B[:, 1], (4, 1)), rtol=1e-12)
    all_verbs(x[:2].repeat(2, axis=0), 2)
    assert len(traces) == 2
    model.predict(x[:3])
    assert traces[2:] == []  # the batch of three was traced to see the axes
    model.predict(x[:2])
    assert traces[2:] == [(2, 5)]


def test_a_compiled_pass_is_compiled_once() -> None:
    x = normal(4, 5).astype(np.float32)
    model = wrap(two_layers)
    for k in range(3):
        model.gradient((k + 1) * x, bound(model, x, k))
        model.gradient(x, bound(model, x, k), at="hidden")
    assert compilations(model) == [1, 1]


def test_the_x64_switch_is_part_of_the_key() -> None:
    x = normal(4, 5)
    model = wrap(two_layers)
    single = model.gradient(x, bound(model, x, 1)).gradient
    assert single.dtype == np.float32
    with jax.enable_x64(True):
        found = model.gradient(x, bound(model, x, 1)).gradient
        assert found.dtype == np.float64
    np.testing.assert_allclose(single, found, rtol=1e-4, atol=1e-5)
    assert model.gradient(x, bound(model, x, 1)).gradient.dtype == np.float32
    assert not jax.config.jax_enable_x64

    wide = wrap(lambda x: x.astype(float))  # the same input, but the net does something else
    narrow = jnp.asarray(x, np.float32)
    assert wide.predict(narrow).dtype == np.float32
    with jax.enable_x64(True):
        assert wide.predict(narrow).dtype == np.float64


def test_memory_of_a_model_is_bounded() -> None:
    model = wrap(lambda x: x @ of(SKIP, x))
    for count in range(1, 40):
        model.outputs(normal(count, 5).astype(np.float32))
    assert len(model.memory.answers("trace")) <= 32
    x = normal(2, 5).astype(np.float32)
    for power in range(70):
        model.score(x, backlight.Function(lambda y, arrays, p=power: y[:, 0] * p))
    assert len(model.memory.answers("trace")[-1]._compiled.answers()) <= 64


def test_threads_share_a_model(double: None) -> None:
    x = normal(6, 5)
    model = wrap(two_layers)
    h = np.tanh(x @ A)
    failures: list[BaseException] = []

    def work(k: int) -> None:
        try:
            with jax.enable_x64(True):  # the switch is each thread's own
                explain_parts(k)
        except BaseException as error:
            failures.append(error)

    def explain_parts(k: int) -> None:
        score = Class(k).bind(OutputSpec((6, 4)), 6)
        for rows in (6, 3, 2):
            part, chosen = x[:rows], score.take(np.arange(rows))
            found = model.gradient(part, chosen, at="hidden")
            np.testing.assert_allclose(found.gradient, 2 * h[:rows] * B[:, k], rtol=1e-12)
            assert "hidden" in names(model, part)
            model.gradient(part, chosen)

    threads = [threading.Thread(target=work, args=(k % 4,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
