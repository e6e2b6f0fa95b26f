"""Exported programs: graphs of operations that remember the modules they were traced from."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock, local
from typing import Any, final

import torch
from torch import fx, nn

from backlight.inputs import Inputs
from backlight_torch.nets import Net
from backlight_torch.sites import Place, Visitor


@final
class ExportedNet(Net):
    """The module of an exported program.

    Its sites are the results of the modules that it was exported from: they are read off a copy of
    the graph that has a visit after each. Results of a module that has several are numbered in the
    order they are computed, `name[0]`, `name[1]`. One exported for a single batch size has `rows`.
    """

    def __init__(self, module: fx.GraphModule) -> None:
        self.module = module
        shapes = [
            node.meta["val"].shape
            for node in module.graph.nodes
            if node.op == "placeholder" and isinstance(node.meta.get("val"), torch.Tensor)
        ]
        self._shapes = [tuple(shape) for shape in shapes]
        length = shapes[0][0] if shapes and len(shapes[0]) else None
        self.rows = length if isinstance(length, int) else None
        self._visited: tuple[fx.GraphModule, dict[str, Place]] | None = None
        self._building = Lock()

    def roots(self) -> list[nn.Module]:
        return [self.module]

    def places(self) -> Collection[str]:
        return self._with_visits()[1]

    def call(
        self, inputs: Inputs, visitor: Visitor | None = None, only: Collection[str] | None = None
    ) -> object:
        positional, keyword = inputs.arguments()
        if visitor is None and _running.follower is None:
            return self.module(*positional, **keyword)
        module, places = self._with_visits()
        with during(visits=(visitor or unchanged, places, only)):
            return module(*positional, **keyword)

    def wants(self) -> str:
        return f"It was exported for shapes {', '.join(map(str, self._shapes))}."

    def _with_visits(self) -> tuple[fx.GraphModule, dict[str, Place]]:
        with self._building:
            if self._visited is None:
                self._visited = with_visits(self.module)
            return self._visited


def is_exported(module: fx.GraphModule) -> bool:
    """Whether the graph is one of operations; a graph that calls modules has them for sites."""
    return any(
        node.op == "call_function" and "nn_module_stack" in node.meta for node in module.graph.nodes
    )


def with_visits(module: fx.GraphModule) -> tuple[fx.GraphModule, dict[str, Place]]:
    """A module on the same weights that visits each result of the modules it was exported from."""
    graph = fx.Graph()
    result = graph.graph_copy(module.graph, {})
    graph.output(result)
    graph.set_codegen(module.graph._codegen)
    found = [(node, key, path, kind) for node in graph.nodes for key, path, kind in ends(node)]
    several = Counter((path, key) for _, key, path, _ in found)
    inner = {path.rpartition(".")[0] for _, _, path, _ in found}
    numbers: Counter[tuple[str, str]] = Counter()
    places: dict[str, Place] = {}
    latest: dict[fx.Node, fx.Node] = {}
    for node, key, path, kind in found:
        name = path if several[path, key] == 1 else f"{path}[{numbers[path, key]}]"
        numbers[path, key] += 1
        places[name] = Place(name, kind.rsplit(".", 1)[-1], path not in inner)
        # The result of an inner module may be that of the outer one: visited once for each.
        current = latest.get(node, node)
        outside = [user for user in current.users if key not in calls(user)]
        with graph.inserting_after(current):
            latest[node] = graph.call_function(visit, (current, name))
        latest[node].meta["nn_module_stack"] = {}
        for user in outside:
            user.replace_input_with(current, latest[node])
    for node in list(graph.nodes):
        if calls(node):
            path = list(calls(node).values())[-1][0]
            with graph.inserting_before(node):
                graph.call_function(arrive, (path,)).meta["nn_module_stack"] = {}
    return fx.GraphModule(module, graph), places


def ends(node: fx.Node) -> Iterator[tuple[str, str, str]]:
    """The calls of modules whose result this is, innermost first: key, path and class of each."""
    if node.op == "call_function":
        for key, (path, kind) in reversed(calls(node).items()):
            if path and any(key not in calls(user) for user in node.users):
                yield key, path, kind if isinstance(kind, str) else kind.__name__


def calls(node: fx.Node) -> dict[str, tuple[str, Any]]:
    """The calls of modules that an operation belongs to, outermost first."""
    return node.meta.get("nn_module_stack") or {}


@final
class Running(local):
    """Of each thread: who visits the values of the program that it runs, and who wants to know which
    module is running."""

    visits: tuple[Visitor, dict[str, Place], Collection[str] | None]
    follower: Callable[[str], None] | None = None


_running = Running()


def visit(value: object, name: str) -> object:
    visitor, places, only = _running.visits
    return visitor(places[name], value) if only is None or name in only else value


def arrive(path: str) -> None:
    """The operation that follows belongs to the module of this path."""
    if _running.follower is not None:
        _running.follower(path)


def unchanged(place: Place, value: object) -> object:
    return value


def following(follow: Callable[[str], None]) -> AbstractContextManager[None]:
    return during(follower=follow)


@contextmanager
def during(**state: object) -> Iterator[None]:
    """Some of what runs is this, in this thread."""
    before = dict(vars(_running))
    vars(_running).update(state)
    try:
        yield
    finally:
        vars(_running).clear()
        vars(_running).update(before)
