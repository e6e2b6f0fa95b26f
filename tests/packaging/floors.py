"""How many floors a package has: the longest chain of its modules of which each imports the next."""

import ast
from collections.abc import Iterator
from pathlib import Path

DOOR = "plugin"
"""Imports the rest of a backend only when a net is its own: no floor."""


def modules_of(package: Path) -> dict[str, Path]:
    """By name; a folder's `__init__.py` by the folder's."""
    found = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imports(node: ast.AST) -> Iterator[str]:
    """The dotted names that code imports when it runs, inside of functions too: those of types alone are
    left out."""
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.If) and ast.unparse(inner.test) == "TYPE_CHECKING":
            continue
        if isinstance(inner, ast.Import):
            yield from (one.name for one in inner.names)
        elif isinstance(inner, ast.ImportFrom):
            assert inner.level == 0, "imports are absolute"
            yield from (f"{inner.module}.{one.name}" for one in inner.names)
        yield from imports(inner)


def floors(package: Path) -> dict[str, int]:
    """The floor of each module: 1 where it imports none of the package."""
    modules = modules_of(package)
    modules.pop(f"{package.name}.{DOOR}", None)
    below = {}
    for name, path in modules.items():
        said = set(imports(ast.parse(path.read_text(encoding="utf-8"))))
        # `package.module.name` is a module's name, or a module.
        found = {one if one in modules else one.rpartition(".")[0] for one in said}
        below[name] = found.intersection(modules) - {name}
    known: dict[str, int] = {}

    def floor(name: str, above: tuple[str, ...]) -> int:
        assert name not in above, f"a circle of imports: {' -> '.join((*above, name))}"
        if name not in known:
            known[name] = 1 + max((floor(one, (*above, name)) for one in below[name]), default=0)
        return known[name]

    return {name: floor(name, ()) for name in modules}
