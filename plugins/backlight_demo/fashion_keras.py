"""The Fashion-MNIST net in Keras 3, on any of its backends."""

import keras

from backlight_demo import fashion


def net(dtype: str = "float32", trained: fashion.Trained = "plain") -> keras.Model:
    """The trained net.

    Args:
        dtype: "float32" or "float64", of parameters and input. The latter is exact on
            TensorFlow; on JAX it needs x64 turned on, and on JAX and torch some layers of Keras
            round to float32 inside.
        trained: on the data set as it is, or with the mark of `backlight_demo.planted`.

    Returns:
        A functional model from pixels (N, 28, 28, 1) between 0 and 1 to logits (N, 10).
    """
    # Zeros, because random initial values would only move the caller's random state.
    common = {"dtype": dtype, "kernel_initializer": "zeros"}
    pixels = keras.Input((28, 28, 1), dtype=dtype, name="pixels")
    x = pixels
    for number, (name, out) in enumerate(fashion.CHANNELS.items(), start=1):
        x = keras.layers.Conv2D(out, 3, padding="same", activation="relu", name=name, **common)(x)
        x = keras.layers.MaxPooling2D(name=f"pool{number}", dtype=dtype)(x)
    x = keras.layers.Flatten(name="flatten", dtype=dtype)(x)
    x = keras.layers.Dense(64, activation="relu", name="dense1", **common)(x)
    logits = keras.layers.Dense(len(fashion.CLASSES), name="dense2", **common)(x)
    model = keras.Model(pixels, logits, name="fashion")

    weights = fashion.channels_last(trained)
    for name in fashion.LAYERS:
        model.get_layer(name).set_weights([weights[f"{name}.kernel"], weights[f"{name}.bias"]])
    return model
