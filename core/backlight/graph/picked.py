"""Where whole numbers pick from a table what stands for them: by an index, or by a product with ones and
zeros."""

from backlight.graph.dependence.dependence import Dependence
from backlight.graph.graph import Node
from backlight.graph.primitives import Family, family

PICKING = frozenset({"take", "gather", "dot", "other"})


def picked_from_tables(flow: Dependence) -> dict[int, Node]:
    """The floating-point values that hold what was picked by numbers that the sources tell, from what
    they do not tell; in order of computation, each with the operation that picks.

    What only moves such a value is one too. Other values are none: not what is computed from them, not a
    mask, and not the numbers themselves.
    """
    found: dict[int, Node] = {}
    behind: set[int] = set()
    for node in flow.nodes:
        given = [value for value in node.operands if value in flow.touched]
        if not given:
            continue
        if family(node) is Family.MOVE and all(value in found for value in given):
            picking: Node | None = found[given[0]]
        else:
            picking = node if behind.isdisjoint(given) and picks(node, flow) else None
        floating = [one for one in node.results if flow.values[one].dtype.differentiable]
        if picking is not None:
            found.update(dict.fromkeys(floating, picking))
        if picking is not None or not behind.isdisjoint(given):
            behind.update(node.results)
    return found


def picks(node: Node, flow: Dependence) -> bool:
    """Whether an operation reads an array that the sources do not tell."""
    tables = (value for value in node.operands if value not in flow.touched)
    return node.primitive in PICKING and any(flow.shape(value) for value in tables)
