"""What each axis stands for, on nets with known answers, and against which numbers do influence which."""

from collections.abc import Callable

import numpy as np
import pytest

from backlight.graph.axes.alignment import shifted
from backlight.graph.axes.atoms import Atom, Joined, Role, atoms_in, length_of, other
from backlight.graph.axes.axes import GraphAxes
from tests.core.graph.nets import Net, influence


def along(net: Net, value: int, axis: int, source: int = 0) -> list[tuple[int, float, float]]:
    """The atoms of places along an input's axis: length, stride, offset."""
    found = GraphAxes.of(net.graph)[value]
    return [
        (atom.length, atom.stride, atom.offset)
        for atom in atoms_in(found)
        if atom.role is Role.PLACES and atom.axis == (source, axis)
    ]


def roles(net: Net, value: int) -> list[list[str]]:
    """What each axis is made of, with letters: E, P and the input's axis, C, ?, and parts."""
    return [written(axis) for axis in GraphAxes.of(net.graph)[value]]


def written(axis) -> list[str]:
    letters = {Role.EXAMPLES: "E", Role.OTHER: "C", Role.LOST: "?"}
    return [
        " + ".join("".join(written(part)) or "1" for part in factor.parts)
        if isinstance(factor, Joined)
        else letters.get(factor.role, f"P{factor.axis[1]}")
        for factor in axis
    ]


def check_centres(net: Net, value: int, *axes: int, period: int = 1) -> None:
    """Where each number of a value is said to lie is the centroid of what influences it, in the middle
    of the input, where no padding is near; over a whole period where neighbours see different things."""
    axes_of = GraphAxes.of(net.graph)[value]
    assert tuple(map(length_of, axes_of)) == net.numbers[value].shape
    for axis in axes:
        weights = influence(net, value, (0, axis))
        size = len(weights)
        total = np.maximum(weights.sum(0), 1e-9)
        seen = np.tensordot(np.arange(size), weights, 1) / total
        said = np.broadcast_to(coordinates(axes_of, axis), seen.shape)
        middle = (np.abs(said - (size - 1) / 2) <= 0.2 * size) & (weights.sum(0) > 1e-3)
        off = (said - seen)[middle]
        assert len(off) >= 4
        if period > 1:
            rows = np.unique(said[middle])
            off = np.array([(said - seen)[middle & (said == row)].mean() for row in rows])
            off = off[: len(off) // period * period].mean()
            assert len(rows) >= period
        np.testing.assert_allclose(off, 0, atol=1e-3)


def coordinates(axes, axis: int) -> np.ndarray:
    """The coordinate along an input's axis of each number of a value, broadcasting against it."""
    total = np.zeros((1,) * len(axes))
    for place, factors in enumerate(axes):
        here = np.zeros(1)
        for factor in factors:
            step = np.zeros(factor.length)
            if isinstance(factor, Atom) and factor.role is Role.PLACES and factor.axis == (0, axis):
                step = factor.offset + factor.stride * np.arange(factor.length)
            here = (here[:, None] + step).reshape(-1)
        total = total + here.reshape([-1 if i == place else 1 for i in range(len(axes))])
    return total


def test_the_middle_of_what_goes_moves_places_within_parts() -> None:
    """The first places of a class token and 4 patches, and the patches behind them."""
    patches = (Atom(Role.PLACES, 4, (0, 1), stride=2.0),)
    axis = (Joined((other(2), patches)),)
    moved = (Atom(Role.PLACES, 4, (0, 1), stride=2.0, offset=0.5),)
    assert shifted(axis, (0, 1), 0, 0.5) == (Joined((other(2), moved)),)
    assert shifted(axis, (0, 2), 0, 0.5) is None


def test_places_that_go_on_behind_a_token_are_one_row() -> None:
    net = Net((2, 24))
    parts = [net.slice(net.inputs[0], 1, *ends) for ends in ((0, 12), (12, 24))]
    first = net.op("concat", net.array(np.zeros((2, 1))), parts[0], axis=1)
    whole = net.op("concat", first, parts[1], axis=1)
    assert along(net, whole, 1) == [(24, 1.0, 0.0)]


def test_places_that_are_picked_by_number() -> None:
    """What an example picks stays that example's; what numbers in the code pick is known no more."""
    net = Net((2, 24))
    highest = net.op("argmax", net.inputs[0], axis=1)
    of_each = net.op("take", net.inputs[0], highest, axis=1)
    fixed = net.op("take", net.inputs[0], net.array(np.array([3, 1, 2])), axis=1)
    assert [roles(net, value) for value in (of_each, fixed)] == [[["E"], ["E"]], [["E"], ["?"]]]


@pytest.mark.parametrize("transposed", [False, True])
def test_windows_of_one_place_leave_rows_and_columns_as_they_are(transposed: bool) -> None:
    net = Net((2, 3, 6, 4))
    flat = net.reshape(net.inputs[0], 2, 3, 24)
    mixed = net.conv(flat, channels=5, size=1, transposed=transposed)
    assert roles(net, mixed) == [["E"], ["C"], ["P2", "P3"]]


def test_what_is_empty_stays_empty() -> None:
    """Beside nothing, places stay what they are."""
    net = Net((2, 24))
    empty = net.array(np.zeros((2, 0)))
    joined = net.op("concat", empty, net.inputs[0], axis=1)
    assert along(net, joined, 1) == [(24, 1.0, 0.0)]


def two_convolutions(net: Net) -> int:
    x = net.conv(net.inputs[0], size=3, stride=2, pad=1)
    return net.conv(x, size=5, stride=2, pad=0)


def unequal_strides(net: Net) -> int:
    x = net.conv(net.inputs[0], size=(3, 4), stride=(2, 3), pad=((1, 1), (0, 2)))
    return net.pool(x, 2, 2)


def same_padding(net: Net) -> int:
    """As TensorFlow pads even inputs: at the end alone."""
    x = net.conv(net.inputs[0], size=3, stride=2, pad=((0, 1), (0, 1)))
    return net.conv(x, size=3, stride=2, pad=((0, 1), (0, 1)))


def dilated(net: Net) -> int:
    return net.conv(net.inputs[0], size=3, stride=1, pad=1, dilation=3)


def average(net: Net) -> int:
    return net.pool(net.conv(net.inputs[0], pad=1), 3, 2, 1, kind="avg_pool")


def transposed(net: Net) -> int:
    x = net.conv(net.inputs[0], size=3, stride=4, pad=1)
    x = net.conv(x, size=4, stride=2, pad=1, transposed=True)
    return net.conv(x, size=2, stride=2, pad=0, transposed=True)


def transposed_unevenly(net: Net) -> int:
    x = net.conv(net.inputs[0], size=1, stride=4)
    return net.conv(x, size=5, stride=3, pad=((2, 1), (0, 1)), dilation=2, transposed=True)


def base_dilated(net: Net) -> int:
    """A transposed convolution as XLA spells it."""
    x = net.conv(net.inputs[0], size=3, stride=4, pad=1)
    return net.conv(x, size=4, base=2, pad=2)


def resized(net: Net) -> int:
    x = net.conv(net.inputs[0], size=2, stride=2)
    return net.op("resize", x, axes=(2, 3), lengths=(24, 24), aligned=False, method="linear")


def resized_down(net: Net) -> int:
    x = net.conv(net.inputs[0], size=3, pad=1)
    return net.op("resize", x, axes=(2, 3), lengths=(8, 8), aligned=False, method="linear")


def corners(net: Net) -> int:
    x = net.conv(net.inputs[0], size=2, stride=2)
    return net.op("resize", x, axes=(2, 3), lengths=(23, 34), aligned=True, method="linear")


def adaptive(net: Net) -> int:
    x = net.conv(net.inputs[0], size=3, pad=1)
    return net.op("adaptive_avg_pool", x, axes=(2, 3), lengths=(6, 6))


def patchified(net: Net) -> int:
    """Patches of 4 x 4 by reshaping alone, then a linear layer: (N, 36, D)."""
    x = net.reshape(net.inputs[0], 2, 3, 6, 4, 6, 4)
    x = net.transpose(x, 0, 2, 4, 3, 5, 1)
    x = net.reshape(x, 2, 36, 48)
    return net.dot("ntc,cd->ntd", x, net.weight(48, 5))


def patchified_by_convolution(net: Net) -> int:
    x = net.reshape(net.conv(net.inputs[0], channels=5, size=4, stride=4), 2, 5, 36)
    return net.transpose(x, 0, 2, 1)


def space_to_depth(net: Net) -> int:
    x = net.transpose(net.inputs[0], 0, 2, 3, 1)
    x = net.transpose(net.reshape(x, 2, 12, 2, 12, 2, 3), 0, 1, 3, 2, 4, 5)
    return net.dot("nhwc,cd->nhwd", net.reshape(x, 2, 12, 12, 12), net.weight(12, 2))


def depth_to_space(net: Net) -> int:
    """Channels spread over a finer grid lie with their cell."""
    x = net.conv(net.inputs[0], channels=8, size=3, stride=2, pad=1)
    return net.reshape(x, 2, 8, 144)


def merged_patches(net: Net) -> int:
    """Four grids of every second patch side by side, as Swin merges them."""
    x = net.conv(net.inputs[0], size=2, stride=2)
    rows = [net.slice(x, 2, start, 12, 2) for start in (0, 1)]
    parts = [net.slice(row, 3, start, 12, 2) for start in (0, 1) for row in rows]
    x = net.op("concat", *parts, axis=1)
    return net.conv(x, size=1)


def columns(net: Net) -> int:
    """A convolution as im2col and a product."""
    x = net.op("windows", net.inputs[0], window=(3, 5), strides=(2, 1), padding=((1, 0), (2, 2)),
               dilation=(1, 2), axes=(2, 3), layout="channels and taps, then starts")  # fmt: skip
    return net.dot("ncl,cd->ndl", x, net.weight(net.graph.shape(x)[1], 4))


def patches_last(net: Net) -> int:
    x = net.transpose(net.inputs[0], 0, 2, 3, 1)
    x = net.op("windows", x, window=(3, 2), strides=(3, 2),
               padding=((0, 0), (0, 0)), dilation=(1, 1), axes=(1, 2),
               layout="places, taps, channels")  # fmt: skip
    return net.dot("nhwc,cd->nhwd", x, net.weight(18, 4))


def trailing(net: Net) -> int:
    x = net.op("windows", net.inputs[0], window=(4,), strides=(2,), padding=((0, 0),),
               dilation=(1,), axes=(3,), layout="starts in place, taps last")  # fmt: skip
    return net.mean(x, 4)


def cropped_padded_turned(net: Net) -> int:
    x = net.slice(net.inputs[0], 2, 3, 21)
    x = net.op(
        "pad", x, net.array(np.array(0.0)), low=(0, 0, 2, 0), high=(0, 0, 1, 3), mode="constant"
    )
    x = net.op("flip", x, axes=(3,))
    return net.conv(x, size=3, stride=2)


def interior(net: Net) -> int:
    x = net.op("pad", net.inputs[0], net.array(np.array(0.0)), low=(0, 0, 1, 0), high=(0, 0, 0, 0),
               interior=(0, 0, 1, 2), mode="constant")  # fmt: skip
    return net.conv(x, size=6)


def every_second_reversed(net: Net) -> int:
    starts, limits, strides = (0, 0, 23, 0), (2, 3, -25, 24), (1, 1, -2, 1)
    return net.op("slice", net.inputs[0], starts=starts, limits=limits, strides=strides)


def repeated(net: Net) -> int:
    x = net.conv(net.inputs[0], size=2, stride=2)
    return net.op("repeat", x, axis=3, count=3)


def one_of_windows(net: Net) -> int:
    """Every fourth row from the third on, by reshaping and picking."""
    return net.op("index", net.reshape(net.inputs[0], 2, 3, 6, 4, 24), axis=3, at=2)


def pooled_by_reshaping(net: Net) -> int:
    return net.mean(net.reshape(net.inputs[0], 2, 3, 6, 4, 8, 3), 3, 5)


def written_into_zeros(net: Net) -> int:
    part = net.conv(net.inputs[0], size=2, stride=2)
    return net.op("update", net.array(np.zeros((2, 2, 15, 14))), part, starts=(0, 0, 2, 1))


def depthwise(net: Net) -> int:
    return net.conv(net.inputs[0], channels=6, size=3, stride=2, pad=1, groups=3)


def halves_joined(net: Net) -> int:
    one, two = net.op("split", net.inputs[0], axis=2, sizes=(10, 14))
    return net.op("concat", one, two, axis=2)


def gated(net: Net) -> int:
    """Squeeze and excite: what is broadcast does not move places."""
    x = net.conv(net.inputs[0], size=3, stride=2, pad=((0, 1), (0, 1)))
    return net.op(
        "add", x, net.op("mul", net.array(np.array(1e-6)), net.mean(x, 2, 3, keepdims=True))
    )


EVEN: list[Callable[[Net], int]] = [
    two_convolutions,
    unequal_strides,
    same_padding,
    dilated,
    average,
    adaptive,
    patchified,
    patchified_by_convolution,
    space_to_depth,
    depth_to_space,
    merged_patches,
    columns,
    patches_last,
    trailing,
    cropped_padded_turned,
    every_second_reversed,
    one_of_windows,
    pooled_by_reshaping,
    written_into_zeros,
    depthwise,
    halves_joined,
    gated,
]
UNEVEN: dict[Callable[[Net], int], int] = {
    transposed: 4,
    transposed_unevenly: 3,
    base_dilated: 2,
    resized: 2,
    corners: 2,
    interior: 6,
    repeated: 3,
}
"""Where neighbours see different things: after how many they repeat."""


@pytest.mark.parametrize("make", [*EVEN, *UNEVEN])
def test_places_lie_where_what_influences_them_lies(make: Callable[[Net], int]) -> None:
    net = Net((2, 3, 24, 24))
    check_centres(net, make(net), 2, 3, period=UNEVEN.get(make, 1))


def tokens(net: Net, x: int) -> int:
    """(N, C, H, W) as (N, HW, C)."""
    count, channels, *grid = net.graph.shape(x)
    return net.transpose(net.reshape(x, count, channels, int(np.prod(grid))), 0, 2, 1)


def attention(net: Net, x: int, to: int | None = None) -> int:
    """By products and a softmax: what `x` asks of `to`."""
    to = x if to is None else to
    width = net.graph.shape(x)[-1]
    query, key, value = (
        net.dot("ntc,cd->ntd", one, net.weight(width, width, of=0.1)) for one in (x, to, to)
    )
    seen = net.op("softmax", net.dot("nqd,nkd->nqk", query, key), axes=(2,))
    return net.dot("nqk,nkd->nqd", seen, value)


def test_inputs_are_places_and_contracted_axes_go() -> None:
    net = Net((2, 3, 8, 8))
    (x,) = net.inputs
    assert roles(net, x) == [["E"], ["P1"], ["P2"], ["P3"]]
    made = net.conv(x, channels=5, pad=1)
    assert roles(net, made) == [["E"], ["C"], ["P2"], ["P3"]]
    assert roles(net, net.mean(made, 2, 3)) == [["E"], ["C"]]


def test_attention_keeps_the_rows_of_the_queries() -> None:
    net = Net((2, 3, 8, 8))
    x = tokens(net, net.conv(net.inputs[0], channels=4, size=2, stride=2))
    found = attention(net, x)
    assert roles(net, found) == [["E"], ["P2", "P3"], ["C"]]
    assert along(net, found, 2) == [(4, 2.0, 0.5)]
    flat = net.op("attention", x, x, x)
    assert along(net, flat, 3) == [(4, 2.0, 0.5)]
    # Asked by learned queries, it has none.
    queries = net.array(np.random.default_rng(0).normal(size=(2, 5, 4)))
    assert roles(net, attention(net, queries, x)) == [["E"], ["C"], ["C"]]


@pytest.mark.parametrize("equation", ["nqd,nkd->nqk", "nkd,nqd->nkq", "nqd,nkd->nkq"])
def test_queries_and_keys_are_different_places(equation: str) -> None:
    """Whichever comes first: a sum over the keys leaves the queries where they were."""
    net = Net((2, 12, 6))
    windows = net.reshape(net.inputs[0], 2, 3, 4, 6)
    equation = equation.replace("n", "nw")
    seen = net.dot(equation, windows, windows)
    keys = equation.split("->")[1].index("k")
    for made in (net.op("sum", seen, axes=(keys,)), net.op("max", seen, axes=(keys,))):
        assert roles(net, made) == [["E"], ["P1"], ["P1"]]
        assert along(net, made, 1) == [(3, 4.0, 0.0), (4, 1.0, 0.0)]
    # Their middle stays for those that are summed over as a part of one coordinate.
    assert along(net, net.mean(windows, 2), 1) == [(3, 4.0, 1.5)]


def test_shifted_windows() -> None:
    """Attention within 4 x 4 windows of a rolled grid, windows folded into the batch, and back."""
    net = Net((2, 3, 16, 16))
    grid = net.transpose(net.conv(net.inputs[0], channels=4, size=2, stride=2), 0, 2, 3, 1)
    x = net.op("roll", grid, shifts=(-2, -2), axes=(1, 2))
    assert along(net, x, 2) == [(8, 2.0, 4.5)]
    x = net.transpose(net.reshape(x, 2, 2, 4, 2, 4, 4), 0, 1, 3, 2, 4, 5)
    x = net.reshape(x, 8, 16, 4)
    assert roles(net, x) == [["E", "P2", "P3"], ["P2", "P3"], ["C"]]
    x = attention(net, x)
    x = net.transpose(net.reshape(x, 2, 2, 2, 4, 4, 4), 0, 1, 3, 2, 4, 5)
    x = net.op("roll", net.reshape(x, 2, 8, 8, 4), shifts=(2, 2), axes=(1, 2))
    assert roles(net, x) == [["E"], ["P2"], ["P3"], ["C"]]
    assert along(net, x, 2) == along(net, x, 3) == [(8, 2.0, 0.5)]
    assert GraphAxes.of(net.graph).mixing == []


def test_a_roll_spelled_as_a_concatenation() -> None:
    net = Net((2, 3, 16))
    x = net.conv(net.inputs[0], size=2, stride=2)
    x = net.op("concat", net.slice(x, 2, 3, 8), net.slice(x, 2, 0, 3), axis=2)
    assert along(net, x, 2) == [(8, 2.0, 6.5)]


def test_a_class_token_stands_before_the_grid() -> None:
    net = Net((2, 3, 8, 8))
    x = tokens(net, net.conv(net.inputs[0], channels=4, size=2, stride=2))
    token = net.op("broadcast", net.weight(1, 1, 4), shape=(2, 1, 4), axes=(0, 1, 2))
    x = net.op("concat", token, x, axis=1)
    assert roles(net, x) == [["E"], ["1 + P2P3"], ["C"]]
    x = net.op("add", x, net.weight(1, 17, 4))
    x = net.op("add", x, attention(net, x))
    x = net.op("normalize", x, axes=(2,), epsilon=1e-5, centred=True)
    assert roles(net, x) == [["E"], ["1 + P2P3"], ["C"]]
    assert roles(net, net.op("index", x, axis=1, at=0)) == [["E"], ["C"]]
    patches = net.slice(x, 1, 1, 17)
    assert roles(net, patches) == [["E"], ["P2", "P3"], ["C"]]
    assert along(net, patches, 3) == [(4, 2.0, 0.5)]
    again = net.op("concat", net.slice(x, 1, 0, 1), patches, net.weight(2, 3, 4), axis=1)
    assert roles(net, again) == [["E"], ["1 + P2P3 + C"], ["C"]]
    folded = net.reshape(again, 40, 4)
    assert roles(net, folded) == [["E", "1 + P2P3 + C"], ["C"]]


def test_padded_windows() -> None:
    """A grid of tokens that is padded is a grid beside something else; one axis goes on."""
    net = Net((2, 3, 8, 8))
    x = tokens(net, net.conv(net.inputs[0], channels=4, size=2, stride=2))
    zero = net.array(np.array(0.0))
    x = net.op("pad", x, zero, low=(0, 1, 0), high=(0, 2, 0), mode="constant")
    assert roles(net, x) == [["E"], ["1 + P2P3 + C"], ["C"]]


def test_frames_folded_into_the_batch() -> None:
    net = Net((2, 5, 3, 8, 8))
    x = net.conv(net.reshape(net.inputs[0], 10, 3, 8, 8), channels=4, stride=2, pad=1)
    assert roles(net, x) == [["E", "P1"], ["C"], ["P3"], ["P4"]]
    x = net.reshape(net.mean(x, 2, 3), 2, 5, 4)
    assert roles(net, x) == [["E"], ["P1"], ["C"]]
    assert GraphAxes.of(net.graph).mixing == []


def test_volumes_with_unequal_strides() -> None:
    net = Net((2, 1, 8, 12, 20))
    x = net.conv(net.inputs[0], size=(2, 3, 5), stride=(1, 2, 4), pad=(0, 1, 2))
    assert [along(net, x, axis) for axis in (2, 3, 4)] == [
        [(7, 1.0, 0.5)], [(6, 2.0, 0.0)], [(5, 4.0, 0.0)],
    ]  # fmt: skip


def test_a_spectrogram_of_a_waveform() -> None:
    """Frames are places of the waveform, frequencies are not."""
    net = Net((2, 64))
    frames = net.op("windows", net.inputs[0], window=(8,), strides=(4,), padding=((0, 0),),
                    dilation=(1,), axes=(1,), layout="starts in place, taps last")  # fmt: skip
    x = net.dot("nft,tk->nfk", frames, net.weight(8, 6))
    x = net.reshape(net.op("square", x), 2, 1, 15, 6)
    x = net.conv(x, channels=4, pad=1, stride=(2, 1))
    assert roles(net, x) == [["E"], ["C"], ["P1"], ["C"]]
    assert along(net, x, 1) == [(8, 8.0, 3.5)]


def test_what_is_not_known_is_lost() -> None:
    net = Net((2, 3, 8, 8))
    x = net.conv(net.inputs[0], pad=1)
    assert roles(net, net.op("other", x)) == [["E"], ["?"], ["?"], ["?"]]
    # Divided across its rows, a grid is none.
    assert roles(net, net.reshape(x, 2, 2, 16, 4)) == [["E"], ["C"], ["P2", "P3"], ["P3"]]
    assert roles(net, net.reshape(net.slice(x, 3, 0, 6), 2, 2, 12, 4))[2:] == [["?"], ["?"]]
    order = net.array(np.array([3, 1, 0, 2]))
    assert roles(net, net.op("take", x, order, axis=2)) == [["E"], ["C"], ["?"], ["P3"]]
    # A sum with what is known is known.
    added = net.op("add", net.op("other", x), x)
    assert roles(net, added) == [["E"], ["?"], ["P2"], ["P3"]]


def test_a_token_mixing_layer_keeps_the_places_of_what_it_is_added_to() -> None:
    net = Net((2, 3, 8, 8))
    x = tokens(net, net.conv(net.inputs[0], channels=4, size=2, stride=2))
    mixed = net.dot("ntc,st->nsc", x, net.weight(16, 16))
    assert roles(net, mixed) == [["E"], ["C"], ["C"]]
    assert roles(net, net.op("add", mixed, x)) == [["E"], ["P2", "P3"], ["C"]]


def mixing(net: Net) -> list[str]:
    return [net.graph.nodes[at].primitive for at in GraphAxes.of(net.graph).mixing]


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (lambda net, x: net.op("normalize", x, axes=(0, 2), epsilon=1e-5, centred=True), "normalize"),
        (lambda net, x: net.op("sub", x, net.mean(x, 0, keepdims=True)), "mean"),
        (lambda net, x: net.op("softmax", x, axes=(0,)), "softmax"),
        (lambda net, x: net.op("cumsum", x, axis=0), "cumsum"),
        (lambda net, x: net.op("roll", x, shifts=(1,), axes=(0,)), "roll"),
        (lambda net, x: net.op("flip", x, axes=(0,)), "flip"),
        (lambda net, x: net.dot("ncl,mcl->nm", x, x), "dot"),
        (lambda net, x: net.dot("mn,ncl->mcl", net.weight(4, 4), x), "dot"),
        (lambda net, x: net.mean(net.reshape(x, 2, 2, 3, 6), 1), "mean"),
        (lambda net, x: net.op("take", x, net.array(np.array([1, 0, 3, 2])), axis=0), "take"),
        (lambda net, x: net.op("sub", net.reshape(x, 4, 1, 3, 6), net.reshape(x, 1, 4, 3, 6)), "sub"),
        (lambda net, x: net.reshape(net.conv(net.reshape(x, 1, 12, 6), channels=4), 4, 1, 4), "conv"),
    ],
)  # fmt: skip
def test_rows_that_look_at_each_other(make: Callable[[Net, int], int], where: str) -> None:
    net = Net((4, 3, 6))
    made = make(net, net.inputs[0])
    assert where in mixing(net)
    # One example does change what comes out of another.
    given = net.numbers[net.inputs[0]]
    changed = given.copy()
    changed[1] *= 2
    others = np.delete(net.run([changed])[made] - net.numbers[made], 1, axis=0)
    assert np.abs(others).max() > 1e-6


@pytest.mark.parametrize(
    "make",
    [
        lambda net, x: net.op("normalize", x, axes=(1, 2), epsilon=1e-5, centred=True),
        lambda net, x: net.dot("ncl,nml->ncm", x, x),
        lambda net, x: net.conv(net.reshape(x, 12, 1, 6)),
        lambda net, x: net.reshape(
            net.conv(net.reshape(x, 1, 12, 6), channels=8, groups=4), 4, 2, 4
        ),
        lambda net, x: net.op("sub", x, net.mean(x, 2, keepdims=True)),
    ],
)
def test_rows_that_do_not(make: Callable[[Net, int], int]) -> None:
    net = Net((4, 3, 6))
    made = make(net, net.inputs[0])
    assert mixing(net) == []
    assert roles(net, made)[0][0] == "E"


def test_lengths_that_the_graph_does_not_know_are_the_examples() -> None:
    net = Net((2, 3, 8, 8))
    x = net.conv(net.inputs[0], channels=4, size=2, stride=2)
    x = net.dot("tc,cd->td", net.reshape(net.transpose(x, 0, 2, 3, 1), -1, 4), net.weight(4, 5))
    net.graph.values[net.inputs[0]].shape = (-1, 3, 8, 8)
    for node in net.graph.nodes:
        value = net.graph.values[node.result]
        value.shape = (-1, *value.shape[1:])
    found = [written(axis) for axis in GraphAxes.of(net.graph, 2)[x]]
    assert found == [["E", "P2", "P3"], ["C"]]


def test_tiles_stand_before_the_places_and_repeats_behind_them() -> None:
    net = Net((2, 6))
    (x,) = net.inputs
    tiled = net.reshape(net.op("tile", x, repeats=(1, 2)), 2, 2, 6)
    assert roles(net, tiled) == [["E"], ["C"], ["P1"]]
    assert along(net, tiled, 1) == [(6, 1.0, 0.0)]
    # Each place twice: half as far apart, and a quarter before and behind where it was.
    assert along(net, net.op("repeat", x, axis=1, count=2), 1) == [(12, 0.5, -0.25)]


def test_what_is_repeated_along_an_axis_of_length_1_is_no_place_and_not_lost() -> None:
    net = Net((2, 6))
    one = net.op("sum", net.inputs[0], axes=(1,), keepdims=True)
    wide = net.op("broadcast", one, shape=(2, 5), axes=(0, 1))
    assert roles(net, wide) == [["E"], ["C"]]
