"""Where operations are, in the words that sites have."""

from collections.abc import Callable

from backlight_jax.circuit import SCORE
from backlight_jax.flow import Flow
from backlight_jax.naming import parent, scope_of, weights_read
from backlight_jax.program import Node, Path
from backlight_jax.trace import Trace
from backlight_jax.units import Unit


def namer(trace: Trace) -> Callable[[Unit, Flow], str]:
    """Gives the name of an operation: that of its result as a site, where a user would say it; else
    the scope it is in, or the layer whose weights it reads. A linear operation is named by its
    product, whatever is folded into it."""
    read = weights_read(trace.structure, trace.weights)
    names: dict[int, str] = {}
    known: list[Flow] = []
    whole = {node.path for node in trace.whole.nodes}
    loops: dict[Path, str] = {
        path: label
        for (path, _), label in reversed(trace.labels.items())
        if len(path) == 1 and path in whole
    }

    def label_of(node: Node) -> str:
        return next((names[value] for value in node.outputs if value in names), "")

    def said(node: Node) -> bool:
        """Whether its result has a name that says more than the primitive."""
        label = label_of(node)
        return bool(label) and label.partition(":")[0] != node.primitive

    def name(unit: Unit, flow: Flow) -> str:
        if not known:
            known.append(flow)
            for key, label in trace.labels.items():
                value = flow.circuit.program.keys.get(key)
                if isinstance(value, int):
                    names.setdefault(value, label)
        nodes = [flow.nodes[position] for position in unit.positions]
        linear = unit.linear is not None or bool(unit.parts)
        home = nodes[0] if linear else nodes[-1]
        if home.path[:1] == SCORE:
            return "score"
        scope = "/".join(scope_of(home, foreign=False))
        if linear and scope:
            labels = map(label_of, reversed(nodes))
            return next((one for one in labels if one.partition(":")[0] == scope), scope)
        for node in reversed(nodes if linear else nodes[-1:]):
            if said(node):
                return label_of(node)
        layers = {parent(weight) for node in nodes for weight in read.get(node.path, ())}
        if scope or len(layers) == 1:
            return scope or layers.pop()
        return label_of(home) or loops.get(home.path[:1], "")

    return name
