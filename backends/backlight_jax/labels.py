"""Where operations are, in the words that sites have."""

from collections.abc import Callable

from backlight_jax.circuit import SCORE
from backlight_jax.flow import Flow
from backlight_jax.naming import parent, scope_of, weights_read
from backlight_jax.trace import Trace
from backlight_jax.units import Unit


def namer(trace: Trace) -> Callable[[Unit, Flow], str]:
    """The name of the operation's result as a site; else the scope it is in, or the layer whose
    weights it reads."""
    read = weights_read(trace.structure, trace.weights)
    names: dict[int, str] = {}
    known: list[Flow] = []

    def name(unit: Unit, flow: Flow) -> str:
        if not known:
            known.append(flow)
            for key, label in trace.labels.items():
                value = flow.circuit.program.keys.get(key)
                if isinstance(value, int):
                    names.setdefault(value, label)
        node = flow.nodes[unit.positions[-1]]
        if node.path[:1] == SCORE:
            return "score"
        label = names.get(unit.output, "")
        if label and label.partition(":")[0] != node.primitive:
            return label
        if scope := scope_of(node, foreign=False):
            return "/".join(scope)
        layers = {
            parent(weight)
            for position in unit.positions
            for weight in read.get(flow.nodes[position].path, ())
        }
        return layers.pop() if len(layers) == 1 else label

    return name
