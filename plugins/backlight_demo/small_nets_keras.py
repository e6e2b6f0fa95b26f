"""The nets of texts, tables and series in Keras."""

from typing import Any

import keras

from backlight_demo.small_nets import CONVOLUTIONS, DENSE, Demonstrated, layers, weights


def net(kind: Demonstrated) -> Any:
    """The trained net: ids (N, L), rows (N, columns) or series (N, L, 1) in, logits out; see
    `small_nets`."""
    found = weights(kind)
    made: list[Any] = []
    if "embedding" in found:
        made += [keras.Input((None,), dtype="int32")]
        made += [keras.layers.Embedding(*found["embedding"].shape, name="embedding")]
    for name in layers(found, CONVOLUTIONS):
        length, width, out = found[f"{name}.kernel"].shape
        made += [] if made else [keras.Input((None, width))]
        made += [keras.layers.Conv1D(out, length, padding="same", activation="relu", name=name)]
    if made:
        made += [keras.layers.GlobalMaxPooling1D()]
    *before, last = layers(found, DENSE)
    for name in (*before, last):
        width, out = found[f"{name}.kernel"].shape
        made += [] if made else [keras.Input((width,))]
        activation = None if name == last else "relu"
        made += [keras.layers.Dense(out, activation=activation, name=name)]
    model = keras.Sequential(made)
    for layer in model.layers:
        if layer.name == "embedding":
            layer.set_weights([found["embedding"]])
        elif layer.weights:
            layer.set_weights([found[f"{layer.name}.kernel"], found[f"{layer.name}.bias"]])
    return model
