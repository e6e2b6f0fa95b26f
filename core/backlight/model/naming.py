"""Names of what is computed several times, and of outputs that a net hands back by position."""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from operator import itemgetter
from typing import Any, final


@final
class Uses:
    """Tells the uses of a name apart: `name`, `name:2`, `name:3`."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def __call__(self, name: str) -> str:
        self._counts[name] += 1
        use = self._counts[name]
        return name if use == 1 else f"{name}:{use}"


def named(parts: Sequence[object], names: Sequence[str]) -> tuple[object, ...]:
    """A named tuple of these parts, whatever characters the names have. One that occurs several times
    counts: `state[0]`, `state[1]`."""
    seen: Counter[str] = Counter()
    often, fields = Counter(names), []
    for name in names:
        fields.append(f"{name}[{seen[name]}]" if often[name] > 1 else name)
        seen[name] += 1
    found: tuple[object, ...] = fields_of(tuple(fields))(*parts)
    return found


def named_by_keras(net: Any, outputs: object) -> object:
    """The outputs of a Keras model, on whichever backend, by name where it is a functional one that
    returns a list of arrays: each goes by the layer that it comes from."""
    names = getattr(net, "output_names", ())
    listed = isinstance(outputs, (list, tuple)) and not hasattr(outputs, "_fields")
    if not listed or len(outputs) != len(names):  # type: ignore[arg-type]
        return outputs
    arrays = all(hasattr(part, "shape") for part in outputs)  # type: ignore[attr-defined]
    return named(outputs, names) if arrays else outputs  # type: ignore[arg-type]


@cache
def fields_of(names: tuple[str, ...]) -> Any:
    """The named tuple of these fields, one class however often it is asked for: what frameworks know
    of structures they know by class."""

    def new(cls: Any, *parts: object) -> Any:
        return tuple.__new__(cls, parts)

    def represented(self: tuple[object, ...]) -> str:
        return f"Outputs({', '.join(f'{k}={v!r}' for k, v in zip(names, self, strict=True))})"

    members = {
        **{name: property(itemgetter(at)) for at, name in enumerate(names)},
        "__slots__": (),
        "__new__": new,
        "__repr__": represented,
        "_fields": names,
        "_make": classmethod(lambda cls, parts: cls(*parts)),
        "_asdict": lambda self: dict(zip(names, self, strict=True)),
    }
    return type("Outputs", (tuple,), members)
