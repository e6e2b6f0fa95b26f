"""What depends on the explained value in one run, and what derivatives lead back to it.

Two things are followed: which numbers each array was computed from, as a mode below autograd sees it,
and which of these autograd's graph leads back to. A way is cut at the operation that the numbers came
through and the graph did not.
"""

from collections.abc import Callable, Iterable
from typing import Any, final

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from backlight.model import Cut
from backlight_torch import kernels
from backlight_torch.dependence import NONE, Leaves, Made, Reading, Stop, merged, softened, united
from backlight_torch.recognised import cut_at
from backlight_torch.records import Node

COMPARING = kernels.named(
    "eq ne lt le gt ge isnan isinf isposinf isneginf isfinite logical_not logical_and logical_or "
    "logical_xor bitwise_not bitwise_and bitwise_or bitwise_xor any all nonzero argmax argmin argsort "
    "max min aminmax topk sort kthvalue median nanmedian mode cummax cummin count_nonzero "
    "max_pool2d_with_indices max_pool3d_with_indices adaptive_max_pool2d adaptive_max_pool3d"
)
"""Operations whose integers and truth values are comparisons, and what is found by them."""

MAXIMA = kernels.named("max min amax amin aminmax")

SHAPED = kernels.named(
    "empty_like zeros_like ones_like full_like rand_like randn_like randint_like new_empty "
    "new_empty_strided new_zeros new_ones new_full"
)
"""Operations that take no more than its shape from an array."""

STEPS = kernels.named("round floor ceil trunc sign sgn heaviside floor_divide bernoulli")
"""Operations whose derivative is 0 wherever there is one."""

FLAT = kernels.named(
    "RoundBackward FloorBackward CeilBackward TruncBackward SignBackward BernoulliBackward"
)
"""Their nodes in autograd's graph, without the number behind."""


@final
class Tracer(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows what depends on the starts. It changes nothing of what is computed."""

    def __init__(self, place: Callable[[], str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.taken: dict[Stop, Leaves] = {}
        """Where numbers left PyTorch for Python."""
        self.functions: dict[Node, Stop] = {}
        """Nodes with a backward of their own, which may give nothing."""
        self.placed: dict[int, str] = {}
        """By number: the first module that uses what an operation outside of all made."""
        self._place = place
        self._count = 0
        self._leaves: dict[int, tuple[torch.Tensor, Leaves]] = {}
        self._dead: set[tuple[Node, int]] = set()
        self._reached: dict[Node, Leaves] = {}
        self._at_nodes: dict[Node, dict[Stop, Leaves]] = {}
        self._made: dict[int, tuple[torch.Tensor, Made]] = {}
        """By id. The arrays are kept, so that no others get their ids and their memory."""
        self._stored: dict[int, tuple[list[int], Made]] = {}
        """By memory: the ids of the arrays there, and what was made last."""

    def start(self, leaf: torch.Tensor, copy: torch.Tensor | None = None) -> None:
        """From now on, what depends on this leaf, or on a copy of it, is followed."""
        own = frozenset({len(self._leaves)})
        self._leaves[id(leaf)] = (leaf, own)
        if leaf.requires_grad:
            self._reached[torch.autograd.graph.get_gradient_edge(leaf).node] = own
        if copy is not None:
            passing = own if leaf.requires_grad else NONE
            self._note(copy, Made(own, passing, {}, self._stop("detach")))

    def without(self, dead: set[tuple[Node, int]]) -> None:
        """Forget these edges of autograd's graph: nodes and which of their gradients."""
        self._reached = {
            node: own for node, own in self._reached.items() if not node.next_functions
        }
        self._dead = dead

    def reached(self, node: Node) -> Leaves:
        """The leaves that derivatives can go to from a node."""
        waiting = [] if node is None else [node]
        while waiting:
            top = waiting[-1]
            if top not in self._reached:
                below = [
                    child
                    for number, (child, _) in enumerate(top.next_functions)
                    if child is not None and (top, number) not in self._dead
                ]
                below = [] if is_flat(top) else below
                unknown = [child for child in below if child not in self._reached]
                if unknown:
                    waiting += unknown
                    continue
                self._reached[top] = NONE.union(*(self._reached[child] for child in below))
            waiting.pop()
        return NONE if node is None else self._reached[node]

    def read(self, array: torch.Tensor) -> Reading:
        """What is known of an array now that something uses it: by now autograd has seen it."""
        node = array.grad_fn
        _, own = self._leaves.get(id(array), (array, NONE))
        reached = self.reached(node) | (own if array.requires_grad else NONE)
        _, made = self._made.get(id(array), (array, None))
        maker = None if made is None else made.maker
        if made is None:
            _, made = self._stored.get(memory(array), ([], None))
            if made is None:
                return Reading(reached, reached)
            # An array that autograd was not asked for: `.data`, unless it was written into.
            maker = made.maker if made.written else self._stop("detach")
        stops = dict(made.stops)
        if node is not None and is_native_function(node):
            self.functions.setdefault(node, made.maker)
        if node is not None and is_function(node):
            cut = Cut(made.maker.cut.name, node.name().removesuffix("Backward"))
            self.functions.setdefault(node, Stop(cut, made.maker.number))
            stops = united(self._at_nodes.get(child, {}) for child, _ in node.next_functions)
        elif made.passing - reached:
            assert maker is not None
            stops[maker] = stops.get(maker, NONE) | (made.passing - reached)
        if node is not None:
            self._at_nodes[node] = stops
        return Reading(made.depends | reached, reached, stops, made.highest)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        given = [one for one in pytree.tree_leaves((args, kwargs)) if is_tensor(one)]
        readings = [self.read(one) for one in given]
        result = func(*args, **kwargs)
        depends = NONE.union(*(one.depends for one in readings))
        name = func.overloadpacket.__name__
        if not depends or name in SHAPED:
            return result
        mutable = func._schema.is_mutable
        name = name[:-1] if mutable and name.endswith("_") else name
        if func.namespace == "aten" and name in ("sub", "rsub", "add"):
            readings = [softened(one) if one.highest else one for one in readings]
        passing = NONE.union(*(one.reached for one in readings))
        stops = united(one.stops for one in readings)
        place = self._place()
        for stop in stops if place else ():
            self.placed.setdefault(stop.number, place)
        results = [one for one in pytree.tree_leaves(result) if is_tensor(one)]
        if not results:
            stop = self._stop("item" if name == "_local_scalar_dense" else name, comparing=True)
            self.taken[stop] = depends
            self.taken.update({one: stops[one] | self.taken.get(one, NONE) for one in stops})
        label = name if func.namespace == "aten" else f"{func.namespace}.{name}"
        moved = name in kernels.MOVES and all(one.highest for one in readings if one.depends)
        if func is torch.ops.aten.clone.default and was_lazy(given[0]):
            # A lazy conjugate or negative is written out below autograd, which never sees it.
            passing = NONE
        for one in results:
            made = Made(
                depends, passing, stops, self._maker(label, one), moved or name in MAXIMA, mutable
            )
            self._note(one, made)
        return result

    def _note(self, array: torch.Tensor, made: Made) -> None:
        place = memory(array)
        ids, _ = self._stored.get(place, ([], None))
        if made.written:
            for other in ids:
                tensor, before = self._made[other]
                self._made[other] = (tensor, merged(before, made))
        if id(array) not in ids:
            ids = [*ids, id(array)]
        self._made[id(array)] = (array, made)
        self._stored[place] = (ids, made)

    def _maker(self, label: str, result: torch.Tensor) -> Stop:
        if not (result.is_floating_point() or result.is_complex()):
            cut = cut_at(label, result)
            return self._stop(cut, label in COMPARING or result.dtype == torch.bool)
        if label not in STEPS | {"detach"} and not torch.is_grad_enabled():
            return self._stop("torch.no_grad")
        return self._stop(label)

    def _stop(self, what: str, comparing: bool = False) -> Stop:
        self._count += 1
        return Stop(Cut(self._place(), what), self._count, comparing)


def is_flat(node: Node) -> bool:
    """Whether its derivative is 0 throughout."""
    name = node.name().rstrip("0123456789")
    return name in FLAT or (name == "DivBackward" and bool(rounding(node)))


def rounding(node: Node) -> object:
    return getattr(node, "_saved_rounding_mode", None)


def is_function(node: Node) -> bool:
    """Whether it has a backward of its own, in Python."""
    return isinstance(node, torch.autograd.function.BackwardCFunction)


def is_native_function(node: Node) -> bool:
    """Whether it has a backward of its own, in C++, as operations on quantised weights do."""
    return type(node).__name__ == "CppFunction" and node.name() != "CopySlices"


def memory(array: torch.Tensor) -> int:
    """What arrays share that are views of each other."""
    strided = array.layout is torch.strided
    return int(array.untyped_storage()._cdata) if strided else -id(array)


def was_lazy(array: torch.Tensor) -> bool:
    return array.is_conj() or array.is_neg()


def is_tensor(value: object) -> bool:
    return isinstance(value, torch.Tensor)
