"""The TensorFlow and Keras backend: arrays."""

from typing import Any

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import numpy as np
import pytest
import tensorflow as tf

from backlight.values.arrays import Arrays
from backlight_tensorflow import arrays as namespace


def reference(name: str, *arguments: Any, **named: Any) -> Any:
    return getattr(np, {"permute_dims": "transpose"}.get(name, name))(*arguments, **named)


X = np.random.default_rng(0).normal(size=(3, 4, 2))


CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("abs", (X,), {}),
    ("sqrt", (X**2,), {}),
    ("exp", (X,), {}),
    ("log", (X**2,), {}),
    ("maximum", (X, -X), {}),
    ("where", (X > 0, X, -X), {}),
    ("sum", (X,), {}),
    ("sum", (X,), {"axis": (0, 2), "keepdims": True}),
    ("sum", (X > 0,), {"axis": 1}),
    ("mean", (X,), {"axis": -1}),
    ("mean", (X > 0,), {"axis": 1}),
    ("max", (X,), {"axis": 1, "keepdims": True}),
    ("max", (X > 0,), {"axis": 1}),
    ("min", (X,), {}),
    ("min", (X > 0,), {"axis": 0}),
    ("argmax", (X,), {"axis": 1}),
    ("argmax", (X > 0,), {"axis": 1}),
    ("reshape", (X, (2, -1)), {}),
    ("permute_dims", (X, (2, 0, 1)), {}),
    ("expand_dims", (X,), {"axis": 1}),
    ("broadcast_to", (X, (5, 3, 4, 2)), {}),
    ("take", (X, np.array([1, 1, 0])), {"axis": 2}),
    ("take_along_axis", (X, np.argsort(X, axis=1)), {"axis": 1}),
    ("take_along_axis", (X, np.argsort(X, axis=-1)), {}),
    ("take_along_axis", (X, np.array([[[1], [0], [1], [1]]])), {"axis": 2}),
    ("take_along_axis", (X[:1], np.array([[[1, 0]], [[0, 3]], [[2, 2]]])), {"axis": 1}),
    ("zeros_like", (X,), {}),
    ("isfinite", (np.array([1.0, np.inf, np.nan]),), {}),
    ("isfinite", (np.arange(3),), {}),
    ("all", (X > -9,), {"axis": 1, "keepdims": True}),
    ("all", (X,), {}),
    ("astype", (X, np.float32), {}),
]


def test_every_function_of_the_protocol_is_there_and_tried() -> None:
    promised = {name for name in vars(Arrays) if not name.startswith("_")}
    assert promised <= set(vars(namespace))
    assert promised <= {name for name, _, _ in CALLS} | {"concat", "float32"}
    assert namespace.float32 == np.float32


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call[0]}-{len(call[2])}")
def test_array_functions_are_numpys(
    call: tuple[str, tuple[Any, ...], dict[str, Any]], symbolic: bool
) -> None:
    name, arguments, named = call
    expected = reference(name, *arguments, **named)
    arrays = [tf.constant(each) for each in arguments if isinstance(each, np.ndarray)]

    def run(*tensors: Any) -> Any:
        given = iter(tensors)
        return getattr(namespace, name)(
            *(next(given) if isinstance(each, np.ndarray) else each for each in arguments), **named
        )

    if symbolic:  # with axes of unknown length, but for those that are broadcast
        specs = [
            tf.TensorSpec([None if length > 1 else 1 for length in each.shape], each.dtype)
            for each in arrays
        ]
        run = tf.function(run, input_signature=specs, autograph=False)
    found = run(*arrays)
    assert isinstance(found, tf.Tensor)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_concat_and_scalars() -> None:
    x = tf.constant(X)
    np.testing.assert_array_equal(namespace.concat([x, x], axis=1), np.concatenate([X, X], 1))
    np.testing.assert_array_equal(namespace.where(x > 0, x, 0.0), np.where(X > 0, X, 0.0))
    assert namespace.sqrt(tf.constant([4])).numpy().tolist() == [2.0]
