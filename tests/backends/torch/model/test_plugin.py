"""The PyTorch backend: plugin."""

from tests.backends.torch.model.nets import run


def test_the_plugin_imports_no_framework() -> None:
    run(
        """
        import sys
        import backlight_torch.plugin as plugin
        from backlight.model.model import Options
        assert plugin.backlight_wrap(lambda x: x, None, None, Options()) is None
        assert not {"torch", "keras", "tensorflow", "jax"} & set(sys.modules)
        """
    )


def test_keras_on_torch() -> None:
    output = run(
        """
        import torch
        torch.set_num_threads(1)
        import keras, numpy as np, backlight
        keras.utils.set_random_seed(0)
        start = keras.Input((6, 6, 2))
        y = keras.layers.Conv2D(3, 3, name="conv")(start)
        y = keras.layers.BatchNormalization(name="norm")(y)
        curve = keras.layers.Dense(3, activation="tanh", name="curve")
        y = curve(curve(y))
        y = keras.layers.MaxPooling2D(name="pool")(y)
        y = keras.layers.Dropout(0.5, name="drop")(keras.layers.Flatten(name="flat")(y))
        end = keras.layers.Dense(4, activation="softmax", name="end")(y)
        net = keras.Model(start, end)
        before = {layer.name: sorted(layer.__dict__) for layer in net.layers}
        model = backlight.wrap(net)
        assert (model.framework, model.channels) == ("torch", "last")
        x = np.random.default_rng(0).normal(size=(3, 6, 6, 2)).astype("float32")
        outputs = model.outputs(x)
        assert (outputs.shape, outputs.kind) == ((3, 4), "probabilities")
        sites = model.sites(x)
        names = ["conv", "norm", "curve", "curve:2", "pool", "flat", "drop", "end"]
        assert [site.name for site in sites] == names, sites
        assert [site.name for site in sites if site.pooled] == ["pool"]
        score = backlight.Probability([1, 2, 3]).bind(outputs, 3)
        assert isinstance(model.predict(x), torch.Tensor)
        expected = net.predict(x, verbose=0)[range(3), [1, 2, 3]]
        np.testing.assert_allclose(model.score(x, score), expected, rtol=1e-5)
        g = model.gradient(x, score).gradient.numpy().astype("float64")
        at = model.gradient(x, score, at="curve")
        step = 1e-2
        for gradient, move in [
            (g, lambda d: model.score((x + step * d).astype("float32"), score)),
            (at.gradient.numpy(), lambda d: model.score(
                x, score, at="curve", value=at.value + step * torch.tensor(d))),
        ]:
            way = (np.sign(gradient) * np.abs(gradient).mean()).astype("float32")
            way /= np.abs(way).max()
            change = (move(way) - move(-way)).numpy() / (2 * step)
            wanted = (gradient * way).reshape(3, -1).sum(1)
            np.testing.assert_allclose(change, wanted, rtol=2e-2)
            assert np.abs(wanted).min() > 1e-4
        again = model.gradient(x, score, at="curve", value=at.value)
        np.testing.assert_array_equal(again.gradient.numpy(), at.gradient.numpy())
        try:
            model.predict(x[..., :1])
        except backlight.BacklightError as error:
            assert "(None, 6, 6, 2)" in str(error) and "(3, 6, 6, 1)" in str(error), error
        else:
            raise AssertionError
        assert before == {layer.name: sorted(layer.__dict__) for layer in net.layers}
        assert not any(layer._forward_hooks for layer in net.layers)
        class Block(keras.layers.Layer):
            def build(self, shape):
                self.parts = [keras.layers.Dropout(0.5, name="drop") for _ in range(3)]
            def call(self, x):
                for part in self.parts:
                    x = part(x + 1)
                return x
        first, last = keras.Input((4,)), keras.layers.Dense(2, name="last")
        model = backlight.wrap(keras.Model(first, last(Block(name="block")(first))))
        names = [site.name for site in model.sites(np.ones((2, 4), "float32"))]
        assert names == ["drop", "drop_2", "drop_3", "block", "last"], names
        a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
        both = keras.layers.Concatenate()([a, b])
        net = keras.Model({"a": a, "b": b}, keras.layers.Dense(1, name="end")(both))
        kernel = net.get_layer("end").kernel.value.detach().numpy()[:, 0]
        model = backlight.wrap(net)
        x = {"a": np.ones((2, 3)), "b": np.ones((2, 2))}
        found = model.gradient(x, backlight.Output().bind(model.outputs(x), 2)).gradient
        np.testing.assert_array_equal(found["b"].numpy(), [kernel[3:]] * 2)
        pair = keras.Model([a, b], keras.layers.Dense(1)(both))
        x = (np.ones((2, 3)), np.ones((2, 2)))
        assert backlight.wrap(pair).outputs(x).shape == (2, 1)
        function = backlight.wrap(lambda one, two: pair([one, two]), inputs=x)
        names = [site.name for site in function.sites(x)]
        assert names[-1] == "pair" and len(names) == 3, names
        print("all")
        """
    )
    assert output.split() == ["all"]
