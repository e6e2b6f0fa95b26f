"""The JAX backend: outputs."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen

from backlight import (
    LogProbability,
    Margin,
    Output,
    Probability,
)
from backlight.errors import InputTypeError
from backlight.values.outputs import OutputSpec
from tests.backends.jax.model.nets import SKIP, B, bound, normal, of, run_python, two_layers, wrap


def test_arrays_keep_type_and_get_the_nets_dtype(double: None) -> None:
    model = wrap(functools.partial(lambda w, x: x @ w, jnp.ones((5, 2), jnp.float16)))
    assert model.asarray(np.ones(3)).dtype == np.float16
    assert model.asarray(np.ones(3, np.float32)).dtype == np.float16
    assert model.asarray(np.ones(3, np.int64)).dtype == np.int64
    assert model.asarray(np.ones(3, bool)).dtype == bool
    like = jnp.ones(1, jnp.float32)
    assert model.asarray(np.ones(3), like=like).dtype == np.float32
    assert model.asarray(np.ones(3, np.int32), like=like).dtype == np.int32
    assert wrap(two_layers).asarray(np.ones(3, np.float32)).dtype == np.float32
    weight = jnp.ones((5, 2))
    closure = wrap(lambda x: x @ weight)
    assert closure.asarray(np.ones(3, np.float32)).dtype == np.float64
    with jax.enable_x64(False):
        assert closure.asarray(np.ones(3)).dtype == np.float32
        assert model.asarray(np.ones(3, np.int64)).dtype == np.int32
    assert model.owns(like)
    assert not model.owns(np.ones(3))
    assert model.is_floating(jnp.ones(2, jnp.bfloat16))
    assert not model.is_floating(jnp.ones(2, int))
    host = model.to_numpy(like)
    assert type(host) is np.ndarray
    assert host.dtype == np.float32
    with pytest.raises(InputTypeError):
        model.prepare("text")


def test_devices_are_kept() -> None:
    run_python(
        """
        import functools
        import jax, jax.numpy as jnp, numpy as np
        import backlight
        one = jax.devices()[1]
        weight = jax.device_put(jnp.ones((3, 2)), one)
        model = backlight.wrap(functools.partial(lambda w, x: jnp.tanh(x @ w), weight))
        for x in (np.ones((4, 3), np.float32), jax.device_put(jnp.ones((4, 3)), one)):
            inputs = model.prepare(x)
            score = backlight.Class(0).bind(model.outputs(inputs), 4)
            found = model.gradient(inputs, score)
            assert found.gradient.devices() == found.score.devices() == {one}
        like = jax.device_put(jnp.ones(2), jax.devices()[2])
        assert model.asarray(np.ones(2), like=like).devices() == like.devices()
        """,
        XLA_FLAGS="--xla_force_host_platform_device_count=3",
    )


def test_predict_gives_the_nets_own_structure() -> None:
    def net(x: Any, scale: Any) -> Any:
        return {"logits": x * scale, "more": (x.sum(1), [x])}

    x, scale = jnp.asarray(normal(3, 5), jnp.float32), jnp.float32(2)
    model = wrap(net)
    inputs = model.prepare(x, extra=(scale,))
    found = model.predict(inputs)
    assert isinstance(found["more"], tuple)
    assert isinstance(found["more"][1], list)
    np.testing.assert_allclose(found["logits"], 2 * x)
    np.testing.assert_allclose(found["more"][0], x.sum(1), rtol=1e-6)
    assert model.outputs(inputs) == {
        "logits": OutputSpec((3, 5)),
        "more": (OutputSpec((3,)), (OutputSpec((3, 5)),)),
    }


def softmax_by_hand(z: Any) -> Any:
    return jnp.exp(z) / jnp.exp(z).sum(1, keepdims=True)


def shifted_by_hand(z: Any) -> Any:
    z = z - z.max(1, keepdims=True)
    return z - jnp.log(jnp.exp(z).sum(axis=1, keepdims=True))


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        (jax.nn.softmax, "probabilities"),
        (jax.jit(jax.nn.softmax), "probabilities"),
        (linen.softmax, "probabilities"),
        (softmax_by_hand, "probabilities"),
        (jax.vmap(jax.nn.softmax), "probabilities"),
        (jax.checkpoint(jax.nn.softmax), "probabilities"),
        (lambda z: jax.nn.softmax(z.T, axis=0).T, "probabilities"),
        (lambda z: jax.nn.softmax(z).astype(jnp.float16), "probabilities"),
        (lambda z: jnp.exp(jax.nn.log_softmax(z)), "probabilities"),
        (jax.nn.log_softmax, "log_probabilities"),
        (shifted_by_hand, "log_probabilities"),
        (lambda z: jnp.log(jax.nn.softmax(z)), "log_probabilities"),
        (
            lambda z: z - jax.scipy.special.logsumexp(z, axis=1, keepdims=True),
            "log_probabilities",
        ),
        (lambda z: z, "logits"),
        (lambda z: jax.nn.softmax(z, axis=0), "logits"),
        (lambda z: jax.nn.softmax(z) * 2, "logits"),
        (lambda z: jax.nn.softmax(z) @ of(B[:4], z), "logits"),
        (lambda z: jnp.exp(z) / jnp.exp(2 * z).sum(1, keepdims=True), "logits"),
        (lambda z: jnp.exp(z) / (1 + jnp.exp(z).sum(1, keepdims=True)), "logits"),
        (lambda z: z - jnp.log(jnp.exp(2 * z).sum(1, keepdims=True)), "logits"),
        (jax.nn.sigmoid, "sigmoid"),
        (jax.jit(jax.nn.sigmoid), "sigmoid"),
        (lambda z: jax.nn.sigmoid(z).astype(jnp.float16), "sigmoid"),
        (lambda z: jax.nn.sigmoid(z)[:, 0], "sigmoid"),
        (lambda z: jnp.squeeze(jax.nn.sigmoid(z[:, 1:2]), 1).reshape(-1), "sigmoid"),
        (lambda z: jax.nn.sigmoid(z).mean(1), "logits"),
        (lambda z: 2 * jax.nn.sigmoid(z), "logits"),
        (lambda z: jnp.zeros_like(z), "logits"),
    ],
)
def test_kind_of_outputs(last: Callable[[Any], Any], kind: str) -> None:
    x = normal(3, 5).astype(np.float32)
    model = wrap(lambda x: last(x @ of(SKIP, x)))
    assert model.outputs(x).kind == kind
    assert wrap(two_layers, outputs="probabilities").outputs(x).kind == "probabilities"


def test_kind_of_dense_outputs_is_told_by_axis_1() -> None:
    x = normal(2, 3, 4, 4).astype(np.float32)
    assert wrap(lambda x: jax.nn.softmax(x, axis=1)).outputs(x).kind == "probabilities"
    assert wrap(lambda x: jax.nn.softmax(x, axis=-1)).outputs(x).kind == "logits"


def test_a_probability_is_explained_as_it_is_or_from_logits(double: None) -> None:
    x = normal(3, 5)
    scored = []
    for last in (lambda z: z, jax.nn.softmax, jax.nn.log_softmax):
        model = wrap(lambda x, last=last: last(two_layers(x)))
        score = Probability(2).bind(model.outputs(x), 3)
        scored.append(model.gradient(x, score))
    z = two_layers(x)
    expected = np.exp(z)[:, 2] / np.exp(z).sum(1)
    for found in scored:
        np.testing.assert_allclose(found.score, expected, rtol=1e-12)
        np.testing.assert_allclose(found.gradient, scored[0].gradient, rtol=1e-9, atol=1e-12)


def test_sigmoids_one_per_label(double: None) -> None:
    x = normal(3, 5)
    model = wrap(lambda x: jax.nn.sigmoid(x @ of(SKIP, x)))
    outputs = model.outputs(x)
    assert outputs.kind == "sigmoid"
    z = x @ SKIP
    p = 1 / (1 + np.exp(-z))
    slope = p * (1 - p)
    for score, value, gradient in (
        (Probability(1), p[:, 1], slope[:, 1:2] * SKIP[:, 1]),
        (LogProbability(1), np.log(p[:, 1]), (1 - p[:, 1:2]) * SKIP[:, 1]),
        (
            Margin(1, versus=3),
            z[:, 1] - z[:, 3],
            np.tile(SKIP[:, 1] - SKIP[:, 3], (3, 1)),
        ),
    ):
        found = model.gradient(x, score.bind(outputs, 3))
        np.testing.assert_allclose(found.score, value, rtol=1e-9)
        np.testing.assert_allclose(found.gradient, gradient, rtol=1e-9)


def test_none_among_the_outputs() -> None:
    x = jnp.asarray(normal(3, 5), jnp.float32)
    model = wrap(lambda x: (x @ of(SKIP, x), None))
    assert model.outputs(x) == (OutputSpec((3, 4)), ())
    assert wrap(lambda x: (x, None), outputs="logits").outputs(x) == (OutputSpec((3, 5)), ())
    score = Output(0, index=1).bind(model.outputs(x), 3)
    np.testing.assert_allclose(model.score(x, score), (x @ of(SKIP, x))[:, 1], rtol=1e-6)
    assert bound(model, x, 0).path == 0
