"""Numbers in the code of a net that are others when it runs over more rows."""

from backlight.graph.graph import Graph, Node, Value
from backlight.graph.primitives import Family, family


def changing(graph: Graph, other: Graph) -> list[int]:
    """The positions of the net's nodes at which what depends on the inputs meets numbers, made by Python
    or of constants, that the other graph has otherwise; none where the graphs differ in more than lengths
    and numbers. A score brings numbers of its own for each example, and does not count.

    Args:
        graph: of some examples.
        other: of the same net, for another number of them.
    """
    names = [node.primitive for node in graph.nodes]
    if names != [node.primitive for node in other.nodes]:
        return []
    touched, changed, found = set(graph.sources), set[int](), []
    outputs = [at for at, node in enumerate(graph.nodes) if graph.kept.intersection(node.results)]
    net = graph.nodes[: max(outputs) + 1] if outputs else graph.nodes
    for position, (here, there) in enumerate(zip(net, other.nodes, strict=False)):
        meets = any(
            one in changed or differ(graph.values[one], other.values[two])
            for one, two in zip(here.operands, there.operands, strict=False)
            if one not in touched
        )
        hanging = here.hanging_on(touched)
        touched.update(hanging)
        if not hanging and meets:
            changed.update(here.results)
        elif hanging and meets and is_arithmetic(graph, here):
            found.append(position)
    return found


def is_arithmetic(graph: Graph, node: Node) -> bool:
    """Whether numbers are computed of others at the same place, rather than found or moved by them."""
    floating = graph.values[node.result].dtype.differentiable
    return floating and family(node) is Family.POINTWISE


def differ(one: Value, other: Value) -> bool:
    """Whether two constants are known to hold other numbers in the rows that both have."""
    if one.number is not None and other.number is not None:
        return repr(one.number) != repr(other.number)  # in which NaN equals itself
    known = one.told is not None and other.told is not None
    return known and one.shape[1:] == other.shape[1:] and one.told != other.told
