"""JAX's equations in the core's terms: they mean the same in NumPy."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jax.interpreters.ad import add_jaxvals

from backlight.graph.graph import DType, Graph, Node
from backlight.graph.primitives import PRIMITIVES, body_values, evaluated
from backlight_jax.capture.graph import graph_of
from backlight_jax.capture.program import flatten
from backlight_jax.expansions import inside
from backlight_jax.table import SAME, TABLE

Values = Any


def normal(*shape: int, seed: int = 0) -> Values:
    return np.random.default_rng(seed).normal(size=shape)


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def graph(function: Callable[..., Any], *arguments: Values) -> Graph:
    program = flatten(jax.make_jaxpr(function)(*arguments), inside)
    return graph_of(program, program.inputs, program.outputs)


X, Y, HALF = normal(3, 4), normal(3, 4, seed=1), np.random.default_rng(2).uniform(0.1, 0.9, (3, 4))
COUNTS, PICTURE = np.arange(-5, 7).reshape(3, 4), normal(2, 5, 6, 3, seed=3)
CUBE = normal(2, 3, 4, seed=4)
POSITIVE = {"log", "sqrt", "rsqrt", "acosh"}
COMPLEX = {"real", "imag", "conj"}
PAIRS = {"add", "sub", "mul", "div", "max", "min", "pow", "atan2", "rem", "complex", "add_any"}
COMPARED = {"eq", "ne", "lt", "le", "gt", "ge"}
Case = tuple[Callable[..., Any], tuple[Values, ...]]


def single(name: str) -> Case:
    """A primitive by itself, with arguments that it is defined at."""
    native = {"add_any": add_jaxvals}
    function = native.get(name) or getattr(lax, name, None) or getattr(lax, f"bitwise_{name}")
    if name in PAIRS:
        return function, (abs(X) if name == "pow" else X, Y)
    if name in COMPARED:
        return function, (COUNTS, abs(COUNTS))
    if name in COMPLEX:
        return function, (X + 1j * Y,)
    if name in ("and", "or", "xor", "not"):
        return function, (X > 0,) if name == "not" else (X > 0, Y > 0)
    return function, (1 + HALF if name in POSITIVE else HALF,)


WITHIN = (PICTURE,)
CASES: dict[str, list[Case]] = {
    **{
        name: [single(name)]
        for name in sorted(SAME | {"max", "min", "div", "rem", "add_any", "logistic", "is_finite"})
        if name not in {"polygamma", "scatter_add", "stop_gradient", "round"}
    },
    "polygamma": [(lambda x: lax.polygamma(1.0, x), (HALF,))],
    "round": [(jnp.round, (3 * X,)), (lax.round, (3 * X,))],
    "stop_gradient": [(lax.stop_gradient, (X,))],
    "argmax": [(lambda x: jnp.argmax(x, 1), (X,)), (jnp.argmax, (X,))],
    "argmin": [(lambda x: jnp.argmin(x, 0), (X,))],
    "bessel_i0e": [(lax.bessel_i0e, (X,))],
    "bessel_i1e": [(lax.bessel_i1e, (X,))],
    "broadcast_in_dim": [
        (lambda x: jnp.broadcast_to(x[:, None], (3, 2, 4)), (X,)),
        (lambda x: lax.broadcast_in_dim(x, (5, 3, 4, 2), (1, 2)), (X,)),
    ],
    "clamp": [(lambda x: lax.clamp(-0.3, x, 0.5), (X,)), (lax.clamp, (-HALF, X, HALF))],
    "concatenate": [(lambda x, y: jnp.concatenate([x, y, x], 1), (X, Y))],
    "convert_element_type": [
        (lambda x: x.astype(int), (3 * X,)),
        (lambda x: x.astype(bool), (COUNTS,)),
        (lambda x: x.astype(float), (COUNTS,)),
    ],
    "cumsum": [
        (lambda x: lax.cumsum(x, 1), (X,)),
        (lambda x: lax.cumsum(x, 0, reverse=True), (X,)),
    ],
    "div": [single("div"), (lambda x: lax.div(x, 2 + 0 * x), (COUNTS,))],
    "dot_general": [
        (lambda x, y: x @ y.T, (X, Y)),
        (lambda x, y: jnp.einsum("abc,adb->dac", x, y), (CUBE, normal(2, 5, 3))),
        (lambda x, y: lax.dot_general(x, y, (((2,), (0,)), ((1,), (2,)))), (CUBE, normal(4, 5, 3))),
    ],
    "dynamic_slice": [
        (lambda x: lax.dynamic_slice(x, (1, 3), (2, 3)), (X,)),
        (lambda x, at: lax.dynamic_slice(x, (at, 0), (2, 3)), (X, 1)),
    ],
    "dynamic_update_slice": [
        (lambda x, y: lax.dynamic_update_slice(x, y[:2], (2, 0)), (X, Y)),
        (lambda x, y, at: lax.dynamic_update_slice(x, y[:2], (at, 0)), (X, Y, 1)),
    ],
    "fft": [(jnp.fft.fft, (X,))],
    "gather": [
        (lambda x, at: x[:, at], (X, np.array([2, 0, -1]))),
        (lambda x, at: jnp.take(x, at, 1), (CUBE, np.array([[1, 0], [2, 2]]))),
        (lambda x, at: x[jnp.arange(3), at], (X, np.array([1, 2, 0]))),
        (lambda x, at: jnp.take_along_axis(x, at, 1), (X, np.array([[1], [0], [2]]))),
    ],
    "iota": [(lambda x: x * lax.broadcasted_iota(x.dtype, x.shape, 1), (X,))],
    "integer_pow": [(lambda x: x**3, (X,)), (lambda x: x**-2, (X,))],
    "pad": [
        (lambda x: lax.pad(x, 0.5, ((1, 0, 2), (-1, 3, 0))), (X,)),
        (lambda x: lax.pad(x, 0.0, ((-2, -1, 1), (0, 0, 3))), (X,)),
    ],
    "reduce_and": [(lambda x: (x > 0).all(1), (X,))],
    "reduce_max": [(lambda x: x.max((0, 2)), (CUBE,))],
    "reduce_min": [(lambda x: x.min(1, keepdims=True), (CUBE,))],
    "reduce_or": [(lambda x: (x > 0).any(1), (X,))],
    "reduce_prod": [(lambda x: x.prod(1), (X,))],
    "reduce_sum": [(lambda x: x.sum((0, 2)), (CUBE,))],
    "reshape": [(lambda x: x.reshape(2, -1), (CUBE,))],
    "rev": [(lambda x: x[:, ::-1], (CUBE,))],
    "scatter": [(lambda x: x.at[1, 2].set(0.0), (X,))],
    "scatter-add": [(lambda x: x.at[1, 2].add(1.0), (X,))],
    "scan": [(lambda x: lax.scan(lambda h, _: (h / 2, h), x, length=5000), (X,))],
    "select_n": [
        (lambda x, y: jnp.where(x > 0, x, y), (X, Y)),
        (lambda x, y: lax.select_n((3 * abs(x)).astype("int32") % 3, x, y, x * y), (X, Y)),
    ],
    "slice": [(lambda x: x[1:, :, 0:3:2], (CUBE,)), (lambda x: x[:, 1], (CUBE,))],
    "sort": [
        (lambda x: jnp.sort(x, 1), (X,)),
        (lambda x: jnp.argsort(x, 0), (X,)),
        (lambda x, y: lax.sort((x, y), num_keys=2), (X, Y)),
    ],
    "split": [(lambda x: jnp.split(x, [1, 3], 2), (CUBE,))],
    "squeeze": [(lambda x: x[:, None].squeeze(1), (X,))],
    "stack": [(lambda x, y: jnp.stack([x, y], 1), (X, Y))],
    "tile": [(lambda x: jnp.tile(x, (2, 3)), (X,))],
    "top_k": [(lambda x: lax.top_k(x, 2), (X,))],
    "approx_top_k": [(lambda x: lax.approx_max_k(x, 2), (X,))],
    "bitcast_convert_type": [(lambda x: lax.bitcast_convert_type(x, "int64"), (X,))],
    "custom_linear_solve": [(lambda x: jnp.linalg.solve(x[:, :3], x[:, 3]), (X,))],
    "transpose": [(lambda x: x.transpose(2, 0, 1), (CUBE,))],
    "unstack": [(lambda x: jnp.unstack(x, axis=1), (CUBE,))],
    "while": [(lambda x: lax.while_loop(lambda h: h.sum() < 9, lambda h: h + 1, x), (X,))],
    "copy": [(jnp.copy, (X,))],
    "name": [(lambda x: checkpoint_name(x, "here"), (X,))],
    "optimization_barrier": [(lambda x, y: lax.optimization_barrier((x, y)), (X, Y))],
    "reduce_precision": [(lambda x: lax.reduce_precision(x, 11, 52), (X,))],
    "device_put": [(lambda x: jax.device_put(x, jax.devices()[0]), (X,))],
}
ELSEWHERE = {
    "conv_general_dilated", "reduce_window_max", "reduce_window_min", "reduce_window_sum",
}  # fmt: skip
"""Tested by their gradients."""
UNREACHED = {
    "cond", "copy_p", "expand_dims", "layout_constraint", "mesh_cast", "pbroadcast", "psum",
    "psum_invariant", "pvary", "reshard", "scatter_add", "sharding_constraint", "io_callback",
    "pure_callback",
}  # fmt: skip
"""Of several devices, of other versions of JAX, choices with effects, and calls back to Python."""


def test_every_row_of_the_table_has_a_case() -> None:
    assert set(CASES) | ELSEWHERE | UNREACHED == SAME | set(TABLE)


@pytest.mark.parametrize("name", CASES)
def test_an_equation_means_the_same_in_numpy(name: str) -> None:
    for function, arguments in CASES[name]:
        made = graph(function, *arguments)
        natives: Any = [node.native for node in made.nodes if node.native is not None]
        assert name in [native.primitive for native in natives]
        expected = jax.tree.leaves(jax.jit(function)(*arguments))
        assert [made.shape(value) for value in made.targets] == [one.shape for one in expected]
        read = {operand for node in made.nodes for operand in node.operands}
        assert read <= set(range(len(made.values)))
        for node in made.nodes:
            assert node.primitive in PRIMITIVES
        found = body_values(made, [np.asarray(argument) for argument in arguments])
        blind = [node.primitive for node in made.nodes if blind_to(node)]
        assert (found is None) == bool(blind), blind
        for one, other in zip(found or (), expected, strict=bool(found)):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def blind_to(node: Node) -> bool:
    """Whether NumPy cannot follow an operation."""
    functions = ("polygamma", "bessel", "lgamma", "digamma", "erf_inv")
    return PRIMITIVES[node.primitive].meaning is None or node.primitive in functions


# ---------------------------------------------------------------- windows


def spread(x: Values, attributes: Any, axes: Any, filling: float) -> Values:
    """With what goes between numbers and around them."""
    between = attributes.get("base_dilation", (1,) * len(axes))
    for axis, step, (low, high) in zip(axes, between, attributes["padding"], strict=True):
        lengths = list(x.shape)
        lengths[axis] = (x.shape[axis] - 1) * step + 1
        wide = np.full(lengths, filling)
        wide[(slice(None),) * axis + (slice(None, None, step),)] = x
        around = [(0, 0)] * x.ndim
        around[axis] = (max(low, 0), max(high, 0))  # below 0, numbers are cut off
        cut = slice(max(-low, 0), lengths[axis] - max(-high, 0))
        x = np.pad(wide[(slice(None),) * axis + (cut,)], around, constant_values=filling)
    return x


def windowed(x: Values, window: Any, strides: Any, dilation: Any) -> Values:
    """All windows: the places, then what is in each."""
    wide = [(length - 1) * step + 1 for length, step in zip(window, dilation, strict=True)]
    found = np.lib.stride_tricks.sliding_window_view(x, wide)
    index = [slice(None, None, step) for step in (*strides, *dilation)]
    return found[tuple(index)]


def convolved(node: Node, x: Values, weight: Values) -> Values:
    """A convolution as its attributes say it, in the layout that they say."""
    a = node.attributes
    x = spread(x.transpose(a["x_axes"]), a, range(2, x.ndim), 0.0)
    weight = weight.transpose(a["weight_axes"])
    groups, places = a["groups"], weight.shape[2:]
    results = []
    for part, own in zip(np.split(x, groups, 1), np.split(weight, groups, 0), strict=True):
        ones = (1, 1)
        found = windowed(part, (*ones, *places), (*ones, *a["strides"]), (*ones, *a["dilation"]))
        found = found.reshape(*found.shape[: x.ndim], *places)
        results.append(np.einsum("nc...ij,ocij->no...", found, own, optimize=True))
    back = np.argsort(a["result_axes"])
    return np.concatenate(results, 1).transpose(back)


LAYOUT = ("NHWC", "HWIO", "NHWC")
CONVOLUTIONS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "plain": ((3, 2, 3, 4), {"padding": "VALID"}),
    "strides and padding": ((3, 2, 3, 4), {"window_strides": (2, 1), "padding": ((1, 0), (-1, 3))}),
    "groups": ((2, 2, 1, 6), {"padding": "SAME", "feature_group_count": 3}),
    "dilation": ((2, 3, 3, 4), {"padding": "SAME", "rhs_dilation": (2, 1)}),
    "transposed": ((3, 3, 3, 4), {"padding": ((1, 2), (2, 2)), "lhs_dilation": (2, 3)}),
    "channels first": (
        (4, 5, 2, 2),
        {"padding": "VALID", "dimension_numbers": ("NCHW", "OIHW", "NHWC")},
    ),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_are_as_their_attributes_say(name: str) -> None:
    shape, options = CONVOLUTIONS[name]
    weight = normal(*shape, seed=5)
    given = {"window_strides": (1, 1), "dimension_numbers": LAYOUT, **options}
    function = lambda x, w: lax.conv_general_dilated(x, w, **given)  # noqa: E731
    made = graph(function, PICTURE, weight)
    (node,) = made.nodes
    assert node.primitive == "conv"
    expected = function(PICTURE, weight)
    np.testing.assert_allclose(convolved(node, PICTURE, weight), expected, atol=1e-12)


def test_a_convolution_whose_batch_has_groups_is_another_operation() -> None:
    x, weight = normal(4, 5, 5, 3), normal(2, 2, 3, 4)
    function = lambda x, w: lax.conv_general_dilated(  # noqa: E731
        x, w, (1, 1), "VALID", dimension_numbers=LAYOUT, batch_group_count=2
    )
    assert [node.primitive for node in graph(function, x, weight).nodes] == ["other"]


REDUCTIONS = {
    "max_pool": (lax.max, -np.inf, np.max),
    "min_pool": (lax.min, np.inf, np.min),
    "avg_pool": (lax.add, 0.0, np.sum),
}


@pytest.mark.parametrize("primitive", REDUCTIONS)
def test_poolings_are_as_their_attributes_say(primitive: str) -> None:
    reduction, start, meaning = REDUCTIONS[primitive]
    for options in (
        {"window_strides": (1, 2, 2, 1), "padding": "SAME"},
        {"window_strides": (1, 1, 3, 1), "padding": ((0, 0), (1, 0), (0, 2), (0, 0))},
        {"window_strides": (1,) * 4, "padding": "VALID", "window_dilation": (1, 2, 1, 1)},
    ):
        function = lambda x: lax.reduce_window(x, start, reduction, (1, 3, 2, 1), **options)  # noqa: B023, E731
        made = graph(function, PICTURE)
        (node,) = made.nodes
        assert node.primitive == primitive
        assert node.attributes.get("summed", False) is (primitive == "avg_pool")
        a = node.attributes
        x = spread(PICTURE, a, range(4), start)
        found = meaning(windowed(x, a["window"], a["strides"], a["dilation"]), axis=(4, 5, 6, 7))
        np.testing.assert_allclose(found, function(PICTURE), atol=1e-12)


# ---------------------------------------------------------------- values


def test_numbers_and_weights_are_known() -> None:
    weight = normal(4, 2)
    table = np.full((3, 2), 0.25)

    def net(x: Values, w: Values) -> Values:
        return jnp.maximum(x @ w * table, 0.5) + 2

    program = flatten(jax.make_jaxpr(net)(X, weight), inside)
    x, w = program.inputs
    made = graph_of(program, [x], program.outputs, learned=[w])
    assert [node.primitive for node in made.nodes] == ["dot", "mul", "maximum", "add"]
    _, scale, bound, shift = [made.values[node.operands[1]] for node in made.nodes]
    assert (scale.number, scale.learned, scale.shape) == (0.25, True, (3, 2))
    assert made.values[w].learned and made.values[w].number is None
    assert [bound.number, shift.number] == [0.5, 2.0]
    assert not bound.learned and not made.values[x].learned
    assert {made.values[value].bits for value in (x, w)} == {64}


def test_dtypes_of_values() -> None:
    def net(x: Values) -> Any:
        key = jax.random.key(0)
        return x.astype(jnp.bfloat16) * 1.5, x > 0, x.astype(int), x + 1j, jax.random.split(key)

    made = graph(net, X)
    dtypes = [made.values[value].dtype for value in made.targets]
    assert dtypes == [DType.FLOAT, DType.BOOLEAN, DType.INTEGER, DType.COMPLEX, DType.OTHER]
    (half,) = (node for node in made.nodes if node.primitive == "mul")
    assert made.values[half.result].bits == 16
    assert made.values[half.operands[1]].number == 1.5


@jax.custom_jvp
def doubled(x: Values) -> Values:
    return jnp.where(x > 0, jax.nn.relu(x) * 2, 0)


doubled.defjvp(lambda primals, tangents: (doubled(*primals), 3 * tangents[0]))


@jax.custom_vjp
def turned(x: Values, y: Values) -> Any:
    return x - y, jnp.sort(y, 1)


turned.defvjp(lambda x, y: (turned(x, y), None), lambda _, grads: (grads[0], grads[1]))


def test_functions_with_a_derivative_of_their_own_have_bodies() -> None:
    made = graph(lambda x, y: turned(doubled(x), y), X, Y)
    one, other = made.nodes
    assert [node.primitive for node in made.nodes] == ["call", "call"]
    (found,) = evaluated(one, [X]) or [None]
    np.testing.assert_allclose(found, doubled(X))
    assert evaluated(other, [X, Y]) is None  # NumPy does not sort
    body = other.attributes["body"]
    assert [len(body.sources), len(body.targets)] == [2, 2]
    assert [node.primitive for node in body.nodes] == ["sub", "sort"]


def test_loops_that_are_short_are_unrolled() -> None:
    def net(x: Values) -> Values:
        return lax.fori_loop(0, 3, lambda at, h: h * 2 + at, x)

    made = graph(net, X)
    (found,) = body_values(made, [X]) or [None]
    np.testing.assert_allclose(found, net(X), rtol=1e-12)


def test_what_calls_back_cannot_be_run_again() -> None:
    shape = jax.ShapeDtypeStruct(X.shape, X.dtype)
    made = graph(lambda x: jax.pure_callback(np.sinh, shape, x) + 1, X)
    assert [(node.primitive, node.replayable) for node in made.nodes] == [
        ("other", False),
        ("add", True),
    ]
