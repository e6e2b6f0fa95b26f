"""Which ways derivatives can take from the explained values to the score, and where they are cut."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import tensorflow as tf

from backlight.model import Connection, Cut
from backlight_tensorflow.copying import CONTROL_FLOW
from backlight_tensorflow.flattening import Flat, Node, Value
from backlight_tensorflow.gradients import Part
from backlight_tensorflow.flattening import SHAPE_ONLY
from backlight_tensorflow.operators import FINDERS, STOPS
from backlight_tensorflow.passes import carries_numbers
from backlight_tensorflow.paths import Path, centres
from backlight_tensorflow.copying import has_users_gradient


def connection_of(path: Path) -> Connection:
    """What leads from each of the places to the score, as TensorFlow differentiates it."""
    ways = Ways(path)
    (sink,) = path.sinks
    reached, depends = [], []
    cuts: set[Node] = set()
    for place in path.places:
        spread = ways.spread([place])
        reached.append(sink in spread.active)
        depends.append(sink in spread.touched)
        hard = [node for node in spread.cuts if not compares(node)]
        cuts.update(hard if hard or reached[-1] else spread.cuts)
    in_order = ways.spread(path.places).cuts
    found = [
        Cut(path.traced.place(node) or path.traced.place(outer), description(node))
        for node, outer in in_order.items()
        if node in cuts
    ]
    return Connection(tuple(reached), tuple(depends), tuple(dict.fromkeys(found)))


def compares(node: Node) -> bool:
    """Whether it tests numbers, or finds places by comparing them."""
    return node.op.type in FINDERS or all(each.tensor.dtype == tf.bool for each in node.outputs)


def description(node: Node) -> str:
    if node.op.type in STOPS:
        return "stop_gradient"
    if has_users_gradient(node):
        return "custom_gradient"
    if node.op.type == "Cast":
        return f"cast to {node.outputs[0].tensor.dtype.name}"
    return str(node.op.type)


@dataclass(eq=False)
class Spread:
    """How far some values reach.

    Attributes:
        touched: what depends on them in any way.
        active: what has a derivative by them.
        cuts: the operations behind which it has none any more, in the order of computation, and the
            operation of the flat graph that each of them is in: itself, or a loop or branch.
    """

    touched: set[Value]
    active: set[Value]
    cuts: dict[Node, Node] = field(default_factory=dict)


class Ways:
    """The ways from values of a path to its score, also through loops and branches."""

    def __init__(self, path: Path) -> None:
        self._whole = Part(path.needed, path.sinks, path.transparent)
        self._parts: dict[Flat, Part] = {}

    def spread(self, starts: Iterable[Value]) -> Spread:
        found = Spread(set(starts), {each for each in starts if carries_numbers(each.tensor)})
        self._follow(self._whole, found, None)
        return found

    def _follow(self, part: Part, found: Spread, outer: Node | None) -> None:
        for node in part.nodes:
            if node.op.type in SHAPE_ONLY or found.touched.isdisjoint(node.inputs):
                continue
            if node.op.type in CONTROL_FLOW:
                inside = self._loop if "cond" in node.functions else self._branches
                inside(node, found, outer or node)
                continue
            found.touched.update(node.outputs)
            active = {value for value in node.inputs if value in found.active}
            if active:
                found.active.update(part.derived(node, active))
                if part.cuts(node, active):
                    found.cuts.setdefault(node, outer or node)

    def _loop(self, node: Node, found: Spread, outer: Node) -> None:
        """Until its body hands nothing more on to the next step."""
        (condition,), (body,) = node.functions["cond"], node.functions["body"]
        touched, active = within(node.inputs, found.touched), within(node.inputs, found.active)
        changing = {
            at
            for at, pair in enumerate(zip(body.inputs, body.outputs, strict=True))
            if len({*pair}) > 1
        }
        while True:
            step = self._enter(body, touched, active, found, outer)
            test = self._enter(condition, touched, active, found, outer)
            counts = changing if condition.outputs[0] in test.touched else set()
            given = within(body.outputs, step.active)
            more = touched | within(body.outputs, step.touched) | counts
            if more == touched and given <= active:
                break
            touched, active = more, active | given
        found.touched.update(node.outputs[at] for at in touched)
        # Its body runs at least once: what is there at first goes through it.
        found.active.update(node.outputs[at] for at in given)

    def _branches(self, node: Node, found: Spread, outer: Node) -> None:
        which, *operands = node.inputs
        touched, active = within(operands, found.touched), within(operands, found.active)
        names = [
            name for name in ("then_branch", "else_branch", "branches") if name in node.functions
        ]
        for branch in [flat for name in names for flat in node.functions[name]]:
            chosen = self._enter(branch, touched, active, found, outer)
            pairs = list(zip(node.outputs, branch.outputs, strict=True))
            found.touched.update(result for result, one in pairs if one in chosen.touched)
            found.active.update(result for result, one in pairs if one in chosen.active)
        if which in found.touched:
            found.touched.update(node.outputs)

    def _enter(
        self, flat: Flat, touched: set[int], active: set[int], found: Spread, outer: Node
    ) -> Spread:
        """Through a function whose arguments at these positions are touched and active."""
        if flat not in self._parts:
            nodes = flat.needed()
            self._parts[flat] = Part(nodes, flat.outputs, centres(nodes))
        arguments = flat.inputs
        spread = Spread(
            {arguments[at] for at in touched}, {arguments[at] for at in active}, found.cuts
        )
        self._follow(self._parts[flat], spread, outer)
        return spread


def within(values: list[Value], some: set[Value]) -> set[int]:
    """At which positions there are some of the values."""
    return {at for at, value in enumerate(values) if value in some}
