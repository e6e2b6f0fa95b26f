"""What TensorFlow's operations are in the core's graph, held against what TensorFlow computes."""

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from itertools import product
from typing import Any

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import torch  # isort: skip  # noqa: F401
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow import raw_ops as raw

from backlight.graph.graph import Graph
from backlight.graph.primitives import body_values
from backlight_tensorflow.capture.flattening import flatten, reached
from backlight_tensorflow.capture.graphs import Capture
from backlight_tensorflow.capture.known import known_of
from backlight_tensorflow.table import ROWS, SAME, primitives_of

Numbers = NDArray[Any]


def numbers(*shape: int, seed: int = 0) -> Numbers:
    return np.random.default_rng(seed).normal(size=shape)


X, Y, POSITIVE = numbers(2, 3, 4), numbers(2, 3, 4, seed=1), np.abs(numbers(2, 3, 4)) + 0.2
TRUTHS = numbers(2, 3, 4) > 0
WHOLE = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
PICTURE, KERNEL = numbers(2, 7, 6, 3), numbers(3, 2, 3, 4, seed=1)


def captured(call: Callable[..., Any], given: Sequence[Any]) -> tuple[Graph, list[Numbers]]:
    """A function's graph, and what it gives."""
    specs = [tf.TensorSpec(np.shape(one), np.asarray(one).dtype) for one in given]
    function = tf.function(call, autograph=False).get_concrete_function(*specs)
    flat = flatten(function.graph)
    known = known_of(primitives_of, lambda value: value.tensor, reached(flat.nodes, flat.inputs))
    sources = flat.inputs[: len(given)]
    graph = Capture(flat.nodes, sources, flat.outputs, known, lambda node: node.op.name).graph
    results = tf.nest.flatten(function(*map(tf.constant, given)))
    return graph, [np.asarray(one) for one in results]


def alike(call: Callable[..., Any], *given: Any) -> Graph:
    """Hold the graph, run in NumPy, against TensorFlow."""
    graph, expected = captured(call, given)
    found = body_values(graph, [np.asarray(one) for one in given])
    assert found is not None, [node.primitive for node in graph.nodes]
    for one, wanted in zip(found, expected, strict=True):
        assert one.shape == wanted.shape
        np.testing.assert_allclose(one, wanted, rtol=1e-9, atol=1e-12)
    return graph


UNARY = (
    "Identity Snapshot Neg Abs Exp Expm1 Sin Cos Tan Sinh Cosh Tanh Asinh Atan Erf Erfc Sigmoid "
    "Softsign Softplus Relu Relu6 Elu Selu Sign Floor Ceil Rint Square StopGradient IsFinite IsNan "
    "IsInf PreventGradient Round"
)
OF_POSITIVE = "Log Log1p Sqrt Rsqrt Reciprocal Inv"
BINARY = (
    "Add AddV2 Sub Mul RealDiv Div Maximum Minimum Atan2 SquaredDifference MulNoNan DivNoNan Xdivy "
    "FloorMod FloorDiv Less LessEqual Greater GreaterEqual"
)


@pytest.mark.parametrize("name", UNARY.split())
def test_functions_of_one_value(name: str) -> None:
    operation = getattr(raw, name)
    argument = next(iter(signature(operation).parameters))
    alike(lambda x: operation(**{argument: x}), X)


@pytest.mark.parametrize("name", [*OF_POSITIVE.split(), "Acosh", "Atanh", "Asin", "Acos"])
def test_functions_of_positive_values(name: str) -> None:
    x = POSITIVE + 1 if name == "Acosh" else POSITIVE / 4 if name[0] == "A" else POSITIVE
    alike(lambda x: getattr(raw, name)(x=x), x)


@pytest.mark.parametrize("name", BINARY.split())
def test_functions_of_two_values(name: str) -> None:
    alike(lambda x, y: getattr(raw, name)(x=x, y=y), X, Y)


ROWS_BY_NAME: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "Pow": (lambda x: tf.pow(x, 1.5), (POSITIVE,)),
    "Xlogy": (tf.math.xlogy, (X, POSITIVE)),
    "Xlog1py": (tf.math.xlog1py, (X, POSITIVE)),
    "AddN": (lambda x, y: tf.add_n([x, y, x]), (X, Y)),
    "Equal": (tf.equal, (X, X)),
    "NotEqual": (tf.not_equal, (X, X)),
    "LogicalAnd": (tf.logical_and, (TRUTHS, ~TRUTHS)),
    "LogicalOr": (tf.logical_or, (TRUTHS, ~TRUTHS)),
    "LogicalNot": (tf.logical_not, (TRUTHS,)),
    "BitwiseXor": (tf.bitwise.bitwise_xor, (WHOLE, WHOLE[::-1])),
    "ClipByValue": (lambda x: raw.ClipByValue(t=x, clip_value_min=-0.5, clip_value_max=1.0), (X,)),
    "Cast": (lambda x: tf.cast(tf.cast(x, tf.int32), tf.float64), (3 * X,)),
    "LeakyRelu": (lambda x: tf.nn.leaky_relu(x, 0.3), (X,)),
    "BiasAdd": (lambda x, b: tf.nn.bias_add(x, b), (X, numbers(4))),
    "BiasAdd first": (
        lambda x, b: tf.nn.bias_add(x, b, data_format="NCHW"),
        (X[..., None], numbers(3)),
    ),
    "SelectV2": (tf.where, (TRUTHS, X, Y)),
    "Select": (lambda c, x, y: raw.Select(condition=c, x=x, y=y), (TRUTHS[:, 0, 0], X, Y)),
    "Sum": (lambda x: tf.reduce_sum(x, (0, -1)), (X,)),
    "Mean": (lambda x: tf.reduce_mean(x, 1, keepdims=True), (X,)),
    "Max": (lambda x: tf.reduce_max(x, -1), (X,)),
    "Min": (lambda x: tf.reduce_min(x), (X,)),
    "Prod": (lambda x: tf.reduce_prod(x, 2), (X,)),
    "Any": (lambda x: tf.reduce_any(x, 1), (TRUTHS,)),
    "All": (lambda x: tf.reduce_all(x, 1), (TRUTHS,)),
    "ArgMax": (lambda x: tf.argmax(x, -1), (X,)),
    "ArgMin": (lambda x: tf.argmin(x, 1), (X,)),
    "Softmax": (tf.nn.softmax, (X,)),
    "Softmax before": (lambda x: tf.nn.softmax(x, axis=1), (X,)),
    "LogSoftmax": (tf.nn.log_softmax, (X,)),
    "Cumsum": (lambda x: tf.cumsum(x, 1, reverse=True), (X,)),
    "MatMul": (lambda x, y: tf.matmul(x, y, transpose_a=True), (X[0], Y[0])),
    "BatchMatMulV2": (lambda x, y: tf.matmul(x, y, transpose_b=True), (X, Y)),
    "BatchMatMulV2 spread": (tf.matmul, (X[:, None], numbers(5, 4, 2))),
    "Einsum": (lambda x, y: tf.einsum("...tc,...oc->...to", x, y), (X, Y)),
    "FusedBatchNormV3": (
        lambda x, *given: raw.FusedBatchNormV3(
            x=x,
            scale=given[0],
            offset=given[1],
            mean=given[2],
            variance=given[3],
            is_training=False,
        )[0],
        tuple(one.astype(np.float32) for one in (PICTURE, *np.abs(numbers(4, 3)))),
    ),
    "Reshape": (lambda x: tf.reshape(x, (tf.shape(x)[0], -1)), (X,)),
    "ExpandDims": (lambda x: tf.expand_dims(x, -2), (X,)),
    "Squeeze": (tf.squeeze, (X[:, :1],)),
    "Transpose": (lambda x: tf.transpose(x, (2, 0, 1)), (X,)),
    "BroadcastTo": (lambda x: tf.broadcast_to(x, (5, 2, 3, 4)), (X[:, :1],)),
    "Tile": (lambda x: tf.tile(x, (1, 2, 3)), (X,)),
    "Pad": (lambda x: tf.pad(x, ((0, 0), (1, 2), (0, 1))), (X,)),
    "PadV2": (lambda x: tf.pad(x, ((0, 0), (1, 2), (0, 1)), constant_values=7), (X,)),
    "MirrorPad": (lambda x: tf.pad(x, ((0, 0), (1, 2), (0, 0)), "REFLECT"), (X,)),
    "MirrorPad symmetric": (lambda x: tf.pad(x, ((0, 0), (1, 2), (0, 0)), "SYMMETRIC"), (X,)),
    "ConcatV2": (lambda x, y: tf.concat([x, y], -1), (X, Y)),
    "Pack": (lambda x, y: tf.stack([x, y], -1), (X, Y)),
    "Unpack": (lambda x: tf.unstack(x, axis=-2), (X,)),
    "Split": (lambda x: tf.split(x, 2, -1), (X,)),
    "SplitV": (lambda x: tf.split(x, (1, 3), -1), (X,)),
    "GatherV2": (lambda x, at: tf.gather(x, at, axis=1), (X, np.int32([2, 0]))),
    "ReverseV2": (lambda x: tf.reverse(x, (0, -1)), (X,)),
    "Roll": (lambda x: tf.roll(x, (1, -2), (1, -1)), (X,)),
    "Slice": (lambda x: tf.slice(x, (0, 1, 0), (-1, 2, 3)), (X,)),
    "StridedSlice index": (lambda x: x[:, -1], (X,)),
    "StridedSlice slice": (lambda x: x[..., 1::2], (X,)),
    "StridedSlice new": (lambda x: x[:, None, ..., None], (X,)),
    "StridedSlice all": (lambda x: x[1, None, :2, 3], (X,)),
    "SpaceToDepth": (lambda x: tf.nn.space_to_depth(x, 2), (PICTURE[:, :6],)),
    "DepthToSpace": (lambda x: tf.nn.depth_to_space(x, 2), (np.tile(PICTURE, 4),)),
}


@pytest.mark.parametrize("name", ROWS_BY_NAME)
def test_rows_of_the_table(name: str) -> None:
    call, given = ROWS_BY_NAME[name]
    if name == "FusedBatchNormV3":
        graph, (wanted,) = captured(call, given)
        found = body_values(graph, given)
        assert found is not None
        np.testing.assert_allclose(found[0], wanted, rtol=1e-4, atol=1e-5)
        return
    alike(call, *given)


def test_a_place_along_an_axis_of_unknown_length() -> None:
    """Counted from the front it is known; counted from the back it is not."""

    def last_node(call: Callable[[Any], Any]) -> Any:
        spec = tf.TensorSpec((2, None, 4), tf.float64)
        flat = flatten(tf.function(call, autograph=False).get_concrete_function(spec).graph)
        known = known_of(
            primitives_of, lambda value: value.tensor, reached(flat.nodes, flat.inputs)
        )
        found = Capture(flat.nodes, flat.inputs, flat.outputs, known, lambda node: "")
        return next(each for each in found.graph.nodes if each.type == "StridedSlice")

    node = last_node(lambda x: x[:, 3])
    assert (node.primitive, dict(node.attributes)["at"]) == ("index", 3)
    assert last_node(lambda x: x[:, -1]).primitive == "other"


WINDOWS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "same": (lambda x, w: tf.nn.conv2d(x, w, 2, "SAME"), (PICTURE, KERNEL)),
    "valid": (lambda x, w: tf.nn.conv2d(x, w, (2, 1), "VALID"), (PICTURE, KERNEL)),
    "explicit": (
        lambda x, w: tf.nn.conv2d(x, w, 3, ((0, 0), (2, 1), (0, 3), (0, 0))),
        (PICTURE, KERNEL),
    ),
    "dilated": (lambda x, w: tf.nn.conv2d(x, w, 1, "SAME", dilations=2), (PICTURE, KERNEL)),
    "spread": (
        lambda x, w: tf.nn.convolution(x, w, padding="SAME", dilations=(2, 3)),
        (PICTURE, KERNEL),
    ),
    "groups": (lambda x, w: tf.nn.conv2d(x, w, 1, "SAME"), (np.tile(PICTURE, 2), KERNEL)),
    "signals": (lambda x, w: tf.nn.conv1d(x, w, 2, "SAME"), (X, numbers(2, 4, 3))),
    "spread signals": (
        lambda x, w: tf.nn.convolution(x, w, padding="SAME", dilations=(2,)),
        (numbers(2, 9, 4), numbers(3, 4, 3)),
    ),
    "volumes": (
        lambda x, w: tf.nn.conv3d(x, w, (1, 1, 2, 1, 1), "SAME"),
        (PICTURE[..., None], numbers(2, 3, 2, 1, 3)),
    ),
    "depthwise": (
        lambda x, w: tf.nn.depthwise_conv2d(x, w, (1, 2, 2, 1), "SAME"),
        (PICTURE, numbers(3, 2, 3, 2)),
    ),
    "spread depthwise": (
        lambda x, w: tf.nn.depthwise_conv2d(x, w, (1, 1, 1, 1), "SAME", dilations=(2, 2)),
        (PICTURE, numbers(3, 2, 3, 1)),
    ),
    "transposed": (
        lambda x, w: tf.nn.conv2d_transpose(x, w, (2, 13, 12, 2), 2, "SAME"),
        (PICTURE, numbers(3, 2, 2, 3)),
    ),
    "transposed valid": (
        lambda x, w: tf.nn.conv2d_transpose(x, w, (2, 16, 13, 2), 2, "VALID"),
        (PICTURE, numbers(3, 2, 2, 3)),
    ),
    "transposed signals": (
        lambda x, w: tf.nn.conv1d_transpose(x, w, (2, 6, 3), 2, "SAME"),
        (X, numbers(3, 3, 4)),
    ),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_convolutions_are_what_their_attributes_say(name: str) -> None:
    call, given = WINDOWS[name]
    graph, (wanted,) = captured(call, given)
    (node,) = [node for node in graph.nodes if node.primitive == "conv"]
    assert {one.primitive for one in graph.nodes} <= {"conv", "reshape", "identity"}
    x, weight = given
    if "depthwise" in name:
        weight = weight.reshape(*weight.shape[:2], -1)
    elif len(graph.shape(node.operands[1])) > weight.ndim:
        weight = weight[None]
    found = convolved(node.attributes, x, weight, wanted.shape)
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


def convolved(
    attributes: Mapping[str, Any], x: Numbers, weight: Numbers, shape: tuple[int, ...]
) -> Numbers:
    """A convolution tap by tap, or the transpose of one."""
    output, incoming, *places = attributes["weight_axes"]
    if incoming is None:
        weight, incoming = weight[..., None], weight.ndim
    rest = [axis for axis in range(weight.ndim) if axis not in (output, incoming, *places)]
    weight = np.transpose(weight, (output, incoming, *places, *rest))
    weight = weight.reshape(weight.shape[: 2 + len(places)])  # without axes of length 1
    groups, x = attributes["groups"], np.transpose(x, attributes["x_axes"])
    strides, dilation = attributes["strides"], attributes["dilation"]
    padding = attributes["padding"]
    result = np.zeros([shape[axis] for axis in attributes["result_axes"]])
    transposed = attributes["transposed"]
    wide, narrow = (result, x) if transposed else (x, result)
    padded = np.pad(wide, ((0, 0), (0, 0), *padding))
    if transposed:
        padded = np.zeros_like(padded)
    for tap in product(*map(range, weight.shape[2:])):
        seen = tuple(
            slice(at * d, at * d + stride * (length - 1) + 1, stride)
            for at, d, stride, length in zip(tap, dilation, strides, narrow.shape[2:], strict=True)
        )
        mixing = weight[(..., *tap)].reshape(groups, -1, weight.shape[1])
        given = x if transposed else padded[(slice(None), slice(None), *seen)]
        split = given.reshape(len(given), groups, -1, *given.shape[2:])
        letters = "xyz"[: len(tap)]
        mixed = np.einsum(f"goi,ngi{letters}->ngo{letters}", mixing, split)
        mixed = mixed.reshape(len(given), -1, *given.shape[2:])
        if transposed:
            padded[(slice(None), slice(None), *seen)] += mixed
        else:
            result += mixed
    if transposed:
        inner = [slice(low, low + n) for (low, _), n in zip(padding, result.shape[2:], strict=True)]
        result = padded[(slice(None), slice(None), *inner)]
    return np.transpose(result, np.argsort(attributes["result_axes"]))


POOLS: dict[str, Callable[..., Any]] = {
    "max": lambda x: tf.nn.max_pool2d(x, 3, 2, "SAME"),
    "max, valid": lambda x: tf.nn.max_pool2d(x, (2, 3), (1, 2), "VALID"),
    "average": lambda x: tf.nn.avg_pool2d(x, 2, 2, "SAME"),
    "of numbers": lambda x: raw.MaxPoolV2(
        input=x, ksize=[1, 2, 2, 1], strides=[1, 1, 3, 1], padding="SAME"
    ),
}


@pytest.mark.parametrize("name", POOLS)
def test_pools_are_what_their_attributes_say(name: str) -> None:
    graph, (wanted,) = captured(POOLS[name], [PICTURE])
    (node,) = [node for node in graph.nodes if "pool" in node.primitive]
    attributes = node.attributes
    filling = -np.inf if node.primitive == "max_pool" else np.nan
    padded = np.pad(PICTURE, attributes["padding"], constant_values=filling)
    windows = np.lib.stride_tricks.sliding_window_view(padded, attributes["window"])
    windows = windows[tuple(slice(None, None, stride) for stride in attributes["strides"])]
    reduce = np.max if node.primitive == "max_pool" else np.nanmean
    found = reduce(windows, axis=tuple(range(4, 8)))
    assert attributes.get("count_padding", False) is False
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_what_is_not_known_is_other() -> None:
    """An axis that is an argument, and an operation that is not in the table."""
    graph, _ = captured(lambda x, at: tf.reduce_sum(x, at), (X, np.int32(1)))
    assert graph.nodes[0].primitive == "other"
    graph, _ = captured(tf.linalg.inv, (numbers(2, 3, 3),))
    assert "other" in {node.primitive for node in graph.nodes}


def test_rows_name_primitives_of_types_that_there_are() -> None:
    missing = [name for name in (*SAME, *ROWS) if not hasattr(raw, name)]
    assert not missing


@tf.custom_gradient  # type: ignore[untyped-decorator]
def doubled(x: Any) -> Any:
    return tf.tanh(x) * 2.0, lambda grad: grad


def test_functions_with_gradients_of_their_own_are_calls() -> None:
    graph = alike(lambda x: doubled(x) + 1.0, X)
    assert [node.primitive for node in graph.nodes] == ["call", "add", "identity"]
    assert graph.nodes[0].type == "custom_gradient"
    body = graph.nodes[0].attributes["body"]
    assert [node.primitive for node in body.nodes][:2] == ["tanh", "mul"]


def test_a_mean_that_a_variance_is_around_is_not_held() -> None:
    graph = alike(lambda x: tf.nn.moments(x, (1,))[1], X)
    assert "stop_gradient" not in {node.primitive for node in graph.nodes}


def shifted_variance(x: tf.Tensor) -> tf.Tensor:
    """As `tf.nn.moments` has it from TensorFlow 2.22 on."""
    around = x - tf.stop_gradient(tf.reduce_mean(x, 1, keepdims=True))
    square = tf.square(tf.reduce_mean(around, 1, keepdims=True))
    return tf.maximum(tf.reduce_mean(tf.square(around), 1, keepdims=True) - square, 0.0)


def test_a_mean_that_numbers_are_shifted_by_is_not_held() -> None:
    graph = alike(shifted_variance, X)
    assert "stop_gradient" not in {node.primitive for node in graph.nodes}


@pytest.mark.parametrize(
    "made",
    [
        lambda around: tf.tanh(around),
        lambda around: tf.square(around) - tf.reduce_mean(around, 1, keepdims=True),
        lambda around: tf.reduce_mean(tf.square(around), 1) - tf.reduce_sum(around, 1),
        lambda around: tf.square(tf.reduce_mean(around, 1)) - tf.reduce_mean(around**3, 1),
    ],
)
def test_a_mean_of_other_use_is_held(made: Callable[[Any], Any]) -> None:
    def call(x: tf.Tensor) -> Any:
        return made(x - tf.stop_gradient(tf.reduce_mean(x, 1, keepdims=True)))

    assert "stop_gradient" in {node.primitive for node in alike(call, X).nodes}
