"""Rules on the JAX backend: compiling."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from flax import nnx

from backlight.rules.operations import Kind
from backlight.rules.rules import AppliedOperation, Rule, Rules
from backlight.testing.rules import (
    EPSILON,
    EPSILON_FOLDED,
    GUIDED,
    NATIVE,
    by_kind,
)
from backlight.values.arrays import Array
from tests.backends.jax.model.nets import bound, conv, normal, run_python, wrap
from tests.backends.jax.rules.nets import NETS, PICTURE, NnxNet, V, case, on


@on(PICTURE)
def squeeze_excite(x: Any) -> Any:
    x = jax.nn.silu(conv(x, normal(1, 1, 4, 8)))
    gate = jax.nn.sigmoid(jax.nn.relu(x.mean((1, 2)) @ normal(8, 2)) @ normal(2, 8))
    return (x * gate[:, None, None]).max((1, 2)) @ V


def test_another_class_is_not_compiled_again() -> None:
    traced = 0

    @dataclass(frozen=True)
    class Counting(Rule):
        def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
            nonlocal traced
            traced += 1
            return op.vjp(grad)

    model, x = case("cnn")
    for k in (0, 1, [2, 1, 0]):
        rules = by_kind({Kind.DENSE: Counting()})
        found = model.gradient(x + 1, bound(model, x, k), rules=rules)
        plain = model.gradient(x + 1, bound(model, x, k))
        np.testing.assert_allclose(found.gradient, plain.gradient, atol=1e-12)
    assert traced == 1


def test_new_weights_are_seen() -> None:
    net, x = NnxNet(nnx.Rngs(0)), normal(*PICTURE)
    model = wrap(net)
    before = model.gradient(x, bound(model, x, 1), rules=EPSILON_FOLDED)
    net.head.kernel[...] = 2 * net.head.kernel[...]
    after = model.gradient(x, bound(model, x, 1), rules=EPSILON_FOLDED)
    assert np.abs(after.gradient - before.gradient).max() > 1e-3
    plain = model.gradient(x, bound(model, x, 1), rules=NATIVE)
    np.testing.assert_allclose(
        plain.gradient, model.gradient(x, bound(model, x, 1)).gradient, atol=1e-12
    )


def test_two_threads() -> None:
    model, x = case("squeeze_excite")
    score = bound(model, x, 1)
    expected = [model.gradient(x, score, rules=rules).gradient for rules in (GUIDED, EPSILON)]
    fresh = wrap(NETS["squeeze_excite"][0])
    found: list[Any] = [None, None]

    def work(at: int, rules: Rules) -> None:
        with jax.enable_x64(True):
            found[at] = fresh.gradient(x, score, rules=rules).gradient

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate((GUIDED, EPSILON))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_keras_layers() -> None:
    run_python(
        """
        import jax, keras, numpy as np
        import backlight
        from backlight import Class
        from backlight.rules.operations import Kind
        from tests.backends.jax.model.nets import normal
        from tests.backends.jax.rules.nets import DEEP_LIFT, WHOLE

        keras.utils.set_random_seed(0)
        layers = keras.layers
        image = keras.Input((8, 8, 3))
        x = layers.Conv2D(6, 3, padding="same")(image)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.DepthwiseConv2D(3)(layers.MaxPooling2D(3, 2, padding="same")(x))
        x = layers.PReLU()(layers.LayerNormalization()(x))
        x = layers.Activation("swish")(layers.GroupNormalization(2)(x))
        x = layers.Dense(8, activation="gelu")(layers.GlobalAveragePooling2D()(x))
        net = keras.Model(image, layers.Dense(3, activation="softmax")(x))
        norm = net.layers[2]
        norm.set_weights([np.abs(normal(*w.shape)) + 0.3 for w in norm.get_weights()])
        x = normal(2, 8, 8, 3).astype("float32")
        model = backlight.wrap(net, "jax")
        score = Class(1).bind(model.outputs(model.prepare(x)), 2)
        plain = model.gradient(x, score)
        kinds = lambda rules: [one.kind.value for one in model.operations(x, rules=rules)]
        assert kinds(WHOLE) == [
            *("convolution", "relu", "max_pool", "convolution", "normalization", "prelu"),
            *("normalization", "silu", "sum", "scale", "dense", "gelu", "dense", "softmax"),
        ], kinds(WHOLE)
        names = [one.name for one in model.operations(x, rules=WHOLE)]
        assert names[0] == net.layers[1].name, names
        found = model.gradient(x, score, rules=WHOLE)
        np.testing.assert_allclose(found.gradient, plain.gradient, rtol=1e-4, atol=1e-6)
        products = [
            one.reciprocal for one in model.operations(x, rules=DEEP_LIFT) if one.kind is Kind.MUL
        ]
        assert products == [1, 1, 1, 1], products  # of two normalisations
        found = model.gradient(x, score, rules=DEEP_LIFT, reference=0 * x[:1])
        total = (x * found.gradient).sum((1, 2, 3))
        np.testing.assert_allclose(total, found.score - found.reference_score, atol=1e-4)
        """,
        KERAS_BACKEND="jax",
        XLA_FLAGS="",
        JAX_DISABLE_MOST_OPTIMIZATIONS="0",
    )
