"""The modules that a plain function calls: its sites, and what must be in evaluation mode."""

import functools
from collections.abc import Iterator
from types import FunctionType

from torch import nn

from backlight.memory.code_names import names_in


def modules_of(function: object) -> dict[str, nn.Module]:
    """The modules a function holds by the names it has for them.

    Looks at the module a method belongs to, at closures, default and partial arguments, globals
    that the function's code names, and the attributes of a callable object. Not deeper: functions
    called by this one are not searched.
    """
    found: dict[str, nn.Module] = {}
    for name, value in held(function):
        if isinstance(value, nn.Module) and not any(value is known for known in found.values()):
            found.setdefault(name, value)
    return found


def held(function: object) -> Iterator[tuple[str, object]]:
    if isinstance(function, functools.partial):
        yield from held(function.func)
        yield from ((str(number), value) for number, value in enumerate(function.args))
        yield from function.keywords.items()
    elif isinstance(function, nn.Module):
        yield "module", function
    else:
        owner = getattr(function, "__self__", None)
        if owner is not None:
            yield "self", owner
            yield from getattr(owner, "__dict__", {}).items()
        code_owner = getattr(function, "__func__", function)
        if isinstance(code_owner, FunctionType):
            yield from variables(code_owner)
        else:
            yield from getattr(function, "__dict__", {}).items()


def variables(function: FunctionType) -> Iterator[tuple[str, object]]:
    wrapped = getattr(function, "__wrapped__", None)  # decorators that use functools.wraps
    if isinstance(wrapped, FunctionType):
        yield from variables(wrapped)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # a variable that is not assigned yet
            continue
    yield from (function.__kwdefaults__ or {}).items()
    yield from ((f"default{n}", value) for n, value in enumerate(function.__defaults__ or ()))
    looked_up = names_in(function.__code__).globals
    for name in sorted(looked_up & function.__globals__.keys()):
        yield name, function.__globals__[name]
