"""The golden nets: small nets of every style, each said once in plain steps, with weights from a seed.

A net is a function of `Layers`, which each framework's builder says in its own words, and of the inputs.
Pictures are (N, height, width, channels) here, whatever order a framework has; kernels of convolutions
(height, width, in, out), those of dense layers (in, out).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar, final

import numpy as np
from numpy.typing import NDArray

from backlight.rules.operations import Kind
from backlight.values.outputs import OutputKind

Values = NDArray[np.float64]
A = TypeVar("A")
EPSILON_BATCH_NORM = 1e-3
EPSILON_LAYER_NORM = 1e-5
HEADS = 2


class Layers(Protocol[A]):
    """What the golden nets are made of, in a framework's own arrays and words.

    `name` is that of a layer with weights: `net.weights` has `{name}.kernel`, `{name}.bias` and so on.
    """

    def convolution(self, x: A, name: str) -> A:
        """Pictures, 3 x 3, stride 1, zeros around, so that height and width stay; `kernel`, `bias`."""

    def batch_norm(self, x: A, name: str) -> A:
        """(x - mean) / sqrt(variance + EPSILON_BATCH_NORM) * scale + shift for each channel of pictures;
        `scale`, `shift`, `mean`, `variance` are constants."""

    def dense(self, x: A, name: str) -> A:
        """x kernel + bias along the last axis, (..., in) to (..., out); `kernel`, `bias`."""

    def layer_norm(self, x: A, name: str) -> A:
        """(x - mean) / sqrt(variance + EPSILON_LAYER_NORM) * scale + shift, the mean and the variance
        (over n, not n - 1) being those of x along its last axis; `scale`, `shift`."""

    def attention(self, query: A, key: A, value: A) -> A:
        """softmax(query key^T / sqrt(width of a head)) value for each of HEADS heads; arguments and
        result are (N, tokens, features). A head has neighbouring features. There are no weights."""

    def relu(self, x: A) -> A:
        """max(x, 0)."""

    def gelu(self, x: A) -> A:
        """x times the normal distribution's cumulative function at x: the exact one, by erf."""

    def sigmoid(self, x: A) -> A:
        """1 / (1 + exp(-x))."""

    def softmax(self, x: A) -> A:
        """Along the last axis."""

    def max_pool(self, x: A) -> A:
        """Pictures, windows of 2 x 2, stride 2."""

    def mean_of_places(self, x: A) -> A:
        """Pictures (N, height, width, channels) to (N, channels)."""

    def mean_of_tokens(self, x: A) -> A:
        """(N, tokens, features) to (N, features)."""

    def add(self, x: A, y: A) -> A:
        """x + y, number by number."""

    def multiply(self, x: A, y: A) -> A:
        """x y, number by number."""

    def concat(self, x: A, y: A) -> A:
        """Joined along the last axis."""


@final
@dataclass(frozen=True, eq=False)
class Net:
    """A golden net.

    Attributes:
        name: what checks call it.
        run: from layers and inputs to the outputs, (N, 3).
        weights: float64, by names such as `conv1.kernel`.
        inputs: what it is looked at with, float64, axis 0 the examples.
        kind: what the outputs hold.
        kinds: how many operations there are of each kind that is not the same everywhere.
        linear: for each dense or convolution operation in order, whether it is first and last.
        depth: how many operations of `RULED` each way from the input to the score meets; None where
            ways differ.
    """

    name: str
    run: Callable[..., Any]
    weights: Mapping[str, Values]
    inputs: tuple[Values, ...]
    kinds: Mapping[Kind, int] = field(default_factory=dict)
    linear: tuple[tuple[bool, bool], ...] = ()
    depth: int | None = None
    kind: OutputKind = "logits"

    def with_weights(self, others: Mapping[str, Values]) -> "Net":
        """The same net with some other weights."""
        return replace(self, weights={**self.weights, **others})

    def without_biases(self) -> "Net":
        """The same net with every bias and shift 0."""
        none = {
            name: np.zeros_like(values)
            for name, values in self.weights.items()
            if name.endswith((".bias", ".shift", ".mean"))
        }
        return replace(self.with_weights(none), name=f"{self.name}_without_biases")


def drawn(seed: int, **shapes: tuple[int, ...]) -> dict[str, Values]:
    """Kernels and biases of layers by their kernels' shapes; scale and shift of those whose name begins
    with `norm`; mean and variance too of those whose name begins with `batch`."""
    rng = np.random.default_rng(seed)
    found: dict[str, Values] = {}
    for name, shape in shapes.items():
        width = shape[-1]
        if name.startswith(("norm", "batch")):
            found[f"{name}.scale"] = rng.uniform(0.5, 1.5, width)
            found[f"{name}.shift"] = rng.normal(0.0, 0.3, width)
        if name.startswith("batch"):
            found[f"{name}.mean"] = rng.normal(0.0, 0.3, width)
            found[f"{name}.variance"] = rng.uniform(0.5, 1.5, width)
        elif not name.startswith("norm"):
            found[f"{name}.kernel"] = rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))
            found[f"{name}.bias"] = rng.normal(0.0, 0.3, width)
    return found


def inputs(seed: int, *shapes: tuple[int, ...]) -> tuple[Values, ...]:
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=shape) for shape in shapes)


def cnn(do: Layers[A], x: A) -> A:
    x = do.max_pool(do.relu(do.convolution(x, "conv1")))
    x = do.relu(do.batch_norm(do.convolution(x, "conv2"), "batch2"))
    return do.dense(do.mean_of_places(x), "head")


def picture(do: Layers[A], x: A) -> A:
    x = do.relu(do.convolution(x, "conv"))
    return do.dense(do.mean_of_places(x), "head")


def folded(do: Layers[A], x: A) -> A:
    x = do.batch_norm(do.convolution(x, "conv"), "batch")
    return do.dense(do.mean_of_places(x), "head")


def plateaus(do: Layers[A], x: A) -> A:
    return do.dense(do.mean_of_places(do.max_pool(x)), "head")


def transformer(do: Layers[A], x: A) -> A:
    y = do.layer_norm(x, "norm1")
    query, key, value = (do.dense(y, name) for name in ("query", "key", "value"))
    x = do.add(x, do.dense(do.attention(query, key, value), "out"))
    y = do.gelu(do.dense(do.layer_norm(x, "norm2"), "up"))
    x = do.add(x, do.dense(y, "down"))
    return do.dense(do.mean_of_tokens(x), "head")


def gated(do: Layers[A], x: A) -> A:
    gate = do.sigmoid(do.dense(x, "gate"))
    return do.dense(do.multiply(do.dense(x, "value"), gate), "head")


def normalised(do: Layers[A], x: A) -> A:
    x = do.relu(do.layer_norm(do.dense(x, "hidden"), "norm"))
    return do.softmax(do.dense(x, "head"))


def two_tables(do: Layers[A], x: A, y: A) -> A:
    x, y = do.relu(do.dense(x, "left")), do.relu(do.dense(y, "right"))
    return do.dense(do.concat(x, y), "head")


RULED = frozenset(
    {
        *(Kind.CONVOLUTION, Kind.DENSE, Kind.RELU, Kind.GELU, Kind.SIGMOID, Kind.MAX_POOL),
        *(Kind.SOFTMAX, Kind.NORMALIZATION, Kind.MUL, Kind.MATMUL),
    }
)
"""The kinds that `Net.kinds` counts: what each framework shows, however it computes it."""

FIRST, BETWEEN, LAST = (True, False), (False, False), (False, True)

CNN = Net(
    "cnn",
    cnn,
    drawn(1, conv1=(3, 3, 5, 6), conv2=(3, 3, 6, 7), batch2=(7,), head=(7, 3)),
    inputs(1, (3, 8, 6, 5)),
    {Kind.CONVOLUTION: 2, Kind.DENSE: 1, Kind.RELU: 2, Kind.MAX_POOL: 1},
    (FIRST, BETWEEN, LAST),
    depth=6,
)
PICTURE = Net(
    "picture",
    picture,
    drawn(8, conv=(3, 3, 5, 4), head=(4, 3)),
    inputs(8, (3, 4, 3, 5)),
    {Kind.CONVOLUTION: 1, Kind.DENSE: 1, Kind.RELU: 1},
    (FIRST, LAST),
    depth=3,
)
FOLDED = Net(
    "folded",
    folded,
    drawn(2, conv=(3, 3, 5, 4), batch=(4,), head=(4, 3)),
    inputs(2, (3, 4, 3, 5)),
    {Kind.CONVOLUTION: 1, Kind.DENSE: 1},
    (FIRST, LAST),
    depth=2,
)
PLATEAUS = Net(
    "plateaus",
    plateaus,
    drawn(3, head=(2, 3)),
    (np.random.default_rng(3).integers(0, 3, size=(3, 6, 4, 2)).astype(np.float64),),
    {Kind.MAX_POOL: 1, Kind.DENSE: 1},
    ((True, True),),
    depth=2,
)
TRANSFORMER = Net(
    "transformer",
    transformer,
    drawn(
        4,
        **dict.fromkeys(("query", "key", "value", "out"), (6, 6)),
        norm1=(6,),
        norm2=(6,),
        up=(6, 8),
        down=(8, 6),
        head=(6, 3),
    ),
    inputs(4, (3, 5, 6)),
    {Kind.DENSE: 7, Kind.GELU: 1, Kind.SOFTMAX: 1, Kind.NORMALIZATION: 2, Kind.MATMUL: 2},
    # The way round the attention and the feed-forward part meets no linear operation before these.
    (FIRST, FIRST, FIRST, BETWEEN, FIRST, BETWEEN, (True, True)),
)
GATED = Net(
    "gated",
    gated,
    drawn(5, gate=(7, 5), value=(7, 5), head=(5, 3)),
    inputs(5, (3, 7)),
    {Kind.DENSE: 3, Kind.SIGMOID: 1, Kind.MUL: 1},
    (FIRST, FIRST, LAST),
)
NORMALISED = Net(
    "normalised",
    normalised,
    drawn(6, hidden=(7, 6), norm=(6,), head=(6, 3)),
    inputs(6, (3, 7)),
    {Kind.DENSE: 2, Kind.NORMALIZATION: 1, Kind.RELU: 1, Kind.SOFTMAX: 1},
    (FIRST, LAST),
    depth=5,
    kind="probabilities",
)
TWO_TABLES = Net(
    "two_tables",
    two_tables,
    drawn(7, left=(4, 5), right=(6, 3), head=(8, 3)),
    inputs(7, (3, 4), (3, 6)),
    {Kind.DENSE: 3, Kind.RELU: 2},
    (FIRST, FIRST, LAST),
    depth=3,
)
NETS = (CNN, PICTURE, FOLDED, PLATEAUS, TRANSFORMER, GATED, NORMALISED, TWO_TABLES)
