"""The TensorFlow and Keras backend: inputs."""

from typing import Any, cast

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import keras
import numpy as np
import pytest
import tensorflow as tf

from backlight.explaining.targets import as_score
from backlight.scores.scores import Output
from backlight.values.inputs import Inputs, Shared
from backlight.values.outputs import OutputSpec
from tests.backends.tensorflow.model.nets import F64, bound, host, numbers, wrap


class Several(keras.Model):
    """Two inputs, nested outputs, an integer one passed beside."""

    def call(self, inputs: Any, scale: Any = None, power: int = 1) -> Any:
        left, right = (inputs["a"], inputs["b"]) if isinstance(inputs, dict) else inputs
        total = (left * 2 + right * 3) ** power
        total = total if scale is None else total * scale[:, None]
        return {"sum": total, "parts": (left, [tf.nn.softmax(right)])}


def test_tuple_and_dict_inputs_of_keras_models() -> None:
    a, b = numbers(2, 3), numbers(2, 3, seed=1)
    model = wrap(Several(dtype=F64))
    given: Any
    for given in ((a, b), {"a": a, "b": b}):
        score = bound(model, given, Output("sum", index=1))
        found = model.gradient(given, score)
        assert type(found.gradient) is type(given)
        first, second = (
            found.gradient.values() if isinstance(found.gradient, dict) else found.gradient
        )
        np.testing.assert_allclose(host(first), np.tile([0.0, 2, 0], (2, 1)))
        np.testing.assert_allclose(host(second), np.tile([0.0, 3, 0], (2, 1)))
        # An input that the score does not depend on has a gradient of zeros.
        found = model.gradient(given, bound(model, given, Output(("parts", 0), index=1)))
        unused = list(
            found.gradient.values() if isinstance(found.gradient, dict) else found.gradient
        )[1]
        assert host(unused).shape == b.shape
        assert not host(unused).any()
    assert model.outputs((a, b)) == {
        "sum": OutputSpec((2, 3)),
        "parts": (OutputSpec((2, 3)), (OutputSpec((2, 3), "probabilities"),)),
    }
    assert set(cast(Any, model.predict((a, b)))) == {"sum", "parts"}


@pytest.mark.parametrize("structure", ["list", "dict", "one", "tuple of one"])
def test_functional_models_get_the_structure_they_were_made_with(structure: str) -> None:
    left, right = (keras.Input((3,), dtype=F64, name=name) for name in "ab")
    one = "one" in structure
    made: Any = {
        "list": [left, right],
        "dict": {"a": left, "b": right},
        "one": [left],
        "tuple of one": (left,),
    }[structure]
    net = keras.Model(made, left * 2 if one else left * 2 + right * 3)
    model = wrap(net)
    a, b = numbers(2, 3), numbers(2, 3, seed=1)
    fed: list[Any] = [(a, b), {"a": a, "b": b}] if not one else [a, (a,)]
    for given in fed:
        expected = 2 * a + (0 if one else 3 * b)
        np.testing.assert_allclose(host(model.predict(given)), expected)


def test_extra_arguments_by_position_and_name() -> None:
    a, b, scale = numbers(2, 3), numbers(2, 3, seed=1), np.array([1.0, 10.0])
    model = wrap(Several(dtype=F64))
    for extra in ((scale,), {"scale": scale}):
        inputs = model.prepare((a, b), extra)
        score = as_score(Output("sum", index=0)).bind(model.outputs(inputs), 2)
        first = cast(Any, model.gradient(inputs, score).gradient)[0]
        np.testing.assert_allclose(host(first)[:, 0], [2.0, 20.0])
    inputs = model.prepare((a, b), {"power": 2})
    score = as_score(Output("sum", index=0)).bind(model.outputs(inputs), 2)
    first = cast(Any, model.gradient(inputs, score).gradient)[0]
    np.testing.assert_allclose(host(first)[:, 0], 4 * (2 * a + 3 * b)[:, 0])


def test_shared_and_nested_extra_arguments_of_functions() -> None:
    def net(x: Any, *, table: Any, unhashable: Any) -> Any:
        return x * table["w"] + unhashable[0]

    x = numbers(3, 3)
    table = {"w": tf.constant(numbers(3, seed=1))}
    model = wrap(net, framework="tensorflow")
    inputs = Inputs(tf.constant(x), (), {"table": Shared(table), "unhashable": [1.0]})
    np.testing.assert_allclose(host(model.predict(inputs)), x * table["w"].numpy() + 1)
    half = inputs.map_rows(lambda rows: rows[:2])
    np.testing.assert_allclose(host(model.predict(half)), x[:2] * table["w"].numpy() + 1)
    other = Inputs(tf.constant(x), (), {"table": Shared(table), "unhashable": [2.0]})
    np.testing.assert_allclose(host(model.predict(other)), x * table["w"].numpy() + 2)


def test_functions_take_tuples_by_position_and_dicts_by_name() -> None:
    def net(p: Any, q: Any, training: bool) -> Any:
        assert not training
        return p * 2 + q * 3

    p, q = numbers(2, 3), numbers(2, 3, seed=1)
    model = wrap(net, framework="tensorflow")
    for given in ((p, q), {"q": q, "p": p}):
        np.testing.assert_allclose(host(model.predict(cast(Any, given))), 2 * p + 3 * q)
