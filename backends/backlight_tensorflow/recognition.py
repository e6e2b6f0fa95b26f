"""Which operations of a path are which units, for rules that name these kinds."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from backlight.operations import LINEAR, UNARY, Kind
from backlight.rules import Rules
from backlight_tensorflow.activations import activation, elementwise
from backlight_tensorflow.composites import custom, normalization, softmax
from backlight_tensorflow.copying import CONTROL_FLOW, has_users_gradient
from backlight_tensorflow.flattening import Node
from backlight_tensorflow.linear_units import extend_tail
from backlight_tensorflow.paths import Path
from backlight_tensorflow.units import Unit, single

LISTS = {"TensorListStack", "TensorListFromTensor"}
"""What turns the lists that loops work on from and into arrays."""


@dataclass(eq=False)
class Recognition:
    """The units of a path under rules.

    Attributes:
        units: in the order of computation.
        passed: operations with a gradient of the user's own that is left out, so that rules can act
            inside.
    """

    path: Path
    rules: Rules
    units: list[Unit] = field(default_factory=list)
    passed: set[Node] = field(default_factory=set)

    def __post_init__(self) -> None:
        path = self.path
        self._claimed: dict[Node, Unit] = {}
        for node in reversed(path.route):
            if has_users_gradient(node) and node not in self._claimed:
                self._try(activation(path, node, self._claimed) or self._custom(node))
        for node in reversed(path.route):
            if node not in self._claimed:
                self._composite(softmax(path, node, self._claimed))
                if node not in self._claimed:
                    self._composite(normalization(path, node, self._claimed))
        for find in (activation, self._elementwise):
            for node in reversed(path.route):
                if node not in self._claimed and node not in path.walls:
                    self._try(find(path, node, self._claimed))
        self._single()
        if Kind.NEURON in self.rules.kinds:
            self.units = with_neurons(path, self.units)
        self.units.sort(key=lambda unit: path.position[unit.last])

    def _single(self) -> None:
        for node in self.path.route:
            if node in self._claimed or node in self.path.walls or node in self.passed:
                continue
            unit = single(self.path, node)
            if unit is not None:
                if unit.kind in LINEAR:
                    extend_tail(self.path, unit, self._claimed, self.rules.folds)
                if node.op.type in CONTROL_FLOW:
                    with_lists(self.path, unit)
                self._try(unit)

    def _try(self, unit: Unit | None) -> None:
        if unit is not None:
            self.units.append(unit)
            self._claimed.update(dict.fromkeys(unit.nodes, unit))

    def _composite(self, unit: Unit | None) -> None:
        """A unit where rules ask for it, or have nothing to say about what is inside."""
        if unit is not None and (unit.kind in self.rules.kinds or not self._rules_any(unit.nodes)):
            self._try(unit)

    def _elementwise(self, path: Path, node: Node, claimed: dict[Node, Unit]) -> Unit | None:
        opens: Callable[[Node], bool] = lambda inner: (  # noqa: E731
            Kind.ELEMENTWISE not in self.rules.kinds and self._rules_any([inner])
        )
        return elementwise(path, node, claimed, opens)

    def _custom(self, node: Node) -> Unit | None:
        unit = custom(self.path, node, self._claimed)
        if unit is None or self._rules_any(unit.nodes[:-1]):
            self.passed.add(node)
            return None
        return unit

    def _rules_any(self, nodes: Iterable[Node]) -> bool:
        """Whether rules name the kind of any of these operations, taken by itself."""
        units = (single(self.path, node) for node in nodes if self.path.inputs(node))
        return any(unit is not None and unit.kind in self.rules.kinds for unit in units)


def with_lists(path: Path, unit: Unit) -> None:
    """Let a loop take and give arrays where it works on lists of them."""
    for value in list(unit.inputs):
        node = value.node
        if node is not None and node.op.type in LISTS and path.only_user(value) is unit.core:
            unit.nodes.insert(0, node)
            at = unit.inputs.index(value)
            unit.inputs[at : at + 1] = path.inputs(node)
    user = path.only_user(unit.output)
    if user is not None and user.op.type in LISTS:
        unit.nodes.append(user)
        unit.output = user.outputs[0]
    unit.inputs = list(dict.fromkeys(unit.inputs))
    arrays = [*unit.inputs, unit.output]
    unit.replayable = unit.replayable and all(each.tensor.dtype.is_floating for each in arrays)


def with_neurons(path: Path, units: list[Unit]) -> list[Unit]:
    """Linear operations and the unary functions that are their only users, as one unit each."""
    starts = {unit.inputs[0]: unit for unit in units if unit.kind in UNARY and unit.inputs}
    found = dict.fromkeys(units)
    neurons = []
    for unit in units:
        unary = starts.get(unit.output)
        if unit.kind not in LINEAR or unary is None or path.is_sink(unit.output):
            continue
        if unary.replayable and set(path.users[unit.output]) <= set(unary.nodes):
            nodes = [*unit.nodes, *unary.nodes]
            neurons.append(
                Unit(Kind.NEURON, nodes, unit.inputs, unary.output, unit.core, parts=(unit, unary))
            )
            del found[unit], found[unary]
    return [*found, *neurons]
