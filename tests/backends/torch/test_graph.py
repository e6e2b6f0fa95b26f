"""PyTorch's operations in the core's terms: evaluating the graph in NumPy gives what PyTorch gives."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from backlight.graph.evaluation import graph_key
from backlight.graph.graph import Graph, Node
from backlight.graph.primitives import PRIMITIVES, Family, evaluated
from backlight_torch.capture.recorder import EVERYTHING, Recorder, Table
from backlight_torch.capture.records import Record
from backlight_torch.capture.steps import Step
from backlight_torch.table import primitive_of
from backlight_torch.table.reading import Found

Function: TypeAlias = Callable[[torch.Tensor], torch.Tensor]


def numbers(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


W, V, PLACES = numbers(4, 4, seed=2), numbers(2, 4, 3, seed=3), torch.tensor([2, 0, 1])
MASK = torch.tensor([[True, False, True, False]] * 3)


def recorded(
    function: Function,
    x: torch.Tensor,
    graph: bool = True,
    before: Sequence[Step] = (),
    table: Table = primitive_of,
) -> tuple[Recorder, Any]:
    leaf = x.clone().requires_grad_(graph)
    recorder = Recorder(table, lambda: "", keep=EVERYTHING, before=before)
    recorder.source(leaf)
    with torch.set_grad_enabled(graph), recorder:
        result = function(leaf.view_as(leaf))
    recorder.finish([result])
    return recorder, result


def in_numpy(recorder: Recorder) -> np.ndarray[Any, Any]:
    """The target, from the sources and the constants, by the primitives' meaning."""
    graph, values = recorder.graph, dict[int, Any]()

    def read(value: int) -> Any:
        if value not in values:
            made = graph.values[value].number
            values[value] = recorder.tensors[value].numpy() if made is None else np.asarray(made)
        return values[value]

    for node in graph.nodes:
        found = evaluated(node, [read(value) for value in node.operands])
        assert found is not None, node.primitive
        values.update(zip(node.results, found, strict=False))
    return np.asarray(read(graph.targets[0]))


def through_a_view(x: torch.Tensor) -> torch.Tensor:
    y = x * 2
    y.view(-1).relu_()
    return y + 1


def whole_first(x: torch.Tensor) -> torch.Tensor:
    y = x * 2
    view = y.view(4, 3)
    y.mul_(y.sigmoid())
    return view * 3


def apart(x: torch.Tensor) -> torch.Tensor:
    one, other = (x * 2).unsafe_split(2, 1)
    return one.exp_() * other


def every_other(x: torch.Tensor) -> torch.Tensor:
    y = x * 2
    odd = y[:, 1::2]
    y[:, ::2].exp_()
    return odd * 3


def in_inference_mode(x: torch.Tensor) -> torch.Tensor:
    """Where a mode sees operations whole that PyTorch otherwise takes apart before."""
    with torch.inference_mode():
        parts = x.reshape(2, 6).softmax(1).chunk(2, 1)
        return functional.linear(torch.matmul(parts[1], V[0, :3]).flatten(), V.reshape(4, 6))


MEANT: dict[str, Function] = {
    **{
        name: getattr(torch, name)
        for name in [
            "neg",
            "abs",
            "exp",
            "exp2",
            "expm1",
            "sin",
            "cos",
            "tan",
            "atan",
            "sinh",
            "cosh",
            "tanh",
            "asinh",
            "erf",
            "erfc",
            "sigmoid",
            "relu",
            "sign",
            "floor",
            "ceil",
            "round",
            "trunc",
            "reciprocal",
            "isnan",
            "isinf",
            "isfinite",
            "logical_not",
        ]
    },
    **{
        name: lambda x, name=name: getattr(torch, name)(x.abs() / 4 + 0.1)
        for name in ("log", "log2", "log10", "log1p", "sqrt", "rsqrt", "asin", "acos", "atanh")
    },
    "acosh": lambda x: torch.acosh(x.abs() + 1.1),
    "silu": functional.silu,
    "mish": functional.mish,
    "hardswish": functional.hardswish,
    "hardsigmoid": functional.hardsigmoid,
    "hardtanh": lambda x: functional.hardtanh(x, -0.3, 0.4),
    "relu6": functional.relu6,
    "logsigmoid": functional.logsigmoid,
    "celu": lambda x: functional.celu(x, 0.7),
    "elu": lambda x: functional.elu(x, 0.7),
    "selu": functional.selu,
    "leaky_relu": lambda x: functional.leaky_relu(x, 0.2),
    "rrelu": lambda x: functional.rrelu(x, 0.1, 0.3),
    "prelu": lambda x: functional.prelu(x, numbers(1)),
    "gelu": functional.gelu,
    "gelu by tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "softplus": lambda x: functional.softplus(x, 2.0),
    "threshold": lambda x: functional.threshold(x, 0.2, 0.1),
    "clamp": lambda x: x.clamp(-0.3, 0.4),
    "clamp_min": lambda x: x.clamp(min=0.1),
    "clamp_max": lambda x: x.clamp(max=0.1),
    "softsign": functional.softsign,
    "square": torch.square,
    "pow": lambda x: x.abs() ** 1.5,
    "power of a number": lambda x: 2.0**x,
    "add": lambda x: x + W[:3],
    "sub": lambda x: W[:3] - x,
    "rsub": lambda x: torch.rsub(x, 2.0),
    "mul": lambda x: x * x,
    "div": lambda x: 1.0 / x,
    "floor_divide": lambda x: torch.div(x, 0.3, rounding_mode="floor"),
    "remainder": lambda x: torch.remainder(x, 0.3),
    "atan2": lambda x: torch.atan2(x, W[:3]),
    "maximum": lambda x: torch.maximum(x, W[:3]),
    "minimum": lambda x: torch.minimum(x, x.flip(1)),
    "fmax": lambda x: torch.fmax(x, W[:3]),
    "where": lambda x: torch.where(x > 0.1, x, 0.5 * x),
    "masked_fill": lambda x: x.masked_fill(MASK, 3.0),
    "comparisons": lambda x: ((x >= 0) & (x < 1)) | (x <= -1) | (x == 2) | (x != 3),
    "clone": lambda x: x.clone().contiguous(),
    "cast": lambda x: (x * 3).long().double(),
    "detach": lambda x: x.detach() + x,
    "view": lambda x: x.view(2, 6),
    "squeeze": lambda x: x.unsqueeze(1).squeeze(1),
    "permute": lambda x: x.reshape(3, 2, 2).permute(2, 0, 1),
    "transpose": lambda x: x.transpose(0, 1),
    "t": lambda x: x.t(),
    "expand": lambda x: x[:, None].expand(3, 5, 4),
    "slice": lambda x: x[1:, -3:-1],
    "every other": lambda x: x[:, ::2],
    "select": lambda x: x[:, -1],
    "split": lambda x: x.split(3, 1)[1],
    "chunk": lambda x: x.chunk(2, 1)[1],
    "unbind": lambda x: x.unbind(1)[2],
    "cat": lambda x: torch.cat([x, x.exp()], 1),
    "stack": lambda x: torch.stack([x, x.exp()], -1),
    "flip": lambda x: x.flip(1),
    "roll": lambda x: x.roll(1, 1),
    "repeat": lambda x: x.repeat(2, 1),
    "index": lambda x: x[:, PLACES],
    "index_select": lambda x: x.index_select(1, PLACES),
    "embedding": lambda x: functional.embedding(PLACES, x),
    "pad": lambda x: functional.pad(x, (1, 2), value=0.5),
    "reflection_pad": lambda x: functional.pad(x[None], (2, 1), mode="reflect"),
    "replication_pad": lambda x: functional.pad(x[None], (2, 1), mode="replicate"),
    "sum": lambda x: x.sum(1, keepdim=True),
    "sum of all": lambda x: x.sum(),
    "mean": lambda x: x.mean(0),
    "amax": lambda x: x.amax(1),
    "amin": lambda x: x.amin((0, 1)),
    "max": lambda x: x.max(1)[0],
    "max of all": lambda x: x.max(),
    "min": lambda x: x.min(0)[0],
    "prod": lambda x: x.prod(1),
    "any": lambda x: (x > 1).any(1),
    "all": lambda x: (x > -1).all(),
    "argmax": lambda x: x.argmax(1),
    "argmin": lambda x: x.argmin(),
    "cumsum": lambda x: x.cumsum(1),
    "logsumexp": lambda x: x.logsumexp(1),
    "softmax": lambda x: x.softmax(1),
    "log_softmax": lambda x: x.log_softmax(0),
    "var": lambda x: x.var(1),
    "std": lambda x: x.std(1, correction=0, keepdim=True),
    "norm": lambda x: torch.linalg.vector_norm(x, dim=1),
    "norm of order 3": lambda x: x.norm(3, dim=1),
    "mm": lambda x: x @ W,
    "mm, turned": lambda x: W @ x.T,
    "bmm": lambda x: x.expand(2, 3, 4) @ V,
    "mv": lambda x: x @ W[0],
    "dot": lambda x: torch.dot(x[0], W[0]),
    "addmm": lambda x: torch.addmm(W[:3], x, W),
    "addmv": lambda x: torch.addmv(W[0, :3], x, W[1]),
    "baddbmm": lambda x: torch.baddbmm(V[:, :3], x.expand(2, 3, 4), V),
    "linear": lambda x: functional.linear(x.expand(2, 3, 4), W, W[0]),
    "einsum": lambda x: torch.einsum("bi,kij->kbj", x, V),
    "layer_norm": lambda x: functional.layer_norm(x, (4,), W[0], W[1]),
    "rms_norm": lambda x: functional.rms_norm(x, (4,), W[0], 1e-3),
    "group_norm": lambda x: functional.group_norm(x, 2, W[0], W[1]),
    "batch_norm": lambda x: functional.batch_norm(x, W[0], W[1].abs(), W[2], W[3]),
    "batch_norm by its own": lambda x: functional.batch_norm(x, None, None, training=True),
    "clamp_min by its name": lambda x: torch.clamp_min(x, 0.1),
    "clamp_max by its name": lambda x: torch.clamp_max(x, 0.1),
    "fmin": lambda x: torch.fmin(x, W[:3]),
    "floor_divide by its name": lambda x: torch.floor_divide(x, 0.3),
    "logical": lambda x: (x > 0).logical_and(x < 1).logical_or(x < -1).logical_xor(MASK),
    "bitwise": lambda x: ~((x > 0) ^ MASK),
    "complex": lambda x: torch.complex(x, x.exp()).conj_physical() * 2,
    "fill": lambda x: (x * 2).fill_(0.5) + x,
    "zero": lambda x: (x * 2).zero_() + x,
    "split_with_sizes": lambda x: x.split([1, 3], 1)[1],
    "unsafe_split_with_sizes": lambda x: x.unsafe_split_with_sizes([1, 3], 1)[1],
    "reflection_pad2d": lambda x: functional.pad(x[None], (2, 1, 1, 2), mode="reflect"),
    "replication_pad2d": lambda x: functional.pad(x[None], (2, 1, 1, 2), mode="replicate"),
    "reflection_pad3d": lambda x: functional.pad(
        x.reshape(1, 3, 2, 2), (1, 1, 1, 0, 2, 1), mode="reflect"
    ),
    "replication_pad3d": lambda x: functional.pad(
        x.reshape(1, 3, 2, 2), (1, 1, 1, 0, 2, 1), mode="replicate"
    ),
    "norm by its name": lambda x: torch.ops.aten.norm(x, 3.0, [1], True),
    "in inference mode": in_inference_mode,
    "relu in place": lambda x: (x * 2).relu_(),
    "through a view": through_a_view,
    "whole first": whole_first,
    "parts apart": apart,
    "parts in between": every_other,
}


@pytest.mark.parametrize("name", MEANT)
def test_the_graph_has_pytorchs_meaning(name: str) -> None:
    recorder, result = recorded(MEANT[name], numbers(3, 4))
    assert not any(node.primitive in ("other", "gather") for node in recorder.graph.nodes)
    expected = result.detach().resolve_conj().numpy()
    found = in_numpy(recorder)
    assert recorder.graph.shape(recorder.graph.targets[0]) == found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


AT = torch.tensor([[0, 2, 1, 3]] * 3)


def solid(x: torch.Tensor) -> torch.Tensor:
    return x.reshape(1, 1, 2, 3, 2).expand(1, 2, 2, 3, 2).repeat(1, 1, 2, 2, 2)


def flat(x: torch.Tensor) -> torch.Tensor:
    return solid(x).flatten(3)


SAID: dict[str, tuple[str, Function]] = {
    **{
        name: ("gather", function)
        for name, function in {
            "take": lambda x: x.take(PLACES),
            "gather": lambda x: x.gather(1, AT),
            "masked_select": lambda x: x.masked_select(MASK),
            "diagonal": lambda x: x.diagonal(),
            "diag_embed": lambda x: x.diag_embed(),
            "as_strided": lambda x: (x * 1).as_strided((2, 2), (4, 2), 1),
            "tril": torch.tril,
            "triu": torch.triu,
            "rot90": torch.rot90,
            "pixel_shuffle": lambda x: functional.pixel_shuffle(flat(x).transpose(1, 2), 2),
            "pixel_unshuffle": lambda x: functional.pixel_unshuffle(flat(x), 2),
            "channel_shuffle": lambda x: functional.channel_shuffle(flat(x), 2),
            "block_diag": lambda x: torch.block_diag(x, x),
        }.items()
    },
    "unfold": ("windows", lambda x: x.unfold(1, 2, 1)),
    "im2col": ("windows", lambda x: functional.unfold(flat(x)[:, :, 0, None], (1, 2))),
    "slice_scatter": ("update", lambda x: x.slice_scatter(x[:, :2] * 1, 1, 2)),
    "select_scatter": ("update", lambda x: x.select_scatter(x[:, 0] * 1, 1, 2)),
    "diagonal_scatter": ("update", lambda x: x.diagonal_scatter(x[:, 0] * 1)),
    "as_strided_scatter": ("update", lambda x: x.as_strided_scatter(x[:, 0] * 1, (3,), (1,))),
    "index_put": ("scatter", lambda x: x.index_put((PLACES,), x.flip(0))),
    "put": ("scatter", lambda x: x.put(PLACES, x[:, 0] * 1)),
    "index_fill": ("scatter", lambda x: x.index_fill(1, PLACES, 0.0)),
    "index_copy": ("scatter", lambda x: x.index_copy(1, PLACES, x[:, :3].flip(0))),
    "scatter": ("scatter", lambda x: x.scatter(1, AT, x.flip(0))),
    "masked_scatter": ("scatter", lambda x: x.masked_scatter(MASK, x.flip(0))),
    "index_add": ("scatter_add", lambda x: x.index_add(1, PLACES, x[:, :3].flip(0))),
    "scatter_add": ("scatter_add", lambda x: x.scatter_add(1, AT, x.flip(0))),
    "scatter, added": ("scatter_add", lambda x: x.scatter(1, AT, x.flip(0), reduce="add")),
    "index_reduce": ("scatter_add", lambda x: x.index_reduce(1, PLACES, x[:, :3] * 1, "mean")),
    "scatter_reduce": ("scatter_add", lambda x: x.scatter_reduce(1, AT, x.flip(0), "sum")),
    "nansum": ("linear_map", lambda x: x.nansum(1)),
    "col2im": ("linear_map", lambda x: functional.fold(x[None], (2, 4), (1, 3))),
    "trace": ("linear_map", torch.trace),
    "affine_grid": (
        "linear_map",
        lambda x: functional.affine_grid(x[None, :2, :3], [1, 1, 2, 2], False),
    ),
    "_fft_r2c": ("linear_map", lambda x: torch.fft.rfft(x).real),
    "_fft_c2r": ("linear_map", lambda x: torch.fft.irfft(torch.complex(x, x))),
    "_fft_c2c": ("linear_map", lambda x: torch.fft.fft(torch.complex(x, x)).imag),
    "grid_sampler_2d": (
        "linear_map",
        lambda x: functional.grid_sample(flat(x), V[None, :, :2, :2] / 3, align_corners=False),
    ),
    "grid_sampler_3d": (
        "linear_map",
        lambda x: functional.grid_sample(solid(x), V[None, :, None] / 3, align_corners=False),
    ),
    "_embedding_bag": ("linear_map", lambda x: functional.embedding_bag(PLACES[None], x)),
    "avg_pool3d": ("avg_pool", lambda x: functional.avg_pool3d(solid(x), 2)),
    "_adaptive_avg_pool3d": ("adaptive_avg_pool", lambda x: nn.AdaptiveAvgPool3d(2)(solid(x))),
    "fractional_max_pool2d": (
        "adaptive_max_pool",
        lambda x: functional.fractional_max_pool2d(flat(x), 2, output_size=2),
    ),
    "fractional_max_pool3d": (
        "adaptive_max_pool",
        lambda x: functional.fractional_max_pool3d(solid(x), 2, output_size=2),
    ),
    "max_pool3d": ("max_pool", lambda x: functional.max_pool3d(solid(x), 2)),
    "adaptive_max_pool3d": ("adaptive_max_pool", lambda x: nn.AdaptiveMaxPool3d(2)(solid(x))),
    **{
        f"upsample by {mode} of {len(shape)}, smooth {smooth}": (
            "resize",
            lambda x, mode=mode, shape=shape, smooth=smooth: functional.interpolate(
                x.reshape(1, 1, *shape), scale_factor=2, mode=mode, antialias=smooth
            ),
        )
        for mode, shape, smooth in [
            *((mode, s, False) for mode in ("nearest", "nearest-exact") for s in [(12,), (3, 4)]),
            *((mode, (3, 2, 2), False) for mode in ("nearest", "nearest-exact", "trilinear")),
            ("linear", (12,), False),
            ("bicubic", (3, 4), False),
            ("bilinear", (4, 3), True),
            ("bicubic", (4, 3), True),
        ]
    },
    "sort": ("sort", lambda x: x.sort(1)[0]),
    "topk": ("top_k", lambda x: x.topk(2)[0]),
    "dropout": ("random", lambda x: torch.native_dropout(x, 0.5, True)[0]),
    "bernoulli": ("random", lambda x: x.sigmoid().bernoulli()),
    "multinomial": ("random", lambda x: x.exp().multinomial(2)),
    "normal": ("random", lambda x: torch.normal(x, 1.0)),
}
"""What NumPy does not evaluate, with the primitive that it is."""


@pytest.mark.filterwarnings("ignore:.*(index_reduce|reduce argument):UserWarning")
@pytest.mark.parametrize("name", SAID)
def test_what_an_operation_is_holds_of_it(name: str) -> None:
    """Sums are linear, and moves and extrema give no other numbers than they were given."""
    primitive, function = SAID[name]
    x, y = numbers(3, 4), numbers(3, 4, seed=5)
    graph = recorded(function, x)[0].graph
    said = [node.primitive for node in graph.nodes]
    assert primitive in said
    assert "other" not in said
    kind = PRIMITIVES[primitive].family
    if kind is Family.SUM:
        torch.testing.assert_close(function(x + 2 * y), function(x) + 2 * function(y))
    if kind in (Family.MOVE, Family.EXTREMUM) or primitive in ("sort", "top_k"):
        assert {*function(x).flatten().tolist()} <= {0.0, *x.flatten().tolist()}
    if primitive == "random":
        assert not torch.equal(function(x), function(x))


def only(graph: Graph, primitive: str) -> Node:
    (found,) = (node for node in graph.nodes if node.primitive == primitive)
    return found


def test_convolutions_say_how_they_move() -> None:
    x = numbers(2, 4, 9, 8)
    plain = nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 0), (1, 2), groups=2).double()
    node = only(recorded(plain, x)[0].graph, "conv")
    assert node.attributes["strides"] == (2, 1)
    assert node.attributes["padding"] == ((1, 1), (0, 0))
    assert node.attributes["dilation"] == (1, 2)
    assert (node.attributes["groups"], node.attributes["transposed"]) == (2, False)
    assert node.attributes["weight_axes"] == (0, 1, 2, 3)
    turned = nn.ConvTranspose2d(4, 6, 3, 2, padding=1).double()
    node = only(recorded(turned, x)[0].graph, "conv")
    assert node.attributes["transposed"]
    assert node.attributes["weight_axes"] == (1, 0, 2, 3)
    assert node.attributes["x_axes"] == node.attributes["result_axes"] == (0, 1, 2, 3)


def test_pools_and_resizing_say_how_they_move() -> None:
    x = numbers(2, 4, 9, 8)
    graph = recorded(lambda x: functional.max_pool2d(x, 3, 2, 1), x)[0].graph
    node = only(graph, "max_pool")
    assert node.attributes["window"] == (1, 1, 3, 3)
    assert node.attributes["strides"] == (1, 1, 2, 2)
    assert node.attributes["padding"] == ((0, 0), (0, 0), (1, 1), (1, 1))
    graph = recorded(lambda x: functional.avg_pool2d(x, 2, ceil_mode=True), x)[0].graph
    node = only(graph, "avg_pool")
    assert node.attributes["strides"] == (1, 1, 2, 2)
    assert node.attributes["padding"] == ((0, 0), (0, 0), (0, 1), (0, 0))
    node = only(recorded(nn.AdaptiveAvgPool2d(3), x)[0].graph, "adaptive_avg_pool")
    assert node.attributes["axes"] == (2, 3)
    bilinear = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    node = only(recorded(bilinear, x)[0].graph, "resize")
    assert node.attributes == {"axes": (2, 3), "method": "linear", "aligned": True}


def test_writing_into_a_part_is_an_update() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        board = torch.zeros(3, 4, dtype=torch.float64)
        board[:, 1:3] = x[:, 1:3].exp()
        return board.cos()

    recorder, _ = recorded(function, numbers(3, 4))
    update = only(recorder.graph, "update")
    assert update.attributes["starts"] == (0, 1)
    (cosine,) = (node for node in recorder.graph.nodes if node.primitive == "cos")
    assert cosine.operands == update.results


def test_what_stops_gradients_is_a_node() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            y = x.exp()
        return y * x + x.data

    recorder, _ = recorded(function, numbers(3, 4))
    stops = [node for node in recorder.graph.nodes if node.primitive == "stop_gradient"]
    assert [node.attributes["word"] for node in stops] == ["torch.no_grad", "detach"]


def test_the_size_of_an_array_of_one_number_does_not_matter() -> None:
    x = numbers(100, 100)
    for function in (
        lambda x: torch.maximum(x, torch.zeros_like(x)),
        lambda x: torch.maximum(x, torch.tensor(0.0, dtype=x.dtype).expand_as(x)),
    ):
        graph = recorded(function, x)[0].graph
        assert graph.values[only(graph, "maximum").operands[1]].number == 0


def test_operations_run_again_by_themselves() -> None:
    recorder, result = recorded(lambda x: torch.addmm(W[0], x, W).relu_(), numbers(3, 4))
    values = dict(recorder.tensors)
    for node in recorder.graph.nodes:
        if isinstance(node.native, Record):
            values.update(zip(node.results, node.native.run(values), strict=False))
    torch.testing.assert_close(values[recorder.graph.targets[0]], result.detach())


def test_primitives_exist() -> None:
    recorder, _ = recorded(lambda x: torch.special.i0(x) + torch.lgamma(x.abs()), numbers(3, 4))
    assert all(node.primitive in PRIMITIVES for node in recorder.graph.nodes)


def test_what_repeats_the_run_before_is_understood_already() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        y = functional.leaky_relu_(x * 2, 0.1)
        mean, size = torch.var_mean(y, 1)
        return torch.addmm(W[0], y, W).softmax(1) * size[:, None] + mean[:, None]

    first, _ = recorded(function, numbers(3, 4))

    def unasked(record: Record) -> Found:
        raise AssertionError("asked again")

    again, _ = recorded(function, numbers(3, 4, seed=5), before=first.steps, table=unasked)
    assert graph_key(again.graph) == graph_key(first.graph)
    records = [[node.native for node in one.graph.nodes] for one in (first, again)]
    assert set(records[0]).isdisjoint(records[1])


def without_gradients(x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        y = x.exp()
    return x * y


CHANGED: dict[str, tuple[Function, Function]] = {
    "operation": (lambda x: x.relu() + x, lambda x: x.abs() + x),
    "number": (lambda x: functional.leaky_relu(x, 0.1), lambda x: functional.leaky_relu(x, 0.2)),
    "sign of zero": (lambda x: x.clamp(min=0.0), lambda x: x.clamp(min=-0.0)),
    "kind of number": (lambda x: x.pow(3), lambda x: x.pow(3.0)),
    "truth": (lambda x: x.sum(1, keepdim=True), lambda x: x.sum(1)),
    "axis": (lambda x: x[:, :3].sum(0), lambda x: x[:, :3].sum(1)),
    "operands": (lambda x: x.exp() / x, lambda x: x / x.exp()),
    "constant": (lambda x: x * torch.tensor(2.0), lambda x: x * torch.tensor(3.0)),
    "size of a constant": (lambda x: x * W[0], lambda x: x * W[:3]),
    "more before": (lambda x: (x * 2).tanh(), lambda x: (x * 2).exp().tanh()),
    "gradients off": (lambda x: x * x.exp(), without_gradients),
    "gradients stopped": (lambda x: x * x.exp(), lambda x: x.detach() * x.exp()),
    "numbers found": (lambda x: x[x > 0].exp(), lambda x: x[x > 0.5].exp()),
}


@pytest.mark.parametrize("name", CHANGED)
def test_what_differs_from_the_run_before_is_understood_anew(name: str) -> None:
    before, now = (recorded(function, numbers(3, 4))[0] for function in CHANGED[name])
    again, _ = recorded(CHANGED[name][1], numbers(3, 4), before=before.steps)
    assert graph_key(again.graph) == graph_key(now.graph) != graph_key(before.graph)
