"""Where operations are, in the words that sites have."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from backlight_jax.capture.program import SCORE, Node, Path, Program, layer_of, scope_of

if TYPE_CHECKING:
    from backlight_jax.capture.trace import Trace


def namer(trace: "Trace", program: Program) -> Callable[[Sequence[Node], bool], str]:
    """Gives the name of an operation, of its equations and whether it is linear: that of its result as
    a site, where a user would say it; else the scope it is in, or the layer whose weights it reads. A
    linear operation is named by its product, whatever is folded into it."""
    read = trace.structure.weights_read
    whole = {node.path for node in trace.whole.nodes}
    loops: dict[Path, str] = {
        path: label
        for (path, _), label in reversed(trace.labels.items())
        if len(path) == 1 and path in whole
    }
    names: dict[int, str] = {}
    for key, label in trace.labels.items():
        value = program.keys.get(key)
        if isinstance(value, int):
            names.setdefault(value, label)

    def label_of(node: Node) -> str:
        return next((names[value] for value in node.outputs if value in names), "")

    def said(node: Node) -> bool:
        """Whether its result has a name that says more than the primitive."""
        label = label_of(node)
        return bool(label) and label.partition(":")[0] != node.primitive

    def name(nodes: Sequence[Node], linear: bool) -> str:
        if not nodes:
            return ""
        home = nodes[0] if linear else nodes[-1]
        if home.path[:1] == SCORE:
            return "score"
        scope = "/".join(scope_of(home))
        if linear and scope:
            labels = map(label_of, reversed(nodes))
            return next((one for one in labels if one.partition(":")[0] == scope), scope)
        for node in reversed(nodes if linear else nodes[-1:]):
            if said(node):
                return label_of(node)
        layers = {layer_of(weight) for node in nodes for weight in read.get(node.path, ())}
        if scope or len(layers) == 1:
            return scope or layers.pop()
        return label_of(home) or loops.get(home.path[:1], "")

    return name
