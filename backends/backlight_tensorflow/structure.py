"""What a net is made of, to tell whether the user has edited it between calls."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from backlight_tensorflow.ownership import is_keras

PLAIN = frozenset({int, float, bool, str, type(None), complex, bytes})

KEPT_BY_KERAS = frozenset(
    {
        "built",
        "compiled",
        "loss",
        "steps_per_execution",
        "stop_evaluating",
        "stop_predicting",
        "stop_training",
        "predict_function",
        "test_function",
        "train_function",
        "unrolled_steps_per_execution",
    }
)
"""Attributes that building, compiling and training set, which do not change what is computed."""


class Structure:
    """Equal while a net has the same parts, variables and functions, and equal plain attributes.

    It keeps what it is told by, so that nothing new is taken for what was there before.
    """

    __slots__ = ("_hash", "_kept", "_told")

    def __init__(self, parts: Iterable[object]) -> None:
        told: list[object] = []
        self._kept: list[object] = []
        for part in parts:
            self._kept.append(part)
            told.append(id(part))
            if not isinstance(part, tf.Variable):
                self._read(part, told)
        self._told = tuple(told)
        self._hash = hash(self._told)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Structure) and self._told == other._told

    def __hash__(self) -> int:
        return self._hash

    def _read(self, part: Any, told: list[object]) -> None:
        """Note the attributes of a part; all at once, because other threads may be tracing it."""
        identified = self._kept
        attributes = list(vars(part).items())
        for name, value in attributes:
            if name[0] == "_":
                if name in ("_trainable_variables", "_non_trainable_variables"):
                    identified.extend(value)
                    told.extend(map(id, value))
                elif name == "_dtype_policy":
                    identified.append(value)
                    told.append(id(value))
            elif name in KEPT_BY_KERAS:
                pass
            elif type(value) in PLAIN:
                told += (name, value)
            elif isinstance(value, tuple):
                if all(type(each) in PLAIN for each in value):
                    told += (name, value)
            elif isinstance(value, np.generic):
                told += (name, value.dtype.str, value.tobytes())
            elif callable(value) or isinstance(value, (tf.Variable, np.ndarray)):
                identified.append(value)
                told += (name, id(value))


def structure_of(net: Any) -> Structure | None:
    """The structure of a Keras model, or of the tf.Modules that a net is, or is a method of.

    None where there are none.
    """
    if is_keras(net):
        from backlight_tensorflow.nets.recording import parts

        return Structure(parts(net))
    function = getattr(net, "python_function", None)
    owners = [net, *(getattr(each, "__self__", None) for each in (net, function)), function]
    modules = [owner for owner in owners if isinstance(owner, tf.Module)]
    return Structure(module_parts(modules)) if modules else None


def module_parts(modules: Iterable[tf.Module]) -> list[object]:
    """The modules, layers and variables inside of modules, these included."""
    found: dict[int, object] = {}
    seen: set[int] = set()
    waiting: list[Any] = list(modules)
    while waiting:
        each = waiting.pop()
        if type(each) in PLAIN or id(each) in seen:
            continue
        seen.add(id(each))
        if is_keras(each):
            from backlight_tensorflow.nets.recording import parts

            found.update((id(part), part) for part in parts(each))
        elif isinstance(each, tf.Module):
            found[id(each)] = each
            waiting.extend(list(vars(each).values()))
        elif isinstance(each, tf.Variable):
            found[id(each)] = each
        elif isinstance(each, (list, tuple)):
            waiting.extend(each)
        elif isinstance(each, Mapping):
            waiting.extend(each.values())
    return list(found.values())
