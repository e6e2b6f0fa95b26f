"""Operations of TensorFlow that are one operation to everybody else."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

from backlight_tensorflow.capture.flattening import SHAPE_ONLY, Flat, Node, Value, reached
from backlight_tensorflow.table.reading import Reading, Step, Steps

CONVOLUTIONS = frozenset({"Conv2D", "Conv3D", "Conv2DBackpropInput", "DepthwiseConv2dNative"})
UNREPEATABLE = frozenset(
    {"PyFunc", "EagerPyFunc", "PyFuncStateless", "XlaCallModule", "CudnnRNNV3"}
)
"""Operations that are not run a second time at other values."""

Users: TypeAlias = dict[Value, list[Node]]
"""The operations that read a value's numbers."""


@dataclass(frozen=True, eq=False)
class Group:
    """What some operations do together.

    Attributes:
        nodes: the operations, in order.
        core: the one that it is named by.
        inputs: what they read; `steps` count in these.
        outputs: what they give.
        steps: the primitives that they are, the last of which gives the outputs.
        body: of a function with a gradient of the user's own: what is run.
        replayable: whether it can be run again.
    """

    nodes: tuple[Node, ...]
    core: Node
    inputs: Sequence[Value]
    outputs: Sequence[Value]
    steps: Steps
    body: Flat | None = None
    replayable: bool = True

    @property
    def operands(self) -> list[Value]:
        """The inputs that the steps read."""
        places = {place for step in self.steps for place in step.operands}
        return [value for place, value in enumerate(self.inputs) if place in places]


def whole(
    primitive: str,
    nodes: Sequence[Node],
    core: Node,
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    **more: Any,
) -> Group:
    """One primitive of all the inputs."""
    steps = [Step(primitive, tuple(range(len(inputs))))]
    return Group(tuple(nodes), core, inputs, outputs, steps, **more)


@dataclass(eq=False)
class Surroundings:
    """What operations are in.

    Attributes:
        nodes: the operations that are needed, in order.
        sources: what is explained.
        fixed: the values that are looked at from outside: no group hides them.
        read: an operation with lengths and constants.
        table: what an operation is by itself.
    """

    nodes: Sequence[Node]
    sources: frozenset[Value]
    fixed: frozenset[Value]
    read: Callable[[Node], Reading]
    table: Callable[[Reading], Steps]

    @cached_property
    def users(self) -> "Users":
        return users_of(self.nodes)

    def primitives(self, node: Node) -> Steps:
        return self.table(self.read(node))

    @cached_property
    def touched(self) -> set[Value]:
        return reached(self.nodes, self.sources, SHAPE_ONLY)

    def sole_user(self, value: Value) -> Node | None:
        users = self.users.get(value, ())
        return users[0] if len(users) == 1 and value not in self.fixed else None

    def is_used(self, value: Value) -> bool:
        return value in self.fixed or value in self.users

    def only_for(self, value: Value, node: Node) -> Node | None:
        """The operation that computes a value for this one alone."""
        alone = value not in self.sources and self.sole_user(value) is node
        return value.node if alone else None


def grouped(around: Surroundings, find: Callable[[Node], Group | None]) -> list[Group]:
    """All operations, by themselves or with others, in the order of their cores.

    Args:
        find: what an operation is the core of, where that is more than itself.
    """
    found = [group for node in around.nodes if (group := find(node)) is not None]
    members = {node for group in found for node in group.nodes}
    found += [
        group for node in around.nodes if node not in members for group in single(around, node)
    ]
    position = {node: at for at, node in enumerate(around.nodes)}
    return sorted(found, key=lambda group: position[group.core])


def single(around: Surroundings, node: Node) -> list[Group]:
    """An operation by itself. One that hands on several values is one for each of them."""
    if node.op.type == "IdentityN":
        return [
            Group((node,), node, [value], [result], [Step("identity", (0,))])
            for value, result in zip(node.inputs, node.outputs, strict=True)
        ]
    steps = around.primitives(node)
    if is_centre(around.users, node):
        steps = [Step("identity", (0,))]
    outputs = node.outputs[:1] if steps[-1].primitive == "batch_norm" else node.outputs
    return [
        Group((node,), node, node.inputs, outputs, steps, None, node.op.type not in UNREPEATABLE)
    ]


def users_of(nodes: Iterable[Node]) -> Users:
    """By value: the operations that read its numbers, in order."""
    users: Users = {}
    for node in nodes:
        if node.op.type not in SHAPE_ONLY:
            for value in dict.fromkeys(node.inputs):
                users.setdefault(value, []).append(node)
    return users


def free_centres(nodes: Sequence[Node]) -> None:
    """Let the means that variances are taken around depend on the values, as they do. Holding them
    constant, as `tf.nn.moments` does, changes no derivative, but that of the derivative."""
    users = users_of(nodes)
    for node in nodes:
        if is_centre(users, node):
            (held,), (mean,) = node.outputs, node.inputs
            for user in users.get(held, ()):
                user.inputs = [mean if operand is held else operand for operand in user.inputs]


def is_centre(users: Users, node: Node) -> bool:
    """Whether it holds constant the mean that a variance is taken around: the derivative by that mean is
    zero, so that nothing is lost where it counts as depending on the values."""
    mean = node.inputs[0].node if node.op.type == "StopGradient" else None
    return (
        mean is not None
        and mean.op.type == "Mean"
        and all(
            mean.inputs[0] in user.inputs
            and (user.op.type == "SquaredDifference" or is_around(users, user))
            for user in users.get(node.outputs[0], ())
        )
    )


def is_around(users: Users, node: Node) -> bool:
    """Whether only the mean of its squares minus the square of its mean is made of a difference."""

    def ends(*types: str) -> set[Node]:
        reached = {node}
        for type_ in types:
            after = {user for one in reached for user in users.get(one.outputs[0], ())}
            reached = {user for user in after if user.op.type == type_}
        return reached

    types = [user.op.type for user in users.get(node.outputs[0], ())]
    both = ends("Square", "Mean", "Sub") & ends("Mean", "Square", "Sub")
    return node.op.type == "Sub" and sorted(types) == ["Mean", "Square"] and len(both) == 1


def convolution(around: Surroundings, node: Node) -> Group | None:
    """A convolution with what TensorFlow puts around it: a second place axis for signals, and rows that
    are spread over the batch instead of a dilation; None where there is nothing around it."""
    if node.op.type not in CONVOLUTIONS:
        return None
    *first, step = around.primitives(node)
    place = step.operands[0]
    inputs, value, nodes = list(node.inputs), node.outputs[0], [node]
    while step.primitive == "conv":
        before, behind = around.only_for(inputs[place], nodes[0]), around.sole_user(value)
        if before is None or behind is None or behind.inputs[0] is not value:
            break
        pair = before.op.type, behind.op.type
        if pair == ("ExpandDims", "Squeeze"):
            wrapped = flattened(step, around.read(before), around.read(behind))
        elif pair == ("SpaceToBatchND", "BatchToSpaceND"):
            wrapped = dilated(step, around.read(before), around.read(behind))
        else:
            wrapped = None
        if wrapped is None:
            break
        step, nodes = wrapped, [before, *nodes, behind]
        inputs[place], value = before.inputs[0], behind.outputs[0]
    steps = [*first, step]
    return Group(tuple(nodes), node, inputs, [value], steps) if nodes[1:] else None


def flattened(step: Step, before: Reading, behind: Reading) -> Step | None:
    """Along one axis of places less."""
    axis = before.axis(1, before.rank + 1)
    if list(behind.attribute("squeeze_dims")) not in ([axis], [axis - before.rank - 1]):
        return None
    old = step.attributes
    place = old["x_axes"].index(axis) - 2
    if place < 0:
        return None
    axes = tuple(at - (at > axis) for at in old["x_axes"] if at != axis)
    names = ("strides", "padding", "dilation", "base_dilation")
    changed = {name: (*old[name][:place], *old[name][place + 1 :]) for name in names}
    weight = (*old["weight_axes"][: place + 2], *old["weight_axes"][place + 3 :])
    changed |= {"x_axes": axes, "result_axes": axes, "weight_axes": weight}
    return replace(step, attributes={**old, **changed})


def dilated(step: Step, before: Reading, behind: Reading) -> Step | None:
    """With places between those that are looked at."""
    old = step.attributes
    once, nothing = (1,) * len(old["strides"]), ((0, 0),) * len(old["strides"])
    block, pads, crops = before.numbers(1), before.numbers(2), behind.numbers(2)
    plain = (old["strides"], old["dilation"], old["padding"]) == (once, once, nothing)
    if not plain or len(block) != len(once) or behind.numbers(1) != block or any(crops[::2]):
        return None
    padding = tuple(
        (low, high - crop)
        for low, high, crop in zip(pads[::2], pads[1::2], crops[1::2], strict=True)
    )
    return replace(step, attributes={**old, "dilation": block, "padding": padding})
