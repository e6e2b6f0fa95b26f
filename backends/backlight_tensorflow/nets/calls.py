"""How a network is called: what belongs together in one trace, and which arguments it gets."""

import inspect
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from backlight.values.arrays import shape_of
from backlight.values.inputs import Inputs, PerExample, Shared
from backlight.values.tree import leaves, names, rebuild
from backlight_tensorflow.capture.flattening import Tensor


@dataclass(frozen=True)
class Argument:
    """A tensor argument of the trace: its place among the tensors, its dtype and shape.

    Attributes:
        rows: whether it has one row per example, any number of them.
    """

    place: int
    dtype: tf.DType
    shape: tuple[int, ...]
    rows: bool

    def spec(self, count: int | None) -> tf.TensorSpec:
        shape = (count, *self.shape[1:]) if self.rows else self.shape
        return tf.TensorSpec(shape, self.dtype)


class Request:
    """Inputs taken apart into tensors, which vary, and the rest, which is traced in.

    Attributes:
        tensors: the attributed tensors first, then those among the extra arguments.
        arguments: one per tensor.
        count: the number of examples.
        key: equal for inputs that can share a trace.
    """

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self.count = inputs.count
        self.tensors: list[Tensor] = []
        self.arguments: list[Argument] = []
        self._traced_in: list[Hashable] = []
        attributed = inputs.attributed
        self.attributed = rebuild(attributed, [self._tensor(x, True) for x in leaves(attributed)])
        self.width = len(self.tensors)
        self.positional = tuple(self._extra(value) for value in inputs.positional)
        self.keyword = {name: self._extra(value) for name, value in inputs.keyword.items()}
        self.key: Hashable = (
            type(attributed) if isinstance(attributed, (dict, tuple)) else None,
            tuple(names(attributed)),
            tuple(
                (argument.dtype, argument.rows, argument.shape[1 if argument.rows else 0 :])
                for argument in self.arguments
            ),
            len(self.positional),
            tuple(self.keyword),
            tuple(self._traced_in),
        )

    def specs(self, count: int | None) -> list[tf.TensorSpec]:
        return [argument.spec(count) for argument in self.arguments]

    def filled(self, tensors: tuple[Tensor, ...]) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
        """Attributed, positional and keyword arguments with these tensors in their places."""

        def fill(part: Any) -> Any:
            return tf.nest.map_structure(
                lambda leaf: tensors[leaf.place] if isinstance(leaf, Argument) else leaf, part
            )

        return fill(self.attributed), fill(self.positional), fill(self.keyword)

    def described(self) -> str:
        """Shapes and dtypes of the attributed arrays, for messages."""
        attributed = self.inputs.attributed
        parts = [
            f"{shape_of(leaf)} {leaf.dtype.name}"  # type: ignore[attr-defined]
            for leaf in leaves(attributed)
        ]
        if isinstance(attributed, dict):
            parts = [f"{name}: {part}" for name, part in zip(attributed, parts, strict=True)]
        return ", ".join(parts)

    def _tensor(self, array: object, rows: bool) -> Any:
        tensor = tf.convert_to_tensor(array)
        argument = Argument(len(self.tensors), tensor.dtype, shape_of(tensor), rows)
        self.tensors.append(tensor)
        self.arguments.append(argument)
        return argument

    def _extra(self, value: object) -> Any:
        if isinstance(value, PerExample):
            return self._tensor(value.value, True)
        value = value.value if isinstance(value, Shared) else value
        if isinstance(value, (tuple, list, Mapping)):
            self._traced_in.append(repr(tf.nest.map_structure(lambda _: 0, value)))
        return tf.nest.map_structure(self._leaf, value)

    def _leaf(self, value: object) -> Any:
        if isinstance(value, (tf.Tensor, tf.Variable)):
            return self._tensor(value, False)
        # An object that does not hash is told by its identity; the trace that it is part of keeps it.
        hashes = isinstance(value, Hashable) and type(value).__hash__ is not None
        self._traced_in.append((type(value), value if hashes else id(value)))
        return value


def takes(function: object, name: str) -> bool:
    """Whether a callable has a parameter of this name."""
    try:
        return name in inspect.signature(function).parameters  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def plain_call(net: Callable[..., object]) -> Callable[[Any, Any, Any], object]:
    """Call a function of tensors: a tuple goes by position, a dict by keyword."""
    switch = {"training": False} if takes(net, "training") else {}

    def call(attributed: Any, positional: Any, keyword: Any) -> object:
        if isinstance(attributed, dict):
            return net(*positional, **{**switch, **attributed, **keyword})
        given = attributed if isinstance(attributed, tuple) else (attributed,)
        return net(*given, *positional, **{**switch, **keyword})

    return call


def signature_call(signature: Any) -> Callable[[Any, Any, Any], object]:
    """Call a SavedModel's signature, which takes keywords only: a tuple goes in their order."""
    wanted = list(signature.structured_input_signature[1])

    def call(attributed: Any, positional: Any, keyword: Any) -> object:
        if isinstance(attributed, dict):
            return signature(**attributed, **keyword)
        given = (*(attributed if isinstance(attributed, tuple) else (attributed,)), *positional)
        if len(given) > len(wanted):
            raise TypeError(f"The signature takes {', '.join(wanted)}; got {len(given)} arrays.")
        return signature(**dict(zip(wanted, given, strict=False)), **keyword)

    return call
