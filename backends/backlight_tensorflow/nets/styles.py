"""A network of any style as one kind of thing: how it is called and what is known about it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import tensorflow as tf

from backlight.errors import BacklightError, ModelError, TargetError, message_of
from backlight.memory.keras_layers import is_keras
from backlight.model.naming import named
from backlight.scores.scores import ONE_EACH, Score
from backlight.values.arrays import Channels
from backlight_tensorflow.capture.paths import SCORE
from backlight_tensorflow.nets.calls import Request, plain_call, signature_call

if TYPE_CHECKING:
    from backlight_tensorflow.nets.recording import Recorder


Call: TypeAlias = Callable[[Any, Any, Any], object]
"""From attributed, positional and keyword arguments to outputs."""


@dataclass(frozen=True)
class Network:
    """What a model needs to know about the user's object.

    Attributes:
        net: the object, which keeps a SavedModel's variables alive.
        call: runs it in inference mode.
        recorder: watches its layers, if it has any.
        channels: where it has the channels of images.
        signals: as of `Model`.
        dtype: what floating-point numbers from NumPy become; None: they stay as they are.
        wanted: the inputs it was made for, where it says so.
        others: whether Python code of others than Keras runs in it, or may have when it was saved.
    """

    net: Any
    call: Call
    recorder: "Recorder | None"
    channels: Channels
    dtype: tf.DType | None
    wanted: str | None
    signals: bool = False
    others: bool = True

    @contextmanager
    def explained(self, request: Request, score: Score | None = None) -> Iterator[None]:
        """Errors from inside come out as ModelError, with what the network was called with; those of
        the score's own operations as TargetError."""
        try:
            yield
        except BacklightError:
            raise
        except Exception as error:
            wants = f"; it wants {self.wanted}" if self.wanted else ""
            if score is not None and SCORE in str(error):
                raise TargetError(
                    f"{score!r} raised {type(error).__name__} when the network was called with shapes "
                    f"{request.described()}. {ONE_EACH} It said: {message_of(error)}"
                ) from error
            raise ModelError(
                f"The model raised {type(error).__name__} when called with shapes "
                f"{request.described()}{wants}: {message_of(error)}"
            ) from error


def network(net: Any) -> Network:
    if is_keras(net):
        from backlight_tensorflow.nets import keras_models
        from backlight_tensorflow.nets.recording import Recorder

        return Network(
            net,
            keras_models.keras_call(net),
            Recorder(net),
            keras_models.channels_of(net),
            keras_models.dtype_of(net),
            keras_models.wanted_inputs(net),
            keras_models.takes_signals(net),
            keras_models.runs_code_of_others(net),
        )
    return Network(net, callable_of(net), None, "last", floating_dtype(net), None)


def callable_of(net: Any) -> Call:
    """A SavedModel is called as a function, at its `serve` endpoint, or by its default signature."""
    if callable(net):
        return plain_call(net)
    if hasattr(net, "serve"):
        return plain_call(as_signed(net.serve, net.signatures))
    signatures = net.signatures
    if "serving_default" in signatures:
        return signature_call(signatures["serving_default"])
    raise ModelError(
        "The SavedModel can neither be called, nor has it an endpoint `serve` or a signature "
        f"`serving_default`. It has: {', '.join(signatures) or 'no signatures'}. "
        "Wrap the one to explain: backlight.wrap(loaded.signatures['name'])."
    )


def as_signed(serve: Callable[..., object], signatures: Any) -> Callable[..., object]:
    """The endpoint of a SavedModel, a list of whose outputs goes by the names of the signature."""
    signed = signatures.get("serving_default")
    names = [] if signed is None else [f"output_{at}" for at in range(len(signed.outputs))]
    if signed is None or set(names) != set(signed.structured_outputs):
        return serve

    @wraps(serve)
    def call(*positional: Any, **keyword: Any) -> object:
        found = serve(*positional, **keyword)
        listed = isinstance(found, (list, tuple)) and len(found) == len(names)
        return named(found, names) if listed else found  # type: ignore[arg-type]

    return call


def floating_dtype(net: Any) -> tf.DType:
    """The dtype of the first floating-point input that is declared, or variable; else float32."""
    function = getattr(net, "python_function", None)
    owners = [net, *(getattr(each, "__self__", None) for each in (net, function)), function]
    declared = [
        tf.nest.flatten(getattr(each, "structured_input_signature", None))
        for each in (net, *getattr(getattr(net, "serve", net), "concrete_functions", ()))
    ]
    try:
        variables = [list(getattr(each, "variables", ())) for each in owners]
    except AssertionError as error:
        raise ModelError(
            f"A signature of a SavedModel whose loaded object is gone: {error} "
            "Keep the object that tf.saved_model.load returned, or wrap that."
        ) from error
    for each in chain.from_iterable((*declared, *variables)):
        dtype = getattr(each, "dtype", None)
        if dtype is not None and tf.as_dtype(dtype).is_floating:
            return tf.as_dtype(dtype)
    return tf.float32
