"""Which ways derivatives can take from the explained value to the score, and where others are cut.

Two things are followed through one run: which numbers each array was computed from, as a mode below
autograd sees it, and which of these autograd's graph leads back to. A way is cut at the operation
that the numbers came through and the graph did not.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast, final

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from backlight.model import Connection, Cut
from backlight.scores import Score
from backlight.tree import leaves
from backlight_torch import kernels
from backlight_torch.feeding import Block, fed
from backlight_torch.naming import named
from backlight_torch.recognised import cut_at
from backlight_torch.records import Node
from backlight_torch.ruled import starting
from backlight_torch.running import running, without_compilation

if TYPE_CHECKING:
    from backlight_torch.passes import Passes

Leaves: TypeAlias = frozenset[int]
"""Which leaves of the explained value, by number."""
NONE: Leaves = frozenset()

COMPARING = kernels.named(
    "eq ne lt le gt ge isnan isinf isposinf isneginf isfinite logical_not logical_and logical_or "
    "logical_xor bitwise_not bitwise_and bitwise_or bitwise_xor any all nonzero argmax argmin argsort "
    "max min aminmax topk sort kthvalue median nanmedian mode cummax cummin count_nonzero "
    "max_pool2d_with_indices max_pool3d_with_indices adaptive_max_pool2d adaptive_max_pool3d"
)
"""Operations whose integers and truth values are comparisons, and what is found by them."""

MAXIMA = kernels.named("max min amax amin aminmax")

STEPS = kernels.named("round floor ceil trunc sign sgn heaviside floor_divide bernoulli")
"""Operations whose derivative is 0 wherever there is one."""

FLAT = kernels.named(
    "RoundBackward FloorBackward CeilBackward TruncBackward SignBackward BernoulliBackward"
)
"""Their nodes in autograd's graph, without the number behind."""


@final
@dataclass(frozen=True)
class Stop:
    """An operation that derivatives may not pass.

    Attributes:
        cut: what and where it is.
        number: its place in the order of operations.
        comparing: whether it compares, or finds by comparing, or only makes numbers safe.
    """

    cut: Cut
    number: int
    comparing: bool = False


Stops: TypeAlias = Mapping[Stop, Leaves]
"""Where ways were cut, and from which leaves."""


@final
@dataclass(frozen=True)
class Made:
    """What is known of an array.

    Attributes:
        depends: what it was computed from.
        passing: where derivatives of what it was computed from lead to: of it, too, unless `maker`
            let none pass.
        stops: where ways to it were cut before.
        maker: the operation that it is the result of.
        highest: whether it is a maximum over axes, perhaps moved.
        written: whether it was written into.
    """

    depends: Leaves
    passing: Leaves
    stops: Stops
    maker: Stop
    highest: bool = False
    written: bool = False


@final
@dataclass
class Reading:
    """What goes into an operation: as of `Made`, with what derivatives do lead to."""

    depends: Leaves = NONE
    reached: Leaves = NONE
    stops: dict[Stop, Leaves] = field(default_factory=dict)
    highest: bool = False


@final
class Tracer(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows what depends on the starts. It changes nothing of what is computed."""

    def __init__(self, place: Callable[[], str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.taken: dict[Stop, Leaves] = {}
        """Where numbers left PyTorch for Python."""
        self.functions: dict[Node, str] = {}
        """Nodes with a backward of their own, and where they are."""
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
        if node is not None and is_function(node):
            self.functions.setdefault(node, made.maker.cut.name)
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
        if not depends:
            return result
        name = func.overloadpacket.__name__
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
        highest = name in MAXIMA or (
            (name in kernels.MOVES) and all(one.highest for one in readings if one.depends)
        )
        for one in results:
            if not mutable and func is torch.ops.aten.clone.default and was_lazy(given[0]):
                # Written out below autograd: what uses it is an operation on what it was made of.
                passing_of = self._made.get(id(given[0]))
                if passing_of is not None:
                    self._made[id(one)] = (one, replace(passing_of[1], passing=NONE, stops=stops))
                continue
            made = Made(depends, passing, stops, self._maker(label, one), highest, mutable)
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


def connection(passes: "Passes", block: Block, score: Score, at: str | None) -> Connection:
    """See `Model.connection`."""
    passes = passes.unoptimised()
    compiled = "torch._dynamo" in sys.modules
    with (
        running(passes.net.roots(), graph=True, hooked=True),
        named(passes.net) as places,
        without_compilation() if compiled else nullcontext(),
        torch.jit.optimized_execution(False),  # type: ignore[attr-defined]
    ):
        passage = passes.passage(block, score, at)
        arguments, starts = fed(block.inputs, differentiated=at is None)
        tracer = Tracer(places)
        if at is None:
            copies = cast(list[torch.Tensor], leaves(arguments.attributed))
            for start, copy in zip(starts, copies, strict=True):
                tracer.start(start, copy)
        visitor = None if passage is None else starting(passage, tracer.start)
        with tracer:
            outputs = passes.call(arguments, visitor, passage)
            if passage is not None:
                outputs = passage.read_from(outputs)
            scores = passes.evaluate(block, score, outputs)
        if at is not None:
            if passage is None or passage.leaf is None:
                raise passes.unknown(at, block)
            starts = [passage.leaf]
        found = tracer.read(scores)
        if tracer.functions and found.reached:
            dead = silent(tracer, scores, lambda: passes.backward(block, scores, starts))
            for node, number in dead:
                function = node.name().removesuffix("Backward")
                stop = Stop(Cut(tracer.functions[node], function), 0)
                child, _ = node.next_functions[number]
                found.stops[stop] = found.stops.get(stop, NONE) | tracer.reached(child)
            tracer.without(dead)
            found.reached = tracer.reached(scores.grad_fn)
    return summed_up(found, tracer, len(starts))


def summed_up(found: Reading, tracer: Tracer, count: int) -> Connection:
    depends = found.depends | found.reached
    taken = {one: where - depends for one, where in tracer.taken.items()}
    stops = {one: where for one, where in united([found.stops, taken]).items() if where}
    depends = depends.union(*stops.values())
    told = NONE.union(*(where for one, where in stops.items() if not one.comparing))
    left = frozenset(range(count)) - found.reached - told
    shown = [one for one, where in stops.items() if not one.comparing or where & left]
    cuts = [
        replace(one.cut, name=one.cut.name or tracer.placed.get(one.number, ""))
        for one in sorted(shown, key=lambda one: one.number)
    ]
    return Connection(
        tuple(number in found.reached for number in range(count)),
        tuple(number in depends for number in range(count)),
        tuple(dict.fromkeys(cuts)),
    )


def silent(
    tracer: Tracer, scores: torch.Tensor, backward: Callable[[], object]
) -> set[tuple[Node, int]]:
    """The gradients that functions with a backward of their own do not give."""
    dead: set[tuple[Node, int]] = set()

    def watch(node: Node) -> Callable[[tuple[Any, ...], tuple[Any, ...]], None]:
        def leaving(grads: tuple[Any, ...], incoming: tuple[Any, ...]) -> None:
            for number, (child, _) in enumerate(node.next_functions):
                if child is not None and grads[number] is None and tracer.reached(child):
                    dead.add((node, number))

        return leaving

    handles = []
    try:
        for node in tracer.functions:
            handles.append(node.register_hook(watch(node)))
        backward()
    finally:
        for handle in handles:
            handle.remove()
    return dead


def merged(before: Made, made: Made) -> Made:
    """What an array is after something was written into its memory."""
    return replace(
        made,
        depends=before.depends | made.depends,
        passing=before.passing | made.passing,
        stops=united([before.stops, made.stops]),
    )


def softened(reading: Reading) -> Reading:
    """A maximum that is subtracted, or added again, only makes numbers safe."""
    stops = united({replace(one, comparing=True): w} for one, w in reading.stops.items())
    return replace(reading, stops=stops)


def united(several: Iterable[Stops]) -> dict[Stop, Leaves]:
    found: dict[Stop, Leaves] = {}
    for stops in several:
        for stop, where in stops.items():
            found[stop] = found.get(stop, NONE) | where
    return found


def is_flat(node: Node) -> bool:
    """Whether its derivative is 0 throughout."""
    name = node.name().rstrip("0123456789")
    return name in FLAT or (name == "DivBackward" and bool(rounding(node)))


def rounding(node: Node) -> object:
    return getattr(node, "_saved_rounding_mode", None)


def is_function(node: Node) -> bool:
    """Whether it has a backward of its own, in Python."""
    return isinstance(node, torch.autograd.function.BackwardCFunction)


def memory(array: torch.Tensor) -> int:
    """What arrays share that are views of each other."""
    strided = array.layout is torch.strided
    return int(array.untyped_storage()._cdata) if strided else -id(array)


def was_lazy(array: torch.Tensor) -> bool:
    return array.is_conj() or array.is_neg()


def is_tensor(value: object) -> bool:
    return isinstance(value, torch.Tensor)
