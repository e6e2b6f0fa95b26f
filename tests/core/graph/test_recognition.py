"""Recognition by behaviour, on graphs by hand: spellings and near misses."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from backlight.graph.axes.atoms import Atom, Role
from backlight.graph.axes.axes import examples
from backlight.graph.graph import DType
from backlight.graph.outputs import output_kind
from backlight.graph.pairing import folded_axis, mismatch
from backlight.graph.recognition.recognition import Recognised, recognise
from backlight.memory.recent import Recent
from backlight.rules.operations import Kind
from backlight.rules.rules import NoRules, Rule, Rules
from tests.core.graph.building import Building

Spelling = Callable[[Building, int], int]


def kinds(spelling: Spelling, *shape: int, rules: Rules | None = None) -> list[Kind]:
    """The kinds between two dense operations."""
    build = Building()
    x = build.input(*shape)
    y = spelling(build, build.dense(x, shape[-1]))
    graph = build.between([x], [build.dense(y, 3)])
    first, *between, last = [unit.kind for unit in recognise(graph, rules or NoRules()).units]
    assert first is last is Kind.DENSE
    return between


def softmax(b: Building, h: int, axes: tuple[int, ...] = (1,)) -> int:
    highest = b.do("stop_gradient", b.do("max", h, axes=axes, keepdims=True))
    e = b.do("exp", b.do("sub", h, highest))
    return b.do("div", e, b.do("sum", e, axes=axes, keepdims=True))


def log_softmax(b: Building, h: int) -> int:
    return b.do("sub", h, b.do("log", b.do("sum", b.do("exp", h), axes=(1,), keepdims=True)))


def centred(b: Building, h: int, axes: tuple[int, ...] = (1,)) -> int:
    return b.do("sub", h, b.do("mean", h, axes=axes, keepdims=True))


def size(b: Building, c: int, axes: tuple[int, ...] = (1,), power: str = "square") -> int:
    squared = b.do("mul", c, c) if power == "mul" else b.do("square", c)
    return b.do("add", b.do("mean", squared, axes=axes, keepdims=True), 1e-5)


def layer_norm(b: Building, h: int) -> int:
    c = centred(b, h)
    y = b.do("mul", b.do("mul", c, b.do("rsqrt", size(b, c))), b.weight(b.graph.shape(h)[-1]))
    return b.do("add", y, b.weight(b.graph.shape(h)[-1]))


def moments(b: Building, h: int) -> int:
    mean = b.do("mean", h, axes=(1,), keepdims=True)
    squares = b.do("mean", b.do("square", h), axes=(1,), keepdims=True)
    variance = b.do("sub", squares, b.do("square", mean))
    return b.do("div", b.do("sub", h, mean), b.do("sqrt", b.do("add", variance, 1e-5)))


def group_norm(b: Building, h: int) -> int:
    rows, width = b.graph.shape(h)
    laid = b.do("reshape", h, shape=(rows, 2, width // 2))
    c = centred(b, laid, (2,))
    y = b.do("div", c, b.do("pow", size(b, c, (2,)), 0.5))
    return b.do("reshape", y, shape=(rows, width))


def rms_norm(b: Building, h: int) -> int:
    return b.do("mul", b.do("div", h, b.do("sqrt", size(b, h, power="mul"))), b.weight(8))


SPELLINGS: dict[str, tuple[Kind, Spelling]] = {
    "silu": (Kind.SILU, lambda b, h: b.do("mul", h, b.do("sigmoid", h))),
    "silu as a quotient": (
        Kind.SILU,
        lambda b, h: b.do("div", h, b.do("add", 1.0, b.do("exp", b.do("neg", h)))),
    ),
    "silu through views": (
        Kind.SILU,
        lambda b, h: b.do(
            "mul",
            h,
            b.do("reshape", b.do("sigmoid", b.do("reshape", h, shape=(40,))), shape=(5, 8)),
        ),
    ),
    "relu by choice": (Kind.RELU, lambda b, h: b.do("select", b.do("gt", h, 0.0), h, 0.0)),
    "relu by a mask that is stopped": (
        Kind.RELU,
        lambda b, h: b.do(
            "mul",
            h,
            b.do("stop_gradient", b.do("convert", b.do("gt", h, 0.0), to=DType.FLOAT)),
        ),
    ),
    "gate": (
        Kind.HARD_SIGMOID,
        lambda b, h: b.do("div", b.do("clamp", b.do("add", h, 3.0), 0.0, 6.0), 6.0),
    ),
    "prelu": (
        Kind.PRELU,
        lambda b, h: b.do("select", b.do("gt", h, 0.0), h, b.do("mul", h, b.weight(8))),
    ),
    "softmax": (Kind.SOFTMAX, softmax),
    "log_softmax": (Kind.LOG_SOFTMAX, log_softmax),
    "softmax of log_softmax": (Kind.SOFTMAX, lambda b, h: b.do("exp", log_softmax(b, h))),
    "layer norm": (Kind.NORMALIZATION, layer_norm),
    "layer norm by moments": (Kind.NORMALIZATION, moments),
    "group norm": (Kind.NORMALIZATION, group_norm),
    "rms norm": (Kind.NORMALIZATION, rms_norm),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_named(name: str) -> None:
    kind, spelling = SPELLINGS[name]
    assert kinds(spelling, 5, 8) == [kind]


def by_other(b: Building, h: int) -> int:
    mixed = b.do("mean", b.do("mul", h, b.weight(8)), axes=(1,), keepdims=True)
    return b.do("div", h, b.do("sqrt", b.do("add", mixed, 40.0)))


NEAR_MISSES: dict[str, tuple[Kind, Spelling]] = {
    "a kink off 0": (
        Kind.RELU,
        lambda b, h: b.do("select", b.do("gt", h, 0.002), h, 0.0),
    ),
    "another slope": (Kind.SILU, lambda b, h: b.do("mul", h, b.do("sigmoid", b.do("mul", h, 1.3)))),
    "a gate that is stopped": (
        Kind.SILU,
        lambda b, h: b.do("mul", h, b.do("stop_gradient", b.do("sigmoid", h))),
    ),
    "a size by another array": (Kind.NORMALIZATION, by_other),
    "a product with a size": (
        Kind.NORMALIZATION,
        lambda b, h: b.do("mul", centred(b, h), b.do("sqrt", size(b, h))),
    ),
    "a mean along another axis": (
        Kind.NORMALIZATION,
        lambda b, h: b.do("div", centred(b, h, (0,)), b.do("sqrt", size(b, centred(b, h)))),
    ),
    "a softmax times 2": (Kind.SOFTMAX, lambda b, h: b.do("add", 1.0, softmax(b, h))),
}


@pytest.mark.parametrize("name", NEAR_MISSES)
def test_near_misses_are_not_named(name: str) -> None:
    kind, spelling = NEAR_MISSES[name]
    found = kinds(spelling, 5, 8)
    assert found != [kind]
    if kind is not Kind.SOFTMAX:
        assert kind not in found


def test_recognition_does_not_depend_on_size() -> None:
    build = Building()
    x = build.input(3, 40_000)
    graph = build.between([x], [softmax(build, build.do("tanh", x))])
    assert [unit.kind for unit in recognise(graph, NoRules()).units] == [Kind.TANH, Kind.SOFTMAX]


def test_a_shared_maximum_does_not_hide_a_softmax() -> None:
    build = Building()
    x = build.input(4, 6)
    h = build.dense(x, 6)
    highest = build.do("max", h, axes=(1,), keepdims=True)
    e = build.do("exp", build.do("sub", h, highest))
    soft = build.do("div", e, build.do("sum", e, axes=(1,), keepdims=True))
    graph = build.between([x], [build.do("add", soft, build.do("mul", highest, 2.0))])
    assert Kind.SOFTMAX in [unit.kind for unit in recognise(graph, NoRules()).units]


def test_a_size_that_is_used_elsewhere_makes_no_normalisation() -> None:
    build = Building()
    x = build.input(4, 6)
    h = build.dense(x, 6)
    root = build.do("sqrt", size(build, h))
    y = build.do("add", build.do("div", h, root), root)
    graph = build.between([x], [y])
    assert Kind.NORMALIZATION not in [unit.kind for unit in recognise(graph, NoRules()).units]


def test_the_size_of_a_normalisation_is_what_it_divides_by() -> None:
    build = Building()
    x = build.input(4, 6)
    h = build.dense(x, 6)
    c = centred(build, h)
    root = build.do("rsqrt", size(build, c))
    graph = build.between([x], [build.do("mul", c, root)])
    (unit,) = [u for u in recognise(graph, NoRules()).units if u.kind is Kind.NORMALIZATION]
    assert unit.sizes == (root,)


def test_a_size_may_be_computed_twice() -> None:
    build = Building()
    h = build.dense(build.input(4, 6), 6)
    mean = build.do("mean", h, axes=(1,), keepdims=True)
    one, other = (build.do("rsqrt", size(build, centred(build, h))) for _ in range(2))
    graph = build.between(
        [0], [build.do("sub", build.do("mul", h, one), build.do("mul", mean, other))]
    )
    (unit,) = recognise(graph, NoRules()).units[1:]
    assert (unit.kind, unit.sizes) == (Kind.NORMALIZATION, (one, other))


@dataclass(frozen=True)
class For(Rules):
    """Rules for some kinds, which do nothing."""

    wanted: frozenset[Kind]
    fold: bool = False

    @property
    def folds_scales(self) -> bool:
        return self.fold

    @property
    def kinds(self) -> frozenset[Kind]:
        return self.wanted

    def choose(self, operation: object) -> Rule | None:
        return None


def test_composites_are_opened_for_rules_about_what_is_inside() -> None:
    products = For(frozenset({Kind.MUL, Kind.DIV}))
    assert Kind.DIV in kinds(softmax, 5, 8, rules=products)
    assert kinds(softmax, 5, 8, rules=For(frozenset({Kind.DIV, Kind.SOFTMAX}))) == [Kind.SOFTMAX]
    assert kinds(softmax, 5, 8, rules=For(frozenset({Kind.RELU}))) == [Kind.SOFTMAX]


def test_biases_scales_and_shifts_are_folded() -> None:
    build = Building()
    x = build.input(4, 6)
    z = build.do("add", build.dense(x, 5), build.weight(5))
    z = build.do("reshape", z, shape=(2, 2, 5))
    z = build.do("sub", build.do("mul", z, build.weight(5)), build.weight(5))
    graph = build.between([x], [build.do("relu", z)])
    plain = recognise(graph, For(frozenset({Kind.DENSE}))).units
    assert [unit.kind for unit in plain] == [Kind.DENSE, Kind.SCALE, Kind.SHIFT, Kind.RELU]
    linear, rectifier = recognise(graph, For(frozenset({Kind.DENSE}), fold=True)).units
    assert linear.linear is not None
    assert [step.effect for step in linear.linear.steps] == ["shift", "move", "scale", "shift"]
    assert (linear.kind, rectifier.kind) == (Kind.DENSE, Kind.RELU)
    assert (linear.described.channel_axis, rectifier.described.channel_axis) == (1, None)
    (joined,) = recognise(graph, For(frozenset({Kind.NEURON}), fold=True)).units
    assert (joined.kind, [part.kind for part in joined.parts]) == (
        Kind.NEURON,
        [Kind.DENSE, Kind.RELU],
    )
    assert joined.described.first
    assert joined.described.last


def test_what_is_read_elsewhere_too_folds_nothing() -> None:
    for kept in (False, True):
        build = Building()
        z = build.dense(build.input(4, 6), 5)
        biased = build.do("add", z, build.weight(5))
        ends = (
            [build.do("tanh", biased)] if kept else [build.do("tanh", biased), build.do("sin", z)]
        )
        graph = build.between([0], ends)
        graph.kept = frozenset({z}) if kept else frozenset()
        units = recognise(graph, For(frozenset({Kind.DENSE}), fold=True)).units
        assert [unit.kind for unit in units][:2] == [Kind.DENSE, Kind.SHIFT]
        assert units[0].output == z


def test_a_rectifier_behind_a_move_makes_a_neuron() -> None:
    build = Building()
    z = build.do("reshape", build.dense(build.input(4, 6), 8), shape=(2, 2, 8))
    graph = build.between([0], [build.do("relu", z)])
    units = recognise(graph, For(frozenset({Kind.NEURON}))).units
    assert [(unit.kind, [part.output for part in unit.parts[:1]]) for unit in units] == [
        (Kind.NEURON, [z])
    ]


def test_a_bias_behind_heads_that_are_taken_apart_is_one() -> None:
    """A scale behind it, for each channel of each head, is on no axis of the weight."""
    build = Building()
    z = build.do("reshape", build.dense(build.input(4, 6), 8), shape=(4, 2, 4))
    z = build.do("mul", build.do("add", z, build.weight(2, 4)), build.weight(4))
    graph = build.between([0], [z])
    linear, scale = recognise(graph, For(frozenset({Kind.DENSE}), fold=True)).units
    assert linear.linear is not None
    assert [step.effect for step in linear.linear.steps] == ["move", "shift"]
    assert scale.kind is Kind.SCALE
    build = Building()
    z = build.do("add", build.dense(build.input(4, 6), 8), build.weight(8))
    z = build.do("mul", build.do("reshape", z, shape=(4, 2, 4)), 0.5)
    units = recognise(build.between([0], [z]), For(frozenset({Kind.DENSE}), fold=True)).units
    assert [unit.kind for unit in units] == [Kind.DENSE, Kind.SCALE]


def test_what_the_value_chooses_is_other() -> None:
    """Weights that an index of the value's picks are no constants."""
    build = Building()
    x = build.input(4, 6)
    experts = build.do("take", build.weight(6, 3), build.do("argmax", x, axis=1), axis=0)
    y = build.do("mul", build.dense(x, 3), experts)
    graph = build.between([x], [y])
    (dense, product) = recognise(graph, NoRules()).units
    assert (dense.kind, product.kind) == (Kind.DENSE, Kind.OTHER)
    assert not product.replayable
    assert product.described.chosen


@pytest.mark.parametrize("chosen", [True, False])
def test_a_bias_that_the_value_chooses_is_told(chosen: bool) -> None:
    build = Building()
    x = build.input(4, 6)
    bias = build.weight(6, 3)
    bias = build.do("take", bias, build.do("argmax", x if chosen else bias, axis=1), axis=0)
    bias = bias if chosen else build.do("mean", bias, axes=(0,))
    graph = build.between([x], [build.do("add", build.dense(x, 3), bias)])
    assert recognise(graph, NoRules()).units[-1].described.chosen is chosen


def test_functions_of_no_numbers_have_no_name_and_no_harm_is_done() -> None:
    build = Building()
    h = build.do("tanh", build.input(0, 8))
    gate = build.do(
        "reshape", build.do("sigmoid", build.do("reshape", h, shape=(0,))), shape=(0, 8)
    )
    graph = build.between([0], [build.do("mul", h, gate)])
    found = [unit.kind for unit in recognise(graph, NoRules()).units]
    assert found[0] is Kind.TANH


def test_what_only_a_test_reads_is_no_operation_of_its_own() -> None:
    """|x| in where(|x| > 0.5, x, 0): no gradient comes to it."""

    def hard_shrink(b: Building, h: int) -> int:
        return b.do("select", b.do("gt", b.do("abs", h), 0.5), h, 0.0)

    assert kinds(hard_shrink, 5, 8) == [Kind.ELEMENTWISE]


def test_what_a_test_chooses_is_one_function_for_rules_about_such() -> None:
    def elu_that_jumps(b: Building, h: int) -> int:
        below = b.do("sub", b.do("exp", h), 1.01)
        return b.do("select", b.do("gt", h, 0.0), h, below)

    rules = For(frozenset({Kind.ELEMENTWISE, Kind.EXP}))
    assert kinds(elu_that_jumps, 5, 8, rules=rules) == [Kind.ELEMENTWISE]


def test_what_keeps_a_variance_above_0_is_no_rectifier() -> None:
    def layer_norm(b: Building, h: int) -> int:
        mean = b.do("mean", h, axes=(1,), keepdims=True)
        squares = b.do("mean", b.do("square", h), axes=(1,), keepdims=True)
        variance = b.do("maximum", 0.0, b.do("sub", squares, b.do("square", mean)))
        root = b.do("rsqrt", b.do("add", variance, 1e-5))
        return b.do("mul", b.do("sub", h, mean), root)

    for rules in (For(frozenset({Kind.RELU})), For(frozenset({Kind.RELU, Kind.SILU, Kind.ELU}))):
        assert kinds(layer_norm, 5, 8, rules=rules) == [Kind.NORMALIZATION]


def test_a_square_has_one_operand_however_it_is_written() -> None:
    build = Building()
    h = build.dense(build.input(4, 6), 6)
    graph = build.between([0], [build.do("mul", h, h)])
    units = recognise(graph, NoRules()).units
    assert [unit.inputs for unit in units] == [(0,), (h,)]
    assert [unit.described.power for unit in units] == [None, 2]


def test_the_power_of_a_function_is_known_where_it_is_one() -> None:
    build = Building()
    h = build.do("exp", build.dense(build.input(4, 6), 6))
    ends = [
        build.do("square", h),
        build.do("pow", h, 3.0),
        build.do("pow", h, build.weight(6)),
        build.do("reciprocal", h),
        build.do("div", 2.0, h),
        build.do("squared_difference", h, 1.0),
    ]
    units = {
        one.output: one.described for one in recognise(build.between([0], ends), NoRules()).units
    }
    assert {units[end].kind for end in ends} == {Kind.POW}
    assert [units[end].power for end in ends] == [2, 3, None, -1, -1, None]


def test_a_factor_from_one_over_something_makes_a_quotient() -> None:
    build = Building()
    x = build.input(4, 6)
    one, other = build.dense(x, 3), build.dense(x, 3)
    y = build.do("mul", one, build.do("mul", build.do("reciprocal", other), 2.0))
    units = recognise(build.between([x], [y]), For(frozenset({Kind.MUL}))).units
    assert units[-1].described.reciprocal == 1


def test_what_was_recognised_in_an_equal_graph_is_remembered_without_its_handles() -> None:
    def graph(handle: object) -> Building:
        build = Building()
        x = build.input(4, 6)
        build.between([x], [build.do("tanh", build.dense(x, 3))])
        build.graph.values[x].constant = handle
        return build

    first, second = (recognise(graph(number).graph, NoRules()) for number in (1, 2))
    assert [id(one) for one in first.units] == [id(one) for one in second.units]
    assert second.graph.values[0].constant == 2
    assert second.flow.values is second.graph.values


def test_what_is_behind_a_rectifier_is_known_to_be_at_least_0() -> None:
    build = Building()
    x = build.input(4, 6)
    above = build.do("reshape", build.do("relu", build.dense(x, 6)), shape=(4, 6))
    summed = build.do("add", above, build.do("sigmoid", build.dense(x, 6)))
    shifted = build.do("add", summed, build.weight(6))
    lowered = build.do("sub", summed, 1.0)
    ends = [build.dense(value, 3) for value in (above, summed, shifted, lowered, x)]
    graph = build.between([x], ends)
    units = {unit.output: unit for unit in recognise(graph, NoRules()).units}
    assert [units[end].described.rectified for end in ends] == [True, True, False, False, False]


def test_a_power_above_0_is_no_reciprocal() -> None:
    for power, place in ((2.0, None), (-1.0, 1)):
        build = Building()
        x = build.input(4, 6)
        factor = build.do("pow", build.do("exp", build.dense(x, 3)), power)
        y = build.do("mul", build.dense(x, 3), factor)
        units = recognise(build.between([x], [y]), For(frozenset({Kind.MUL}))).units
        assert units[-1].described.reciprocal == place


def test_first_and_last_are_told_from_the_linear_operations_between() -> None:
    build = Building()
    x = build.input(4, 6)
    h = build.do("relu", build.dense(build.do("relu", build.dense(x, 5)), 5))
    units = recognise(build.between([x], [build.dense(h, 3)]), NoRules()).units
    ends = [(unit.described.first, unit.described.last) for unit in units]
    inside = (False, False)
    assert ends == [(True, False), inside, inside, (False, False), (False, True)]


def test_a_softmax_along_another_axis_gives_no_probabilities_of_classes() -> None:
    build = Building()
    x = build.input(4, 6)
    one, other = build.do("softmax", x, axes=(1,)), build.do("softmax", x, axes=(0,))
    graph = build.between([x], [one, other])
    assert [output_kind(graph, value) for value in (one, other)] == ["probabilities", "logits"]


def test_passes_are_compared_where_their_arrays_broadcast() -> None:
    def found(rows: int, width: int) -> Recognised:
        build = Building()
        x = build.input(rows, width)
        return recognise(build.between([x], [build.do("tanh", x)]), NoRules())

    assert mismatch(found(4, 6), found(1, 6)) is None
    assert "(4, 6) here and (2, 6) there" in str(mismatch(found(4, 6), found(2, 6)))


def test_what_was_used_last_is_remembered() -> None:
    kept: Recent[int] = Recent(2)
    made: list[str] = []

    def recall(key: str) -> None:
        kept.recall(key, lambda: made.append(key) or len(made))  # type: ignore[func-returns-value]

    for key in "abaca":
        recall(key)
    assert made == ["a", "b", "c"]


def test_probabilities_are_told_behind_what_keeps_them_all() -> None:
    build = Building()
    x = build.input(4, 5, 6)
    shares = build.do("softmax", x, axes=(2,))  # along what is axis 1 of the output in the end
    turned = build.do("transpose", shares, permutation=(0, 2, 1))
    same = build.do("reshape", turned, shape=(4, 6, 5))
    stopped = build.do("stop_gradient", turned)
    other = build.do("reshape", turned, shape=(4, 3, 10))
    ends = [turned, same, stopped, shares, other]
    graph = build.between([x], ends)
    assert [output_kind(graph, end) for end in ends] == [*["probabilities"] * 3, *["logits"] * 2]
    assert [output_kind(graph, end, axis=2) for end in ends[:4]] == [
        *["logits"] * 3,
        "probabilities",
    ]


def test_probabilities_of_words_are_told_too() -> None:
    build = Building()
    ids = build.graph.value((4,), DType.INTEGER)
    build.samples[ids] = np.arange(4)
    rows = build.do("take", build.weight(7, 5), ids, axis=0)
    end = build.do("softmax", rows, axes=(1,))
    assert output_kind(build.between([ids], [end]), end) == "probabilities"


def test_passes_whose_results_alone_differ_in_length_are_told_apart() -> None:
    def found(width: int) -> Recognised:
        build = Building()
        x = build.input(4, 6)
        return recognise(build.between([x], [build.dense(x, width)]), NoRules())

    assert mismatch(found(5), found(5)) is None
    assert "(4, 5) here and (4, 3) there" in str(mismatch(found(5), found(3)))


def test_examples_are_one_with_what_stands_behind_them_in_their_axis() -> None:
    tokens = (*examples(2), Atom(Role.PLACES, 3, (0, 1)))
    turned = (Atom(Role.PLACES, 3, (0, 1)), *examples(2))
    assert folded_axis((tokens, ()), (6, 1), (3, 1)) == 0
    assert folded_axis((turned, ()), (6, 1), (3, 1)) is None
    assert folded_axis((tokens, ()), (6, 4), (3, 2)) is None


def test_a_constant_over_a_result_is_no_scale_of_it() -> None:
    build = Building()
    z = build.dense(build.input(4, 6), 5)
    graph = build.between([0], [build.do("div", build.weight(5), z)])
    units = recognise(graph, For(frozenset({Kind.DENSE}), fold=True)).units
    assert units[0].output == z
    assert units[0].linear is not None
    assert units[0].linear.steps == ()


def test_a_constant_that_was_turned_differs_along_the_axis_it_has_now() -> None:
    """A factor of each row is on no axis of the weight, however it got there."""
    for axis, folded in ((0, False), (1, True)):
        build = Building()
        z = build.dense(build.input(4, 4), 4)
        factor = build.do("broadcast", build.weight(4), shape=(4, 4), axes=(axis,))
        graph = build.between([0], [build.do("mul", z, factor)])
        units = recognise(graph, For(frozenset({Kind.DENSE}), fold=True)).units
        assert (len(units) == 1) is folded


def test_a_move_at_the_end_is_no_part_of_the_operation() -> None:
    build = Building()
    z = build.do("add", build.dense(build.input(4, 6), 8), build.weight(8))
    graph = build.between([0], [build.do("reshape", z, shape=(2, 2, 8))])
    (unit,) = recognise(graph, For(frozenset({Kind.DENSE}), fold=True)).units
    assert unit.output == z
