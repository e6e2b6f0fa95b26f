"""What classes and code can reach by name, and which of them are installed rather than written here."""

import sys
from dataclasses import dataclass
from dis import get_instructions
from functools import lru_cache
from types import CodeType
from typing import Any, final

NOT_CALLED = frozenset(
    {
        "__init__",
        "__new__",
        "__repr__",
        "__str__",
        "__doc__",
        "__module__",
        "__dict__",
        "__weakref__",
    }
    | {"__annotations__", "__qualname__", "__init_subclass__", "__dataclass_fields__", "__slots__"}
    | {"__dataclass_params__", "__match_args__", "__parameters__", "__orig_bases__", "__hash__"}
    | {"__abstractmethods__", "_abc_impl", "__static_attributes__", "__firstlineno__"}
)
"""What a class holds that does not run when a net is called."""
FROM_GLOBALS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
"""Instructions that look a name up among globals."""
BY_TEXT = frozenset({"globals", "eval", "exec", "vars"})
"""Functions that look up names which are said as texts."""


@lru_cache(4096)
def slots_of(kind: Any) -> tuple[str, ...]:
    """The names of a class's slots."""
    found: list[str] = []
    for base in kind.__mro__:
        slots = vars(base).get("__slots__", ())
        found += [slots] if isinstance(slots, str) else slots
    return tuple(name for name in found if name not in ("__dict__", "__weakref__"))


def called_by_others(kind: type) -> set[str]:
    """The names in a class of what installed classes, from which it is derived, may call."""
    others = [base for base in kind.__mro__ if base is not object and is_installed(base.__module__)]
    held = vars(kind)
    special = {name for name in held if name[:2] == "__"}
    return special.union(*(held.keys() & vars(base).keys() for base in others)) - NOT_CALLED


@lru_cache(4096)
def is_installed(module: str, file: str | None = None) -> bool:
    """Whether a module is installed rather than written here: its globals are no weights."""
    if module.partition(".")[0] in sys.stdlib_module_names and module != "__main__":
        return True
    file = file or getattr(sys.modules.get(module), "__file__", None) or ""
    return not {"site-packages", "dist-packages"}.isdisjoint(file.replace("\\", "/").split("/"))


@final
@dataclass(frozen=True)
class Names:
    """The names in code, inner functions included.

    Attributes:
        code: it is kept, so that no other gets its id.
        all: what it may look up, among globals or as attributes.
        globals: what it looks up among globals.
    """

    code: CodeType
    all: frozenset[str]
    globals: frozenset[str]


_names: dict[int, Names] = {}


def names_in(code: CodeType) -> Names:
    """The names that code may look up."""
    known = _names.get(id(code))
    if known is None:
        if len(_names) > 4096:
            _names.clear()
        found = set(code.co_names)
        globals_ = {one.argval for one in get_instructions(code) if one.opname in FROM_GLOBALS}
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                inner = names_in(constant)
                found |= inner.all
                globals_ |= inner.globals
            elif isinstance(constant, str) and constant.isidentifier():
                found.add(constant)  # of `getattr`, perhaps
        globals_ |= found if globals_ & BY_TEXT else set()
        known = _names[id(code)] = Names(code, frozenset(found), frozenset(globals_))
    return known
