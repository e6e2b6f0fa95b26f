"""The JAX backend: modules."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import backlight
from backlight import (
    Inputs,
)
from backlight.errors import ModelError
from backlight.values.outputs import OutputSpec
from tests.backends.jax.model.nets import (
    KERNELS,
    LinenNet,
    NnxNet,
    Values,
    batched,
    bound,
    compilations,
    conv,
    differences,
    equinox_net,
    names,
    normal,
    run_python,
    wrap,
)


def linen_net() -> tuple[LinenNet, Any]:
    module = LinenNet()
    return module, jax.jit(module.init)(jax.random.key(0), jnp.ones((1, 8, 8, 2)))


def test_linen_however_it_is_passed() -> None:
    module, variables = linen_net()
    x = normal(3, 8, 8, 2).astype(np.float32)
    direct = module.apply(variables, x)
    expected = jax.grad(lambda x: module.apply(variables, x)[:, 1].sum())(jnp.asarray(x))
    for net in (
        module.bind(variables),
        (module, variables),
        functools.partial(module.apply, variables),
        module.bind(variables).__call__,
    ):
        model = backlight.wrap(net)
        np.testing.assert_allclose(model.predict(x), direct, rtol=1e-6)
        assert model.outputs(x) == OutputSpec((3, 3), "probabilities")
        listed = names(model, x)
        assert [name for name in listed if name.startswith("LinenNet/")] == [
            "LinenNet/stem",
            "LinenNet/norm",
            "LinenNet/narrow",
            "LinenNet/dense",
            "LinenNet/dense:2",
        ]
        assert {"relu", "reduce_window_max"} < set(listed)
        assert model.site(x, "reduce_window_max").pooled
    found = model.gradient(x, bound(model, x, 1))
    np.testing.assert_allclose(found.gradient, expected, rtol=1e-5, atol=1e-8)
    np.testing.assert_array_equal(
        model.activation(x, "relu"), np.maximum(model.activation(x, "LinenNet/stem"), 0)
    )
    kernel = variables["params"]["dense"]["kernel"]
    first = model.activation(x, "LinenNet/dense")
    second = first @ kernel + variables["params"]["dense"]["bias"]
    np.testing.assert_allclose(model.activation(x, "LinenNet/dense:2"), second, rtol=1e-5)


def test_linen_takes_arguments_of_its_own() -> None:
    module, variables = linen_net()
    model = wrap((module, variables))
    x = normal(3, 8, 8, 2).astype(np.float32)
    inputs = Inputs(jnp.asarray(x), keyword={"train": False})
    np.testing.assert_allclose(model.predict(inputs), module.apply(variables, x), rtol=1e-6)


def nnx_state(module: Any) -> list[Values]:
    leaves = jax.tree.leaves(nnx.state(module))
    return [
        np.asarray(jax.random.key_data(leaf))
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        else np.asarray(leaf)
        for leaf in leaves
    ]


def test_nnx_runs_in_inference_mode_and_comes_back_as_it_was() -> None:
    module = NnxNet(nnx.Rngs(0))
    module.norm.mean[...] = jnp.arange(4.0) / 10
    before = nnx_state(module)
    x = normal(3, 8, 8, 2).astype(np.float32)
    model = wrap(module)
    predicted = model.predict(x)
    found = model.gradient(x, bound(model, x, 1))
    model.sites(x)
    with pytest.raises(ModelError):
        model.predict(x[..., :1])
    assert not module.drop.deterministic
    assert not module.norm.use_running_average
    assert module.drop.rngs is not None
    for one, other in zip(before, nnx_state(module), strict=True):
        np.testing.assert_array_equal(one, other)

    module.eval()
    np.testing.assert_allclose(predicted, module(x), rtol=1e-6)
    expected = jax.grad(lambda x: module(x)[:, 1].sum())(jnp.asarray(x))
    np.testing.assert_allclose(found.gradient, expected, rtol=1e-5, atol=1e-7)


def test_nnx_weights_are_read_at_each_call() -> None:
    module = NnxNet(nnx.Rngs(0))
    x = normal(3, 8, 8, 2).astype(np.float32)
    model = wrap(module)
    first = model.predict(x)
    module.blocks[0].bias[...] = module.blocks[0].bias[...] + 1
    second = model.predict(x)
    module.eval()
    np.testing.assert_allclose(second, module(x), rtol=1e-6)
    assert np.abs(np.asarray(first) - np.asarray(second)).max() > 0.1
    assert compilations(model) == [1]


def test_nnx_sites_are_named_by_their_parameters() -> None:
    module = NnxNet(nnx.Rngs(0))
    x = normal(3, 8, 8, 2).astype(np.float32)
    model = wrap(module)
    listed = names(model, x)
    own = [name for name in listed if name.split("[")[0] in ("stem", "norm", "blocks")]
    assert own == ["stem", "norm", "blocks[0]", "blocks[1]", "blocks[0]:2"]
    assert {"relu", "relu:2", "relu:3", "reduce_window_max"} < set(listed)
    module.eval()
    stem = module.stem(x)
    np.testing.assert_allclose(model.activation(x, "stem"), stem, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.activation(x, "norm"), module.norm(stem), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        model.activation(x, "blocks[0]:2"), model.predict(x), rtol=1e-6, atol=1e-7
    )


def test_methods_of_modules() -> None:
    module = NnxNet(nnx.Rngs(0))
    x = normal(3, 8, 8, 2).astype(np.float32)
    np.testing.assert_allclose(
        wrap(module.features).predict(x), module.stem(x).sum((1, 2)), rtol=1e-5
    )


def test_equinox_for_one_example_under_vmap(double: None) -> None:
    module = eqx.nn.inference_mode(equinox_net())
    module = jax.tree.map(lambda a: a.astype(float) if eqx.is_array(a) else a, module)
    x = normal(3, 2, 6, 6)
    direct = jax.jit(jax.vmap(module))
    for net in (jax.vmap(module), direct):
        model = backlight.wrap(net)
        score = bound(model, x, 1)
        expected = differences(lambda moved: direct(moved)[:, 1], x, step=1e-5)
        np.testing.assert_allclose(model.gradient(x, score).gradient, expected, atol=1e-6)
        assert model.channels == "first"
        listed = names(model, x)
        assert [name for name in listed if name.startswith("layers")] == [
            "layers[0]",
            "layers[6]",
            "layers[8]",
        ]
        first = np.stack([module.layers[0](one) for one in x])
        np.testing.assert_allclose(model.activation(x, "layers[0]"), first, rtol=1e-6)
        np.testing.assert_allclose(model.activation(x, "relu"), np.maximum(first, 0), rtol=1e-6)
        sites = {site.name: site for site in model.sites(x)}
        assert all(site.shape[0] == 3 for site in sites.values())
        assert sites["layers[6]"].shape == (3, 5)


def test_equinox_that_takes_a_batch_runs_in_inference_mode() -> None:
    module = batched()
    x = normal(3, 5).astype(np.float32)
    model = wrap(module)
    first, second = module.layers
    expected = np.tanh(np.tanh(x @ first.weight.T + first.bias) @ second.weight.T + second.bias)
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-5)
    assert not module.drop.inference
    listed = names(model, x)
    assert [name for name in listed if name.startswith("layers")] == ["layers[0]", "layers[1]"]
    assert all(leaf.shape for leaf in model._net.state().leaves)


def test_equinox_for_one_example_fed_a_batch_says_what_to_do() -> None:
    with pytest.raises(ModelError, match=r"jax\.vmap\(module\)"):
        wrap(equinox_net()).predict(normal(3, 2, 6, 6).astype(np.float32))


def test_the_nets_error_comes_out_with_what_it_was_given() -> None:
    model = wrap(NnxNet(nnx.Rngs(0)))
    with pytest.raises(
        ModelError,
        match=r"raised \w+ when called with \(3, 8, 8, 5\) float32; its first parameter .* has shape",
    ) as caught:
        model.predict(normal(3, 8, 8, 5).astype(np.float32))
    assert caught.value.__cause__ is not None
    assert str(caught.value.__cause__) in str(caught.value)
    mixed = wrap(lambda x: conv(x, KERNELS["first"].astype(np.float32)))
    with pytest.raises(ModelError, match=r"\(3, 8, 8, 2\) float16"):
        mixed.predict(jnp.asarray(normal(3, 8, 8, 2), jnp.float16))
    with pytest.raises(ModelError, match="TracerArrayConversionError"):
        wrap(lambda x: np.asarray(x)).predict(normal(3, 2).astype(np.float32))


def test_keras_on_jax() -> None:
    run_python(
        """
        import numpy as np, jax, jax.numpy as jnp, keras
        import backlight
        from backlight import Class, Options
        from backlight.errors import ModelError
        from backlight.graph.dependence.cuts import Connection, Cut
        from backlight_jax import plugin

        keras.utils.set_random_seed(0)
        layers = keras.layers
        first = keras.Input((8, 8, 2))
        h = layers.Conv2D(4, 3, activation="relu", name="stem")(first)
        h = layers.BatchNormalization(name="norm")(h)
        h = layers.MaxPooling2D(name="pool")(h)
        h = layers.Dropout(0.5)(layers.Flatten()(h))
        net = keras.Model(first, layers.Dense(3, activation="softmax", name="dense")(h))
        net.get_layer("norm").moving_mean.assign(np.arange(4) / 10)
        before = [np.asarray(variable) for variable in net.variables]
        x = np.random.default_rng(0).standard_normal((3, 8, 8, 2)).astype("float32")
        model = backlight.wrap(net)
        assert model.framework == "jax"
        outputs = model.outputs(x)
        assert outputs.kind == "probabilities" and model.channels == "last", outputs
        direct = net(x, training=False)
        np.testing.assert_allclose(model.predict(x), direct, rtol=1e-6)
        score = Class(1).bind(outputs, 3)
        found = model.gradient(x, score)
        step = 1e-2 * np.random.default_rng(1).standard_normal(x.shape).astype("float32")
        change = net(x + step, training=False)[:, 1] - net(x - step, training=False)[:, 1]
        np.testing.assert_allclose(
            (found.gradient * 2 * step).sum((1, 2, 3)), change, atol=2e-4
        )
        sites = {site.name: site for site in model.sites(x)}
        assert {"stem", "norm", "pool", "flatten", "dense"} < set(sites), list(sites)
        assert sites["pool"].pooled and not sites["stem"].pooled
        stem = keras.Model(first, net.get_layer("stem").output)(x)
        np.testing.assert_allclose(model.activation(x, "stem"), stem, atol=1e-6)
        compiled = [
            each.function._cache_size()
            for trace in model.memory.answers("trace") for each in trace._compiled.answers()
        ]
        net.get_layer("dense").bias.assign([1.0, 2.0, 3.0])
        np.testing.assert_allclose(model.predict(x), net(x, training=False), rtol=1e-6)
        assert compiled == [
            each.function._cache_size()
            for trace in model.memory.answers("trace") for each in trace._compiled.answers()
        ]
        for one, other in zip(before[:-1], net.variables):
            np.testing.assert_array_equal(one, np.asarray(other))
        try:
            model.predict(x[:, :, :, :1])
        except ModelError as error:
            assert "(3, 8, 8, 1) float32; its input_shape is (None, 8, 8, 2)" in str(error), error
        else:
            raise AssertionError("no error")

        labels = keras.Sequential([keras.Input((2,)), layers.Dense(4, activation="sigmoid")])
        assert backlight.wrap(labels).outputs(x[:, 0, 0]).kind == "sigmoid"

        a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
        joined = keras.Model({"a": a, "b": b}, layers.Dense(2)(layers.Concatenate()([a, b])))
        model = backlight.wrap(joined)
        pair = {"a": x[:, 0, :3, 0], "b": x[:, 0, 0]}
        np.testing.assert_allclose(model.predict(pair), joined(pair), rtol=1e-6)
        weights = np.asarray(joined.layers[-1].kernel)
        found = model.gradient(pair, Class(1).bind(model.outputs(pair), 3))
        np.testing.assert_allclose(found.gradient["b"], np.tile(weights[3:, 1], (3, 1)), rtol=1e-6)

        stop = layers.Lambda(keras.ops.stop_gradient, name="frozen")
        h = layers.Dense(2, name="body")(a)
        cut = backlight.wrap(keras.Model(a, layers.Dense(2, activation="softmax")(stop(h))))
        score = Class(1).bind(cut.outputs(pair["a"]), 3)
        expected = Connection((False,), (True,), (Cut("frozen", "stop_gradient"),))
        assert cut.connection(pair["a"], score) == expected

        unbuilt = keras.Sequential([layers.Dense(2)])
        try:
            backlight.wrap(unbuilt).predict(x[:, 0, 0])
        except ModelError as error:
            assert "call it once, or build it" in str(error)
        else:
            raise AssertionError("no error")
        """,
        KERAS_BACKEND="jax",
    )


def test_keras_on_another_framework_is_not_claimed() -> None:
    run_python(
        """
        import torch, keras, jax.numpy as jnp
        from backlight import Options
        from backlight_jax import plugin
        net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        for framework in (None, "jax"):
            assert plugin.backlight_wrap(net, jnp.ones((2, 3)), framework, Options()) is None
        """,
        KERAS_BACKEND="torch",
    )
