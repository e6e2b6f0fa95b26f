"""Exported programs: graphs of operations that remember the modules they were traced from."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import cached_property
from typing import Any, TypeVar, final

import torch
from torch import fx

from backlight.model.naming import Uses
from backlight.values.inputs import Inputs
from backlight_torch.nets.styles import ModuleNet
from backlight_torch.sites import Visitor

T = TypeVar("T")


@final
class ExportedNet(ModuleNet):
    """The module of an exported program.

    Its sites are the results of the modules that it was exported from: they are read off a copy of
    the graph that has a visit after each. Results of a module that has several are numbered in the
    order they are computed, `name[0]`, `name[1]`. One exported for a single batch size has `rows`.
    """

    module: fx.GraphModule

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        held = (node.meta.get("val") for node in module.graph.nodes if node.op == "placeholder")
        self._shapes = [tuple(one.shape) for one in held if isinstance(one, torch.Tensor)]
        length = self._shapes[0][0] if self._shapes and self._shapes[0] else None
        self.rows = length if isinstance(length, int) else None

    def places(self) -> Collection[str]:
        return self._with_visits[1]

    def call(self, inputs: Inputs) -> object:
        positional, keyword = inputs.arguments()
        alone = _visitor.get() is None and _arrived.get() is None
        module = self.module if alone else self._with_visits[0]
        return module(*positional, **keyword)

    def visited(self, visitor: Visitor) -> AbstractContextManager[None]:
        return followed(_visitor, visitor)

    @contextmanager
    def named(self) -> Iterator[Callable[[], str]]:
        running = [""]
        with followed(_arrived, lambda path: running.__setitem__(0, path)):
            yield lambda: running[0]

    def wants(self) -> str:
        return f"It was exported for shapes {', '.join(map(str, self._shapes))}."

    @cached_property
    def _with_visits(self) -> tuple[fx.GraphModule, set[str]]:
        return with_visits(self.module)


def is_exported(module: fx.GraphModule) -> bool:
    """Whether the graph is one of operations; a graph that calls modules has them for sites."""
    return any(
        node.op == "call_function" and "nn_module_stack" in node.meta for node in module.graph.nodes
    )


def with_visits(module: fx.GraphModule) -> tuple[fx.GraphModule, set[str]]:
    """A module on the same weights that visits each result of the modules it was exported from, and the
    names of these results."""
    graph = fx.Graph()
    result = graph.graph_copy(module.graph, {})
    graph.output(result)
    graph.set_codegen(module.graph._codegen)
    found = [(node, key, path, kind) for node in graph.nodes for key, path, kind in ends(node)]
    several = Counter((path, key) for _, key, path, _ in found)
    numbers: Counter[tuple[str, str]] = Counter()
    names, uses = set(), Uses()
    latest: dict[fx.Node, fx.Node] = {}
    for node, key, path, kind in found:
        name = path if several[path, key] == 1 else f"{path}[{numbers[path, key]}]"
        numbers[path, key] += 1
        names.add(name)
        # The result of an inner module may be that of the outer one: visited once for each.
        current = latest.get(node, node)
        outside = [user for user in current.users if key not in calls(user)]
        with graph.inserting_after(current):
            given = current, name, uses(name), kind.rsplit(".", 1)[-1]
            latest[node] = graph.call_function(visit, given)
        latest[node].meta["nn_module_stack"] = {}
        for user in outside:
            user.replace_input_with(current, latest[node])
    for node in list(graph.nodes):
        if calls(node):
            path = list(calls(node).values())[-1][0]
            with graph.inserting_before(node):
                graph.call_function(arrive, (path,)).meta["nn_module_stack"] = {}
    return fx.GraphModule(module, graph), names


def ends(node: fx.Node) -> Iterator[tuple[str, str, str]]:
    """The calls of modules whose result this is, innermost first: key, path and class of each."""
    if node.op == "call_function":
        for key, (path, kind) in reversed(calls(node).items()):
            if path and any(key not in calls(user) for user in node.users):
                yield key, path, kind if isinstance(kind, str) else kind.__name__


def calls(node: fx.Node) -> dict[str, tuple[str, Any]]:
    """The calls of modules that an operation belongs to, outermost first."""
    return node.meta.get("nn_module_stack") or {}


_visitor: ContextVar[Visitor | None] = ContextVar("visitor", default=None)
_arrived: ContextVar[Callable[[str], None] | None] = ContextVar("arrived", default=None)
"""Of each thread: who sees the values of the program that it runs, and who is told the paths of the
modules that it arrives in."""


@contextmanager
def followed(by: ContextVar[T], one: T) -> Iterator[None]:
    before = by.set(one)
    try:
        yield
    finally:
        by.reset(before)


def visit(value: object, place: str, name: str, kind: str) -> object:
    visitor = _visitor.get()
    if visitor is None or (visitor.places is not None and place not in visitor.places):
        return value
    return visitor(name, kind, value)


def arrive(path: str) -> None:
    """The operation that follows belongs to the module of this path."""
    arrived = _arrived.get()
    if arrived is not None:
        arrived(path)
