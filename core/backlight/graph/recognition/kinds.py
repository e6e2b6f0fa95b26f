"""What single nodes compute, given what depends on the explained value."""

from backlight.graph.dependence.dependence import Dependence
from backlight.graph.evaluation import is_pointwise
from backlight.graph.graph import DType, Node
from backlight.graph.primitives import Family, family
from backlight.rules.operations import AFFINE, Kind

UNARY: dict[str, Kind] = {
    "abs": Kind.ABS,
    "erf": Kind.ERF,
    "exp": Kind.EXP,
    "log": Kind.LOG,
    "sigmoid": Kind.SIGMOID,
    "rsqrt": Kind.RSQRT,
    "sqrt": Kind.SQRT,
    "square": Kind.POW,
    "reciprocal": Kind.POW,
    "tanh": Kind.TANH,
    "prelu": Kind.PRELU,
}
"""Functions of each number by itself with a kind, where their behaviour has no name."""

JOINS = frozenset({"add", "sub", "concat", "stack", "update"})
"""What puts operands side by side, or adds them up: derivatives by one are what they would be beside
any other."""

PARTS_OF_COMPLEX = frozenset({"real", "imag", "conj", "complex"})

SUMS = frozenset({"add", "sub"})

ENDLESS = 3e38
"""From where on a number bounds nothing: the largest of 32 bits, or infinity."""


def kind_of(flow: Dependence, node: Node) -> Kind | None:
    """What a node with active operands computes; None if it only moves numbers."""
    kind = _kind_of(flow, node)
    if node.primitive in JOINS or not flow.otherwise(node):
        return of_complex(flow, node, kind)
    # What a test or an index that depends on the value chooses is not linear, and not chosen again.
    return kind if kind not in AFFINE and kind is not None else Kind.OTHER


def of_complex(flow: Dependence, node: Node, kind: Kind | None) -> Kind | None:
    """What a node computes that has complex operands, from what it would be of real ones."""
    operands = [flow.values[node.operands[place]] for place in flow.activity(node)]
    if kind is None or all(value.dtype is not DType.COMPLEX for value in operands):
        return kind
    if kind in (Kind.ADD, Kind.MUL, Kind.MATMUL):
        return kind
    return Kind.SUM if kind in AFFINE else Kind.OTHER


def _kind_of(flow: Dependence, node: Node) -> Kind | None:
    places = flow.activity(node)
    several = len(places) > 1
    match family(node):
        case Family.MOVE:
            return None if node.primitive in ("concat", "stack") else moved(places, node)
        case Family.SUM:
            return summed(places, node)
        case Family.PRODUCT:
            return product(flow, places, node)
        case Family.EXTREMUM:
            pooled = "pool" in node.primitive
            return Kind.MAX_POOL if pooled else Kind.MAX if node.primitive == "max" else Kind.MIN
        case Family.COMPOSITE:
            return composite(places, node)
        case Family.POINTWISE | Family.TEST:
            return pointwise(flow, places, node)
    if node.primitive == "call" and not several:
        same = flow.shape(node.operands[places[0]]) == flow.shape(node.result)
        return Kind.ELEMENTWISE if same and is_pointwise(node) else Kind.OTHER
    return Kind.OTHER


def moved(places: list[int], node: Node) -> Kind | None:
    """Of moves: places that are found by the value itself are not places."""
    return None if 0 in places or node.primitive in ("update", "scatter", "pad") else Kind.OTHER


def summed(places: list[int], node: Node) -> Kind | None:
    if node.primitive == "scatter_add":
        return Kind.ADD if len(places) > 1 else Kind.SHIFT if places == [0] else Kind.SUM
    if node.attributes.get("axes", True) == ():
        return None
    return Kind.SUM if places == [0] else Kind.OTHER


def product(flow: Dependence, places: list[int], node: Node) -> Kind:
    if any(place > 1 for place in places):
        return Kind.OTHER  # a bias that depends on the value
    if len(places) > 1:
        return Kind.MATMUL
    if node.primitive == "conv":
        return Kind.CONVOLUTION if places == [0] else Kind.OTHER
    weight = node.operands[1 - places[0]]
    return Kind.SUM if weight in flow.made else Kind.DENSE  # a fixed map: averages, interpolation


def composite(places: list[int], node: Node) -> Kind:
    if places != [0]:
        return Kind.OTHER
    return {
        "batch_norm": Kind.BATCH_NORM,
        "normalize": Kind.NORMALIZATION,
        "softmax": Kind.SOFTMAX,
        "log_softmax": Kind.LOG_SOFTMAX,
        "logsumexp": Kind.LOGSUMEXP,
    }.get(node.primitive, Kind.OTHER)


def pointwise(flow: Dependence, places: list[int], node: Node) -> Kind | None:
    name, several = node.primitive, len(places) > 1
    if name in PARTS_OF_COMPLEX:
        return None
    if name == "select":
        return Kind.OTHER if 0 in places else None
    if name in SUMS:
        return Kind.ADD if several else Kind.SHIFT
    if name == "neg":
        return Kind.SCALE
    if name == "mul":
        real = flow.values[node.result].dtype is not DType.COMPLEX
        squared = several and node.operands[0] == node.operands[1] and real
        return Kind.POW if squared else Kind.MUL if several else Kind.SCALE
    if name == "div":
        if several:
            return Kind.ELEMENTWISE if node.operands[0] == node.operands[1] else Kind.DIV
        return Kind.SCALE if places == [0] else Kind.POW
    if name == "squared_difference":
        return Kind.MUL if several else Kind.POW
    if name == "pow":
        return Kind.OTHER if several else Kind.POW if places == [0] else Kind.ELEMENTWISE
    if name in ("maximum", "minimum"):
        return extremum(flow, places, node)
    if several:
        return Kind.OTHER
    same = flow.shape(node.operands[places[0]]) == flow.shape(node.result)
    return UNARY.get(name, Kind.ELEMENTWISE) if same else Kind.OTHER


def extremum(flow: Dependence, places: list[int], node: Node) -> Kind | None:
    largest = node.primitive == "maximum"
    if len(places) == 1:
        bound = flow.number(node.operands[1 - places[0]])
        if bound is not None and (bound <= -ENDLESS if largest else bound >= ENDLESS):
            return None
    return Kind.MAX if largest else Kind.MIN
