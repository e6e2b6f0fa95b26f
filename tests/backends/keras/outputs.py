"""A net of two outputs, and what is asked of it on each of Keras' backends, without importing another."""

import keras
import numpy as np
from keras import layers

import backlight
from backlight.explaining.targets import as_score
from backlight.scores.class_scores import Class
from backlight.scores.scores import Output, Score
from backlight_methods import Gradient

X = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")


def two_headed(structure: type = list) -> keras.Model:
    keras.utils.set_random_seed(0)
    x = keras.Input((4,))
    logits, boxes = layers.Dense(3, name="logits")(x), layers.Dense(2, name="boxes-0")(x)
    return keras.Model(x, structure([logits, boxes]))


def check(net: keras.Model) -> None:
    """The gradient of a linear head is its column, whichever way the output is named."""
    heads = net.get_layer("logits"), net.get_layer("boxes-0")
    logits, boxes = (head.get_weights()[0] for head in heads)
    wanted: list[tuple[Score, np.ndarray]] = [
        (Output("logits", 2), logits[:, 2]),
        (Output(0, 2), logits[:, 2]),
        (Output("boxes-0", 1), boxes[:, 1]),
        (Output(-1, 1), boxes[:, 1]),
        (Class(1, path="logits"), logits[:, 1]),
        (as_score(first_box), boxes[:, 0]),
    ]
    for target, column in wanted:
        found = Gradient()(net, X, target)
        values = np.asarray(keras.ops.convert_to_numpy(found.values))
        np.testing.assert_allclose(values, np.tile(column, (2, 1)), rtol=1e-6)


def check_weights() -> None:
    """Two nets of the same weights are told alike, one with another weight apart."""
    from tests.study.test_model_digest import told

    one, other = told("keras_model")["keras_model"]
    assert told("keras_model")["keras_model"] == [one, other]
    assert one not in (None, other)
    nets = [two_headed(), two_headed()]
    both = backlight.wrap(lambda x: nets[0](x)[0] + nets[1](x)[0], keras.backend.backend())
    told_of_both = both.weights()
    assert told_of_both is not None
    sizes = [np.prod(tuple(array.shape)) for array in told_of_both.parameters.values()]
    assert sum(sizes) == 2 * nets[0].count_params()


def first_box(outputs: object, arrays: object) -> object:
    """Of a user who takes what the net returns apart by position."""
    _, boxes = outputs  # type: ignore[misc]
    return boxes[:, 0]
