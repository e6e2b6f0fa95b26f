"""Which value is the feature map, in small nets of the sorts that there are."""

from collections.abc import Callable

import numpy as np
import pytest

from backlight.graph.axes.axes import GraphAxes
from backlight.graph.axes.feature_map import FeatureMap, Places
from backlight.graph.dependence.dependence import Dependence
from backlight.graph.graph import Graph
from tests.core.graph.nets import Net


def chosen(net: Net) -> FeatureMap | None:
    return looked(net).feature_map()


def looked(net: Net) -> Places:
    return Places(GraphAxes.of(net.graph), Dependence(net.graph))


def body(net: Net, channels: int = 4) -> int:
    """Two convolutions with rectifiers: (N, 4, 6, 6) of (N, 3, 24, 24)."""
    x = net.relu(net.conv(net.inputs[0], channels=channels, stride=2, pad=1), "one")
    return net.relu(net.conv(x, channels=channels, stride=2, pad=1), "two")


def tokens(net: Net, x: int) -> int:
    count, channels, *grid = net.graph.shape(x)
    return net.transpose(net.reshape(x, count, channels, int(np.prod(grid))), 0, 2, 1)


def attention(net: Net, x: int, to: int | None = None, normed: bool = False) -> int:
    to = x if to is None else to
    width = net.graph.shape(x)[-1]
    query, key, value = (net.linear(one, width) for one in (x, to, to))
    key = net.norm(key, "key norm") if normed else key
    seen = net.op("softmax", net.dot("nqd,nkd->nqk", query, key), axes=(2,))
    return net.linear(net.dot("nqk,nkd->nqd", seen, value), width)


def block(net: Net, x: int, name: str, normed: bool = False) -> int:
    normal = net.norm(x, f"{name}.norm")
    x = net.op("add", x, attention(net, normal, normed=normed), place=f"{name}.sum")
    more = net.linear(net.op("gelu", net.linear(net.norm(x), 8)), 4)
    return net.op("add", x, more, place=name)


def with_token(net: Net, x: int, place: str = "") -> int:
    return net.op("concat", net.weight(2, 1, 4), x, axis=1, place=place)


def averaged(net: Net) -> None:
    x = net.mean(body(net), 2, 3)
    net.score(net.linear(x, 5))


def pooled_and_flattened(net: Net) -> None:
    x = net.pool(body(net), 2, 2)
    net.score(net.linear(net.reshape(x, 2, 36), 5))


def rectified_by_hand(net: Net) -> None:
    x = net.conv(net.relu(net.conv(net.inputs[0], stride=2, pad=1)), stride=2, pad=1)
    x = net.op("div", net.op("add", x, net.op("abs", x)), net.array(np.array(2.0)), place="two")
    net.score(net.linear(net.mean(x, 2, 3), 5))


def classified_at_each_place(net: Net) -> None:
    x = net.op("add", net.conv(body(net), channels=5, size=1), net.weight(5, 1, 1))
    net.score(net.mean(x, 2, 3))


def convolved_without_a_rectifier(net: Net) -> None:
    """Three places wide: no mixing of channels."""
    net.score(net.linear(net.mean(net.conv(body(net), channels=4, pad=1, place="three"), 2, 3), 5))


def every_second_place(net: Net) -> None:
    """A sample of the places stands for them all."""
    x = net.conv(net.inputs[0], channels=4, pad=1)
    for axis in (2, 3):
        x = net.slice(x, axis, 0, 24, 4)
    x = with_token(net, tokens(net, net.relu(x)))
    x = block(net, block(net, x, "first"), "last")
    net.score(net.linear(net.op("index", x, axis=1, at=0), 5))


def squeezed_and_excited(net: Net) -> None:
    x = body(net)
    gate = net.op("sigmoid", net.linear(net.mean(x, 2, 3), 4))
    x = net.op("mul", x, net.reshape(gate, 2, 4, 1, 1), place="gated")
    net.score(net.linear(net.mean(x, 2, 3), 5))


def shortcut(net: Net) -> None:
    x = body(net)
    x = net.relu(
        net.op("add", x, net.conv(net.relu(net.conv(x, channels=4, pad=1)), channels=4, pad=1)),
        "sum",
    )
    net.score(net.linear(net.mean(x, 2, 3), 5))


def class_token(net: Net) -> None:
    x = with_token(net, tokens(net, body(net)))
    x = net.norm(block(net, block(net, x, "first"), "last"))
    net.score(net.linear(net.op("index", x, axis=1, at=0), 5))


def activation_kept_whole(net: Net) -> None:
    """A function with a derivative of its own behind the last attention."""
    x = with_token(net, tokens(net, body(net)))
    x = block(net, block(net, x, "first"), "last")
    inner = Graph()
    given, made = inner.value((2, 37, 4)), inner.value((2, 37, 4))
    inner.node("relu", (given,), (made,))
    inner.sources, inner.targets = (given,), (made,)
    x = net.op("call", x, body=inner)
    net.score(net.linear(net.op("index", x, axis=1, at=0), 5))


def token_behind(net: Net) -> None:
    x = net.op("concat", tokens(net, body(net)), net.weight(2, 1, 4), axis=1)
    x = block(net, block(net, x, "first"), "last")
    net.score(net.linear(net.op("index", x, axis=1, at=36), 5))


def normed_keys(net: Net) -> None:
    x = with_token(net, tokens(net, body(net)))
    x = block(net, block(net, x, "first"), "last", normed=True)
    net.score(net.linear(net.op("index", x, axis=1, at=0), 5))


def mean_of_tokens(net: Net) -> None:
    x = block(net, block(net, tokens(net, body(net)), "first"), "last")
    net.score(net.linear(net.mean(net.norm(x, "norm"), 1), 5))


def class_attention(net: Net) -> None:
    """Only the token changes, twice, by looking at the same patches."""
    x = block(net, tokens(net, body(net)), "last")
    token = net.op("add", net.weight(2, 1, 4), net.mean(net.weight(2, 4, 4), 1, keepdims=True))
    for _ in range(2):
        both = net.norm(net.op("concat", token, x, axis=1))
        token = net.op("add", token, attention(net, net.slice(both, 1, 0, 1), both))
    net.score(net.linear(net.op("index", token, axis=1, at=0), 5))


def frames(net: Net) -> None:
    net.inputs = net.inputs[:1]
    x = net.reshape(net.inputs[0], 6, 8, 24, 1)
    x = net.transpose(x, 0, 3, 1, 2)
    x = net.relu(net.conv(x, channels=4, stride=2, pad=1), "frames")
    x = net.op("max", net.reshape(net.mean(x, 2, 3), 2, 3, 4), axes=(1,))
    net.score(net.linear(x, 5))


NETS: dict[Callable[[Net], None], tuple[str, tuple[int, ...]]] = {
    averaged: ("two", (6, 6)),
    pooled_and_flattened: ("two", (6, 6)),
    rectified_by_hand: ("two", (6, 6)),
    classified_at_each_place: ("two", (6, 6)),
    convolved_without_a_rectifier: ("three", (6, 6)),
    every_second_place: ("last.norm", (6, 6)),
    squeezed_and_excited: ("gated", (6, 6)),
    shortcut: ("sum", (6, 6)),
    class_token: ("last.norm", (6, 6)),
    activation_kept_whole: ("last.norm", (6, 6)),
    token_behind: ("last.norm", (6, 6)),
    normed_keys: ("last.norm", (6, 6)),
    mean_of_tokens: ("norm", (6, 6)),
    class_attention: ("last", (6, 6)),
}


@pytest.mark.parametrize("make", NETS)
def test_the_last_value_that_tells_the_score_by_its_places(make: Callable[[Net], None]) -> None:
    net = Net((2, 3, 24, 24))
    make(net)
    found = chosen(net)
    assert found is not None
    assert (found.name, found.grid.shape, found.beside) == (*NETS[make], ())


@pytest.mark.parametrize("make", NETS)
def test_its_places_are_read_by_rows_and_columns(make: Callable[[Net], None]) -> None:
    """A picture that changes in one cell changes the cell most, by what the net is before attention."""
    net = Net((2, 3, 24, 24))
    make(net)
    found = chosen(net)
    assert found is not None
    grid = found.grid.read(net.numbers[found.value], np)  # type: ignore[arg-type, type-var]
    assert grid.shape[:-1] == (2, *found.grid.shape)
    assert grid.size <= net.numbers[found.value].size
    assert [line.axis for line in found.grid.lines] == [2, 3]
    assert [(line.stride, line.offset) for line in found.grid.lines] == [(4.0, 0.0)] * 2


def test_branches_are_said() -> None:
    net = Net((2, 3, 24, 24))
    left = net.relu(net.conv(net.inputs[0], channels=4, stride=2, pad=1), "left")
    right = net.relu(net.conv(net.inputs[0], channels=4, stride=4, size=5), "right")
    net.score(net.linear(net.op("concat", net.mean(left, 2, 3), net.mean(right, 2, 3), axis=1), 5))
    found = chosen(net)
    assert found is not None
    assert (found.name, found.beside) == ("right", ("left",))


def test_branches_of_the_input_itself_are_said() -> None:
    """The input is no feature map, though both branches come from it and have its places."""
    net = Net((2, 3, 8, 8))
    left = net.relu(net.conv(net.inputs[0], channels=4, pad=1), "left")
    right = net.relu(net.conv(net.inputs[0], channels=4, pad=1), "right")
    net.score(net.linear(net.op("concat", net.mean(left, 2, 3), net.mean(right, 2, 3), axis=1), 5))
    found = chosen(net)
    assert found is not None
    assert (found.name, found.beside) == ("right", ("left",))


def test_stages_that_are_pooled_each_are_said() -> None:
    net = Net((2, 3, 24, 24))
    first = body(net)
    second = net.relu(net.conv(first, channels=4, stride=2, pad=1), "three")
    net.score(
        net.linear(net.op("concat", net.mean(first, 2, 3), net.mean(second, 2, 3), axis=1), 5)
    )
    found = chosen(net)
    assert found is not None
    assert (found.name, found.beside) == ("three", ("two",))


def test_an_output_with_places_is_told_by_the_coarsest_map() -> None:
    """A net of the shape of a U, whose score is the mean of a map."""
    net = Net((2, 3, 24, 24))
    top = net.relu(net.conv(net.inputs[0], channels=4, stride=2, pad=1), "top")
    bottom = net.relu(net.conv(top, channels=4, stride=2, pad=1), "bottom")
    up = net.conv(bottom, channels=4, size=2, stride=2, transposed=True, place="up")
    joined = net.relu(net.conv(net.op("concat", top, up, axis=1), channels=4, pad=1), "joined")
    out = net.conv(joined, channels=5, size=1, place="out")
    net.graph.kept = frozenset({out})
    net.targets(net.mean(net.op("index", out, axis=1, at=0), 1, 2))
    found = chosen(net)
    assert found is not None
    assert (found.name, found.grid.shape, found.beside) == ("bottom", (6, 6), ("joined",))


def capped(net: Net, x: int) -> int:
    c = net.array(np.array(30.0))
    return net.op("mul", net.op("tanh", net.op("div", x, c)), c)


def softmax_by_hand(net: Net, x: int) -> int:
    x = net.op("exp", net.op("sub", x, net.op("max", x, axes=(2,), keepdims=True)))
    return net.op("div", x, net.op("sum", x, axes=(2,), keepdims=True))


OUTPUTS: dict[str, Callable[[Net, int], int]] = {
    "itself": lambda net, x: x,
    "shifted": lambda net, x: net.op("add", x, net.weight(5)),
    "capped": capped,
    "probabilities": lambda net, x: net.op("softmax", x, axes=(2,)),
    "probabilities by hand": softmax_by_hand,
    "gated by itself": lambda net, x: net.op("mul", x, net.op("sigmoid", x)),
    "moved and capped": lambda net, x: net.transpose(capped(net, x), 0, 2, 1),
    "moved": lambda net, x: net.transpose(net.op("sigmoid", net.transpose(x, 0, 2, 1)), 0, 2, 1),
}


@pytest.mark.parametrize("make", OUTPUTS)
def test_an_output_of_each_place_is_no_feature_map(make: str) -> None:
    """But what the layer that classifies each place reads, whatever is done to the classes."""
    net = Net((2, 3, 24, 24))
    x = block(net, block(net, tokens(net, body(net)), "first"), "last")
    out = OUTPUTS[make](net, net.linear(net.norm(x, "normed"), 5, "classes"))
    net.graph.kept = frozenset({out})
    tokens_axis = net.graph.shape(out).index(36)
    net.targets(net.op("index", net.mean(out, tokens_axis), axis=1, at=0))
    found = chosen(net)
    assert found is not None
    assert (found.name, found.beside) == ("normed", ())


def test_an_output_of_no_layer_at_each_place_is_read_itself() -> None:
    """The sum of a token and what a block says of it."""
    net = Net((2, 3, 24, 24))
    x = net.norm(block(net, block(net, tokens(net, body(net)), "first"), "last"), "normed")
    net.graph.kept = frozenset({x})
    net.targets(net.op("index", net.mean(x, 1), axis=1, at=0))
    found = chosen(net)
    assert found is not None
    assert found.name == "normed"


def test_a_map_that_the_score_does_not_read_is_none() -> None:
    net = Net((2, 3, 24, 24))
    x = body(net)
    net.relu(net.conv(x, pad=1), "unread")
    net.score(net.linear(net.mean(x, 2, 3), 5))
    found = chosen(net)
    assert found is not None
    assert found.name == "two"


def test_frames_of_a_film_folded_into_the_batch() -> None:
    """The map itself cannot be asked for, its examples not being by themselves: one before it can."""
    net = Net((2, 3, 8, 24))
    x = net.op("square", net.inputs[0], place="squares")
    x = net.reshape(x, 6, 1, 8, 24)
    x = net.relu(net.conv(x, channels=4, stride=2, pad=1))
    x = net.reshape(x, 2, 3, 4, 4, 12)
    net.score(net.linear(net.op("max", net.mean(x, 3, 4), axes=(1,)), 5))
    found = chosen(net)
    assert found is not None
    assert found.grid.shape == (3, 4, 12)
    assert found.name.startswith("reshape")


def test_signals_pictures_and_depthwise_colours() -> None:
    signal = Net((2, 3, 24))
    signal.score(signal.linear(signal.mean(signal.relu(signal.conv(signal.inputs[0])), 2), 5))
    picture = Net((2, 12, 24))
    x = picture.reshape(picture.inputs[0], 2, 1, 12, 24)
    picture.score(picture.linear(picture.mean(picture.relu(picture.conv(x)), 2, 3), 5))
    colours = Net((2, 3, 12, 24))
    x = colours.conv(colours.inputs[0], channels=3, groups=3, pad=1)
    x = colours.relu(colours.conv(x, channels=4, size=1))
    colours.score(colours.linear(colours.mean(x, 2, 3), 5))
    assert [looked(net).wanted for net in (signal, picture, colours)] == [
        ((0, 2),),
        ((0, 1), (0, 2)),
        ((0, 2), (0, 3)),
    ]


def test_a_sequence_read_column_by_column_is_told_by_its_picture() -> None:
    """Text in a picture: rows are folded into channels before the columns are read."""
    net = Net((2, 1, 8, 24))
    x = net.relu(net.conv(net.inputs[0], channels=4, stride=2, pad=1), "picture")
    x = net.reshape(net.transpose(x, 0, 3, 1, 2), 2, 12, 16)
    x = net.op("tanh", net.linear(x, 6))
    net.score(net.linear(net.op("max", x, axes=(1,)), 5))
    found = chosen(net)
    assert found is not None
    assert (found.name, found.grid.shape) == ("picture", (4, 12))


def test_a_table_has_none() -> None:
    net = Net((2, 7))
    net.score(net.linear(net.relu(net.linear(net.inputs[0], 6)), 5))
    assert chosen(net) is None


def test_a_place_that_is_asked_for_by_itself_is_told_by_the_map_before_it() -> None:
    net = Net((2, 3, 24, 24))
    x = net.relu(net.linear(tokens(net, body(net)), 5))
    net.graph.kept = frozenset({x})
    net.targets(net.op("index", net.op("index", x, axis=1, at=3), axis=1, at=0))
    found = chosen(net)
    assert found is not None
    assert found.name == "one"


def test_a_class_token_with_its_patches_as_the_output() -> None:
    net = Net((2, 3, 24, 24))
    x = block(net, block(net, with_token(net, tokens(net, body(net))), "first"), "last")
    net.graph.kept = frozenset({x})
    net.targets(net.op("index", net.op("index", x, axis=1, at=0), axis=1, at=2))
    found = chosen(net)
    assert found is not None
    assert (found.name, found.beside) == ("last.norm", ())


def test_more_tokens_than_places_tell_nothing_of_the_places() -> None:
    """Nine patches beside twelve other tokens, which alone are read."""
    net = Net((2, 3, 12, 12))
    x = net.op("concat", net.weight(2, 12, 4), tokens(net, body(net)), axis=1)
    x = block(net, block(net, x, "first"), "last")
    net.score(net.linear(net.mean(net.slice(x, 1, 0, 12), 1), 5))
    found = chosen(net)
    assert found is not None
    assert (found.name, found.grid.shape) == ("last.norm", (3, 3))


def test_branches_of_rows_and_columns_that_meet() -> None:
    """No value before both branches has all places, but the input's own parts."""
    net = Net((2, 3, 24, 24))
    x = net.conv(net.inputs[0], channels=4, pad=1)
    rows, columns = net.mean(x, 3, keepdims=True), net.mean(x, 2, keepdims=True)
    left = net.relu(net.op("add", rows, columns), "left")
    right = net.relu(net.op("mul", rows, columns), "right")
    net.score(net.linear(net.op("concat", net.mean(left, 2, 3), net.mean(right, 2, 3), axis=1), 5))
    found = chosen(net)
    assert found is not None
    assert (found.name, found.beside) == ("right", ("left",))
