"""Scores: what each means, on every kind of output, and what is refused."""

from collections import namedtuple
from dataclasses import dataclass

import array_api_strict as strict
import numpy as np
import pytest

from backlight import (
    Attribution,
    Class,
    Function,
    Logit,
    LogProbability,
    Margin,
    Neuron,
    Output,
    Probability,
    Score,
)
from backlight.errors import TargetError, UnknownNameError
from backlight.values.arrays import log_softmax, shape_of, softmax
from backlight.values.outputs import OutputSpec
from backlight.values.tree import map_nested
from backlight_methods import Gradient, IntegratedGradients, Occlusion
from tests.ids import shown
from tests.reference import ReferenceModel, polynomial
from tests.tape import arrays as functions

CLOSE = {"rtol": 1e-6, "atol": 1e-7}
EXACT = {"rtol": 1e-11, "atol": 1e-12}

RNG = np.random.default_rng(1)
WEIGHTS = RNG.normal(size=(2, 3, 4))
X = RNG.normal(size=(5, 3))
LOGITS = X @ WEIGHTS[0] + X**2 @ WEIGHTS[1]
ODDS = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)

logits = polynomial(*WEIGHTS)
LAST = {
    "logits": logits,
    "probabilities": lambda x: softmax(logits(x), strict),
    "log_probabilities": lambda x: log_softmax(logits(x), strict),
}
KINDS = pytest.mark.parametrize("kind", LAST)


def model(kind: str = "logits") -> ReferenceModel:
    return ReferenceModel(("head", LAST[kind]), kind=kind)


def explained(target: object, kind: str = "logits") -> Attribution:
    return Gradient()(model(kind), X, target)


class Nested(ReferenceModel):
    """A model whose outputs are nested: `nest` arranges what the last stage gives."""

    def __init__(self, nest, *stages, **options):
        super().__init__(*stages, **options)
        self.nest = nest

    def run(self, inputs, at=None, value=None, stop=None):
        found = super().run(inputs, at, value, stop)
        return found if stop else self.nest(found)

    def outputs(self, inputs):
        def described(part):
            return OutputSpec(tuple(part.shape), self.kind) if hasattr(part, "shape") else ()

        return map_nested(described, self.predict(inputs))


# Classes


@KINDS
def test_a_class_is_the_models_output_as_it_is(kind: str) -> None:
    outputs = {"logits": LOGITS, "probabilities": ODDS, "log_probabilities": np.log(ODDS)}
    np.testing.assert_allclose(explained(Class(2), kind).score, outputs[kind][:, 2], **EXACT)


@pytest.mark.parametrize("target", [2, Class(2), np.int64(2), np.array(2), Class(-2), -2])
def test_an_integer_is_a_class_and_negatives_count_from_the_end(target: object) -> None:
    found = explained(target)
    np.testing.assert_allclose(found.score, LOGITS[:, 2], **EXACT)
    np.testing.assert_array_equal(found.classes, [2] * 5)
    assert found.classes.dtype == np.int64
    assert not found.predicted
    assert found.target == "Class(2)"


EACH = [3, 0, 2, 1, -1]


@pytest.mark.parametrize(
    "target", [EACH, tuple(EACH), np.array(EACH), np.array(EACH, np.int8), strict.asarray(EACH)]
)
@pytest.mark.parametrize("batch_size", [2, 256])
def test_a_class_for_each_example(target: object, batch_size: int) -> None:
    found = Gradient()(model(), X, target, batch_size=batch_size)
    np.testing.assert_allclose(found.score, LOGITS[np.arange(5), EACH], **EXACT)
    np.testing.assert_array_equal(found.classes, [3, 0, 2, 1, 3])
    slope = WEIGHTS[0][:, EACH].T + 2 * X * WEIGHTS[1][:, EACH].T
    np.testing.assert_allclose(found.values, slope, **CLOSE)
    assert found.target == "Class([3, 0, 2, 1, 3])"


SAME = [
    (Probability(1), lambda: ODDS[:, 1]),
    (Probability(EACH), lambda: ODDS[np.arange(5), EACH]),
    (LogProbability(-3), lambda: np.log(ODDS[:, 1])),
    (Margin(1, 3), lambda: LOGITS[:, 1] - LOGITS[:, 3]),
    (Margin(1, versus=-1), lambda: LOGITS[:, 1] - LOGITS[:, 3]),
    (Margin(EACH, 1), lambda: LOGITS[np.arange(5), EACH] - LOGITS[:, 1]),
    (Margin(0, EACH), lambda: LOGITS[:, 0] - LOGITS[np.arange(5), EACH]),
]


@KINDS
@pytest.mark.filterwarnings("ignore:Every value is exactly 0")  # of a class against itself
@pytest.mark.parametrize(("target", "expected"), SAME, ids=shown)
def test_equivalent_models_give_equal_scores_and_gradients(
    kind: str, target: Score, expected: object
) -> None:
    found = Gradient()(model(kind), X, target, batch_size=2)
    np.testing.assert_allclose(found.score, expected(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.values, explained(target).values, **CLOSE)


def test_the_gradient_of_a_probability_by_hand() -> None:
    slopes = WEIGHTS[0] + 2 * X[:, :, None] * WEIGHTS[1]
    mean = (slopes * ODDS[:, None, :]).sum(2)
    expected = ODDS[:, 1:2] * (slopes[:, :, 1] - mean)
    np.testing.assert_allclose(explained(Probability(1)).values, expected, **CLOSE)
    np.testing.assert_allclose(explained(LogProbability(1)).values, slopes[:, :, 1] - mean, **CLOSE)
    np.testing.assert_allclose(
        explained(Margin(1, 0)).values, slopes[:, :, 1] - slopes[:, :, 0], **CLOSE
    )


CENTRED = LOGITS - LOGITS.mean(1, keepdims=True)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("logits", LOGITS), ("probabilities", CENTRED), ("log_probabilities", CENTRED)],
)
def test_a_logit_is_the_value_before_the_softmax(kind: str, expected: np.ndarray) -> None:
    """But for what a softmax forgets: the mean of all logits."""
    slopes = WEIGHTS[0] + 2 * X[:, :, None] * WEIGHTS[1]
    slopes = slopes if kind == "logits" else slopes - slopes.mean(2, keepdims=True)
    found = explained(Logit(1), kind)
    np.testing.assert_allclose(found.score, expected[:, 1], rtol=1e-10)
    np.testing.assert_allclose(found.values, slopes[:, :, 1], **CLOSE)
    each = explained(Logit(EACH), kind)
    np.testing.assert_allclose(each.score, expected[np.arange(5), EACH], rtol=1e-10)
    np.testing.assert_array_equal(each.classes, [3, 0, 2, 1, 3])


@KINDS
def test_a_margin_is_the_difference_of_two_logits(kind: str) -> None:
    margin, k, j = (explained(one, kind) for one in (Margin(1, 3), Logit(1), Logit(3)))
    np.testing.assert_allclose(margin.score, k.score - j.score, rtol=1e-12)
    np.testing.assert_allclose(margin.values, k.values - j.values, rtol=1e-6, atol=1e-9)


@pytest.mark.filterwarnings("ignore:Every value is exactly 0")  # of saturated ones
def test_a_probability_of_0_has_a_logit_and_leaves_those_of_the_others_finite() -> None:
    """log of 0 would be minus infinity, and its derivative NaN for the other classes as well."""
    sure = ReferenceModel(
        ("head", lambda x: softmax(logits(x) * 1000.0, strict)), kind="probabilities"
    )
    assert (np.asarray(sure.predict(X)) == 0).any()
    lowest = np.log(2.0**-1022)
    for target in (Logit(0), LogProbability(0), Margin(0, 1)):
        found = Gradient()(sure, X, target)
        assert np.isfinite(found.score).all()
        assert np.abs(found.score).max() <= -lowest


@pytest.mark.filterwarnings("ignore:Every value is exactly 0")  # of saturated ones
def test_large_logits_do_not_overflow() -> None:
    big = ReferenceModel(("head", lambda x: x * 1000.0))
    x = np.array([[1.0, 2.0], [-3.0, 1.0]])
    found = Gradient()(big, x, LogProbability(0))
    np.testing.assert_allclose(found.score, [-1000, -4000], **EXACT)
    np.testing.assert_allclose(Gradient()(big, x, Probability(1)).score, [1, 1], **EXACT)


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (Class(1), "Class(1)"),
        (Class([1, 2, 1, 1, 1]), "Class([1, 2, 1, 1, 1])"),
        (Class([3, 3]), "Class(3)"),
        (Class(range(8)), "Class([0, 1, 2, 3, 4, 5, ...])"),
        (Probability(1, path="out"), "Probability(1, path='out')"),
        (LogProbability(1), "LogProbability(1)"),
        (Logit(1), "Logit(1)"),
        (Margin(1, 2), "Margin(1, versus=2)"),
    ],
)
def test_scores_show_themselves(target: Score, shown: str) -> None:
    assert repr(target) == shown


@pytest.mark.parametrize(
    ("target", "fragments"),
    [
        (4, ["4 outputs, 0 to 3", "got class 4"]),
        (-5, ["4 outputs, 0 to 3", "got class -5"]),
        ([0, 1, 2, 3, 9], ["0 to 3", "got class 9"]),
        (1.0, ["A class is an integer", "1.0", "float64"]),
        ("cat", ["A class is an integer", "'cat'"]),
        (True, ["A class is an integer", "bool"]),
        ([1, 2], ["one class for the batch, or one for each of its 5 examples", "(2,)"]),
        (np.zeros((5, 1), int), ["shape (5, 1)"]),
        (Margin(1, 7), ["got class 7"]),
    ],
)
def test_a_class_that_cannot_be_is_refused(target: object, fragments: list[str]) -> None:
    with pytest.raises(TargetError) as caught:
        explained(target)
    for fragment in fragments:
        assert fragment in str(caught.value)


@pytest.mark.parametrize("pair", [(1, 1), ([1, 2], [1, 2]), (np.array(3), 3)])
def test_a_margin_needs_two_classes(pair: tuple[object, object]) -> None:
    with pytest.raises(TargetError, match="Margin needs two classes"):
        Margin(*pair)


def test_a_margin_needs_two_classes_also_when_one_counts_from_the_end() -> None:
    with pytest.raises(TargetError, match="Margin needs two classes"):
        explained(Margin(3, versus=-1))


# Models with one output


@pytest.mark.parametrize("width", ["(N,)", "(N, 1)"])
@pytest.mark.parametrize("target", [None, 0, Class(0), -1])
def test_the_output_of_a_one_output_model_needs_no_target(width: str, target: object) -> None:
    def head(x):
        column = logits(x)[:, 1:2]
        return column if width == "(N, 1)" else column[:, 0]

    found = Gradient()(ReferenceModel(("head", head)), X, target)
    np.testing.assert_allclose(found.score, LOGITS[:, 1], **EXACT)
    slope = WEIGHTS[0][:, 1] + 2 * X * WEIGHTS[1][:, 1]
    np.testing.assert_allclose(found.values, slope, **CLOSE)
    assert not found.predicted


@KINDS
@pytest.mark.parametrize("batch_size", [2, 256])
def test_without_a_target_the_predicted_class_is_explained(kind: str, batch_size: int) -> None:
    found = Gradient()(model(kind), X, batch_size=batch_size)
    predicted = LOGITS.argmax(1)
    assert len(set(predicted)) > 1
    np.testing.assert_array_equal(found.classes, predicted)
    assert found.predicted
    np.testing.assert_allclose(found.score, explained(predicted, kind).score, **EXACT)


def binary(width: str, last: object = lambda x: x) -> object:
    """One output per example: the second of the logits, and what comes after it."""

    def head(x):
        column = last(logits(x)[:, 1:2])
        return column if width == "(N, 1)" else column[:, 0]

    return head


def sigmoid(x):
    return 1 / (1 + strict.exp(-x))


Z = LOGITS[:, 1]
P = 1 / (1 + np.exp(-Z))
ZEROS_AND_ONES = np.array([0, 1, 1, 0, 1])
SIGNS = 2 * ZEROS_AND_ONES - 1
BINARY = [
    (Probability(1), P),
    (Probability(0), 1 - P),
    (Probability(-1), P),
    (Probability(ZEROS_AND_ONES), np.where(ZEROS_AND_ONES, P, 1 - P)),
    (LogProbability(1), np.log(P)),
    (LogProbability(0), np.log(1 - P)),
    (Margin(1, versus=0), Z),
    (Margin(0, versus=1), -Z),
    (Margin(ZEROS_AND_ONES, versus=1 - ZEROS_AND_ONES), Z * SIGNS),
    (Margin(ZEROS_AND_ONES, versus=0), Z * ZEROS_AND_ONES),
]


def test_the_logit_of_a_saturated_sigmoid_is_next_to_what_float32_knows() -> None:
    """1 - p is 0 in float32 from a logit of about 17 on: the margin stays there, and does not jump."""

    def saturated(x):
        return strict.astype(x * 0.0, strict.float32) + 1.0

    model = ReferenceModel(("head", saturated), kind="sigmoid")
    score = Margin(1, versus=0).bind(model.outputs(X[:, :1]), len(X))
    found = np.asarray(model.score(X[:, :1], score))
    np.testing.assert_allclose(found, np.log(4 * 2.0**23), rtol=1e-3)


@pytest.mark.parametrize("kind", ["sigmoid", "logits"])
def test_the_two_classes_of_one_output_have_half_of_the_logit_each(kind: str) -> None:
    squash = sigmoid if kind == "sigmoid" else lambda x: x
    net = ReferenceModel(("head", binary("(N, 1)", squash)), kind=kind)
    slope = WEIGHTS[0][:, 1] + 2 * X * WEIGHTS[1][:, 1]
    for target, share in ((Logit(1), 0.5), (Logit(0), -0.5)):
        found = Gradient()(net, X, target)
        np.testing.assert_allclose(found.score, share * Z, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(found.values, share * slope, **CLOSE)


def test_the_logit_of_a_label_is_what_its_sigmoid_was_given() -> None:
    net = ReferenceModel(("head", lambda x: sigmoid(logits(x))), kind="sigmoid")
    for k in range(4):
        found = Gradient()(net, X, Logit(k))
        np.testing.assert_allclose(found.score, LOGITS[:, k], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(found.values, Gradient()(model(), X, k).values, **CLOSE)


@pytest.mark.filterwarnings("ignore:Every value is exactly 0")  # of a class against itself
@pytest.mark.parametrize("width", ["(N,)", "(N, 1)"])
@pytest.mark.parametrize("kind", ["sigmoid", "logits"])
@pytest.mark.parametrize(("target", "expected"), BINARY, ids=shown)
def test_one_output_is_that_of_a_binary_net(
    kind: str, width: str, target: Score, expected: np.ndarray
) -> None:
    net = ReferenceModel(
        ("head", binary(width, sigmoid if kind == "sigmoid" else lambda x: x)), kind=kind
    )
    found = Gradient()(net, X, target, batch_size=2)
    np.testing.assert_allclose(found.score, expected, rtol=1e-10, atol=1e-12)
    two = ReferenceModel(("head", lambda x: strict.concat([0 * x[:, :1], x[:, :1]], axis=1)))
    by_two = Gradient()(two, Z[:, None], target).values
    slope = WEIGHTS[0][:, 1] + 2 * X * WEIGHTS[1][:, 1]
    np.testing.assert_allclose(found.values, by_two * slope, **CLOSE)
    np.testing.assert_array_equal(found.classes, np.broadcast_to(target.k, 5) % 2)


@pytest.mark.parametrize("width", ["(N,)", "(N, 1)"])
@pytest.mark.parametrize(
    ("target", "expected"),
    [(1, P), (0, 1 - P), (-1, P), (ZEROS_AND_ONES, np.where(ZEROS_AND_ONES, P, 1 - P)), (None, P)],
)
def test_the_classes_of_a_net_that_ends_in_one_sigmoid(
    width: str, target: object, expected: np.ndarray
) -> None:
    found = Gradient()(ReferenceModel(("head", binary(width, sigmoid)), kind="sigmoid"), X, target)
    np.testing.assert_allclose(found.score, expected, **EXACT)
    assert (found.classes is None) == (target is None)


@pytest.mark.parametrize("target", [0, Class(0), -1])
def test_class_0_of_an_output_of_unknown_meaning_is_the_output_and_says_so(target: object) -> None:
    found = Gradient()(ReferenceModel(("head", binary("(N, 1)"))), X, target)
    assert (found.target, found.classes) == ("Output()", None)


@pytest.mark.parametrize("width", ["(N,)", "(N, 1)"])
@pytest.mark.parametrize("target", [1, Class(1), [0] * 5, ZEROS_AND_ONES, [1] * 5])
def test_other_classes_of_an_output_of_unknown_meaning_are_refused(
    width: str, target: object
) -> None:
    """Labels most of all: that of class 0 would be explained as that of class 1."""
    with pytest.raises(TargetError) as caught:
        Gradient()(ReferenceModel(("head", binary(width))), X, target)
    for way in ("Output()", "Margin(1, versus=0)", "Margin(0, versus=1)", "outputs='sigmoid'"):
        assert way in str(caught.value)


@pytest.mark.parametrize("target", [Probability(1), LogProbability(0), Margin(1, 0)])
def test_numbers_that_may_be_probabilities_or_logits_are_asked_about(target: Score) -> None:
    """Behind a sigmoid there may be something that hides it, a mean over several nets for example."""
    net = ReferenceModel(("head", binary("(N, 1)", sigmoid)), kind="logits")
    with pytest.raises(TargetError, match="wrap\\(net, outputs='sigmoid'\\)"):
        Gradient()(net, X, target)
    net.declared = "logits"
    assert Gradient()(net, X, target).score.shape == (5,)


@pytest.mark.parametrize("kind", ["probabilities", "log_probabilities"])
def test_a_softmax_over_one_output_has_nothing_to_explain(kind: str) -> None:
    net = ReferenceModel(("head", binary("(N, 1)")), kind=kind)
    with pytest.raises(TargetError, match="A softmax over one output"):
        Gradient()(net, X, Probability(0))


@pytest.mark.parametrize("target", [2, Probability(2), Margin(-3, 1)])
def test_one_output_has_two_classes(target: object) -> None:
    with pytest.raises(TargetError, match="2 classes, 0 to 1; got class"):
        Gradient()(ReferenceModel(("head", binary("(N,)"))), X, target)


# Outputs and indices

DENSE = RNG.normal(size=(3, 2, 4, 5))


def dense(x):
    """(N, 3) -> (N, 2, 4, 5)"""
    return strict.sum(strict.asarray(DENSE)[None, ...] * x[:, :, None, None, None], axis=1)


MAPS = np.einsum("ni,icyx->ncyx", X, DENSE)

INDICES = [
    ((), (slice(None),)),
    (1, (1,)),
    ((1,), (1,)),
    ((1, 2, 3), (1, 2, 3)),
    ((..., 3), (..., 3)),
    ((1, ...), (1,)),
    ((0, ..., 4), (0, slice(None), 4)),
    (..., (slice(None),)),
    ((slice(None), 2), (slice(None), 2)),
    ((1, slice(1, 3), slice(0, 5, 2)), (1, slice(1, 3), slice(0, 5, 2))),
    ((slice(None), slice(None), 4), (slice(None), slice(None), 4)),
    (slice(0, 1), (slice(0, 1),)),
]


@pytest.mark.parametrize(("index", "numpy_index"), INDICES, ids=lambda index: str(index))
@pytest.mark.parametrize("make", [Output, Neuron])
def test_an_element_a_channel_or_a_region(make: type, index: object, numpy_index: tuple) -> None:
    net = ReferenceModel(("maps", dense), ("head", lambda value: value * 1.0))
    target = Output(index=index) if make is Output else Neuron("maps", index)
    found = Gradient()(net, X, target, batch_size=2)
    part = (slice(None), *numpy_index)
    expected = MAPS[part].reshape(5, -1).sum(1)
    np.testing.assert_allclose(found.score, expected, **EXACT)
    slope = DENSE[part].reshape(3, -1).sum(1)
    np.testing.assert_allclose(found.values, np.tile(slope, (5, 1)), **CLOSE)
    assert found.classes is None


@pytest.mark.parametrize("index", [(np.int64(1), 2), (np.int64(1), np.int64(2), 3), np.int64(1)])
@pytest.mark.parametrize("make", [Output, Neuron])
def test_numpy_integers_are_integers_of_an_index(make: type, index: object) -> None:
    """Such as come from argmax."""
    net = ReferenceModel(("maps", dense))
    target = Output(index=index) if make is Output else Neuron("maps", index)
    entries = index if isinstance(index, tuple) else (index,)
    expected = MAPS[(slice(None), *map(int, entries))].reshape(5, -1).sum(1)
    np.testing.assert_allclose(Gradient()(net, X, target).score, expected, **EXACT)


@pytest.mark.parametrize(
    "index", [2, (0, 4), (0, 0, 0, 0), -1, (0, -1), (..., 5), np.int64(2), (0, np.int64(4))]
)
@pytest.mark.parametrize(("make", "what"), [(Output, "output"), (Neuron, "site 'maps'")])
def test_an_index_that_does_not_fit_is_refused(make: type, what: str, index: object) -> None:
    net = ReferenceModel(("maps", dense))
    target = Output(index=index) if make is Output else Neuron("maps", index)
    with pytest.raises(TargetError) as caught:
        Gradient()(net, X, target)
    assert f"does not fit the {what} of shape (5, 2, 4, 5)" in str(caught.value)


Pair = namedtuple("Pair", ["first", "second"])


@dataclass
class Fields:
    logits: object
    hidden: object = None


NESTS = [
    (lambda out: {"logits": out, "twice": 2 * out}, "logits", "twice"),
    (lambda out: (out, 2 * out), 0, 1),
    (lambda out: [{"a": out}, (2 * out, out)], (0, "a"), (1, 0)),
    (lambda out: (out, 2 * out), -2, -1),
    (lambda out: {"logits": out, "twice": 2 * out}, 0, 1),
    (lambda out: {"logits": out, "twice": 2 * out}, -2, "twice"),
    (lambda out: Pair(out, 2 * out), "first", "second"),
    (lambda out: Pair(out, 2 * out), 0, -1),
    (lambda out: Fields(out, (None, 2 * out)), "logits", ("hidden", 1)),
    (lambda out: Fields(out, (None, 2 * out)), 0, "hidden"),
    (lambda out: {0: out, 1: 2 * out}, 0, 1),
]


@pytest.mark.parametrize(("nest", "path", "other"), NESTS)
@pytest.mark.parametrize("make", [Class, Probability, LogProbability])
def test_a_path_leads_to_one_of_several_outputs(
    nest: object, path: object, other: object, make: type
) -> None:
    net = Nested(nest, ("head", logits))
    plain = Gradient()(model(), X, make(1))
    found = Gradient()(net, X, make(1, path=path))
    np.testing.assert_allclose(found.score, plain.score, **EXACT)
    np.testing.assert_allclose(found.values, plain.values, **CLOSE)
    twice = Gradient()(net, X, Output(other, index=1))
    np.testing.assert_allclose(twice.score, 2 * LOGITS[:, 1], **EXACT)
    margin = Gradient()(net, X, Margin(1, 2, path=path))
    np.testing.assert_allclose(margin.score, LOGITS[:, 1] - LOGITS[:, 2], **EXACT)


@pytest.mark.parametrize("target", [None, 1, Probability(1), Output(index=1)])
def test_several_outputs_need_a_path(target: object) -> None:
    net = Nested(lambda out: {"logits": out, "twice": out}, ("head", logits))
    with pytest.raises(TargetError) as caught:
        Gradient()(net, X, target)
    assert "{'logits': (5, 4), 'twice': (5, 4)}" in str(caught.value)
    assert "path='logits'" in str(caught.value)


ALONE = [
    (lambda out: {"logits": out}, "'logits'"),
    (lambda out: {"loss": None, "logits": out, "hidden": ()}, "'logits'"),
    (lambda out: (out,), "0"),
    (lambda out: [None, out], "1"),
    (lambda out: Pair(None, out), "'second'"),
    (lambda out: Fields(out), "'logits'"),
    (lambda out: {"head": {"flag": True, "logits": out}}, "('head', 'logits')"),
]


@pytest.mark.parametrize(("nest", "path"), ALONE)
def test_one_array_among_the_outputs_is_the_output(nest: object, path: str) -> None:
    net = Nested(nest, ("head", logits))
    for target, expected in [
        (3, LOGITS[:, 3]),
        (EACH, LOGITS[np.arange(5), EACH]),
        (Probability(1), ODDS[:, 1]),
        (Output(index=2), LOGITS[:, 2]),
    ]:
        found = Gradient()(net, X, target, batch_size=2)
        np.testing.assert_allclose(found.score, expected, **EXACT)
        assert path in found.target
    predicted = Gradient()(net, X, batch_size=2)
    np.testing.assert_array_equal(predicted.classes, LOGITS.argmax(1))
    assert predicted.predicted
    one = Nested(nest, ("head", lambda x: logits(x)[:, :1]))
    np.testing.assert_allclose(Gradient()(one, X).score, LOGITS[:, 0], **EXACT)


def test_what_is_no_array_is_no_output() -> None:
    with pytest.raises(TargetError, match="returns nothing to explain"):
        Gradient()(Nested(lambda out: {"loss": None, "rest": ()}, ("head", logits)), X, 1)


def test_a_scalar_for_the_whole_batch_has_no_classes() -> None:
    with pytest.raises(TargetError, match=r"shape \(N, classes\), got \(\)"):
        Gradient()(ReferenceModel(("head", lambda x: strict.sum(x))), X, 0)


def test_several_outputs_are_named_with_paths_that_can_be_used() -> None:
    net = Nested(lambda out: {"a": (out, 2 * out), "b": out}, ("head", logits))
    with pytest.raises(TargetError) as caught:
        Gradient()(net, X, 1)
    assert "by its path: ('a', 0), ('a', 1), 'b'." in str(caught.value)
    pair = Nested(lambda out: Pair(out, out), ("head", logits))
    with pytest.raises(TargetError, match=r"\{'first': \(5, 4\), 'second': \(5, 4\)\}"):
        Gradient()(pair, X, 1)
    for path, factor in ((("a", 0), 1), (("a", 1), 2), ("b", 1)):
        found = Gradient()(net, X, Output(path, index=3))
        np.testing.assert_allclose(found.score, factor * LOGITS[:, 3], **EXACT)


@pytest.mark.parametrize(
    ("nest", "path", "error", "fragments"),
    [
        (lambda out: {"logits": out}, "logit", UnknownNameError, ["'logit'", "Nearest: logits"]),
        (lambda out: (out, out), 2, UnknownNameError, ["Unknown output 2", "Known: 0, 1"]),
        (lambda out: (out, out), "a", UnknownNameError, ["Unknown output 'a'"]),
        (lambda out: {"a": out}, ("a", 0), TargetError, ["nothing at ('a', 0)", "at 0"]),
    ],
)
def test_a_path_that_leads_nowhere(
    nest: object, path: object, error: type, fragments: list[str]
) -> None:
    with pytest.raises(error) as caught:
        Gradient()(Nested(nest, ("head", logits)), X, Class(1, path=path))
    for fragment in fragments:
        assert fragment in str(caught.value)


@pytest.mark.parametrize("target", [1, Probability(1), Margin(0, 1)])
def test_a_class_of_a_feature_map_is_refused(target: object) -> None:
    with pytest.raises(TargetError) as caught:
        Gradient()(ReferenceModel(("head", dense)), X, target)
    assert "shape (N, classes), got (5, 2, 4, 5)" in str(caught.value)
    assert "Output(path, index=...)" in str(caught.value)


def test_outputs_with_several_axes_need_a_target() -> None:
    with pytest.raises(TargetError) as caught:
        Gradient()(ReferenceModel(("head", dense)), X)
    assert "got (5, 2, 4, 5)" in str(caught.value)
    assert "target=Output(index=...)" in str(caught.value)


def test_a_neuron_at_an_unknown_site_names_the_nearest() -> None:
    net = ReferenceModel(("features", dense), ("head", lambda value: value))
    with pytest.raises(UnknownNameError, match="Nearest: features"):
        Gradient()(net, X, Neuron("feature", 1))


# Functions


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_function_of_the_outputs(wrapped: bool) -> None:
    def entropy(outputs, arrays):
        odds = softmax(outputs, arrays)
        return -arrays.sum(odds * arrays.log(odds), axis=1)

    found = Gradient()(model(), X, Function(entropy) if wrapped else entropy, batch_size=2)
    np.testing.assert_allclose(found.score, -(ODDS * np.log(ODDS)).sum(1), **EXACT)
    assert found.classes is None


@pytest.mark.parametrize(
    ("function", "gave"),
    [
        (lambda out, xp: out, "shape (5, 4)"),
        (lambda out, xp: xp.sum(out), "shape ()"),
        (lambda out, xp: xp.sum(out, axis=0), "shape (4,)"),
        (lambda out, xp: out[:2, 0], "shape (2,)"),
        (lambda out, xp: 1.5, "a float"),
        (lambda out, xp: None, "a NoneType"),
    ],
)
def test_a_function_must_give_one_number_per_example(function: object, gave: str) -> None:
    with pytest.raises(TargetError) as caught:
        Gradient()(model(), X, function)
    assert "one number per example" in str(caught.value)
    assert f"Function(<lambda>) gave {gave} for outputs (5, 4)" in str(caught.value)
    assert "Function(f, labels" in str(caught.value)


MASKS = RNG.normal(size=(5, 4))


def of_its_own(out, xp, label, mask):
    own = xp.take_along_axis(out, label[:, None], axis=1)[:, 0]
    return own + xp.sum(out * mask, axis=1)


@pytest.mark.parametrize("batch_size", [1, 2, 256])
@pytest.mark.parametrize("technique", [Gradient(), IntegratedGradients(steps=3), Occlusion()])
@pytest.mark.parametrize("native", [True, False])
def test_the_operands_of_a_function_come_with_their_examples(
    native: bool, technique: object, batch_size: int
) -> None:
    labels = np.array(EACH) % 4
    given = (strict.asarray(labels), strict.asarray(MASKS)) if native else (labels.tolist(), MASKS)
    found = technique(model(), X, Function(of_its_own, *given), batch_size=batch_size)
    expected = LOGITS[np.arange(5), labels] + (LOGITS * MASKS).sum(1)
    np.testing.assert_allclose(found.score, expected, **EXACT)
    mixed = np.eye(4)[labels] + MASKS
    if isinstance(technique, Gradient):
        slopes = WEIGHTS[0] + 2 * X[:, :, None] * WEIGHTS[1]
        np.testing.assert_allclose(found.values, np.einsum("nik,nk->ni", slopes, mixed), **CLOSE)
    else:  # each feature's part of a sum of functions of one feature
        parts = X[:, :, None] * WEIGHTS[0] + X[:, :, None] ** 2 * WEIGHTS[1]
        np.testing.assert_allclose(
            found.values, np.einsum("nik,nk->ni", parts, mixed), rtol=1e-6, atol=1e-7
        )
    assert found.target == "Function(of_its_own, (5,), (5, 4))"


@pytest.mark.parametrize(
    ("operand", "seen"),
    [
        (np.zeros(4), "float64 of shape (4,)"),
        (3, "int64 of shape ()"),
        (["a"] * 5, "<U1 of shape (5,)"),
        (np.zeros((1, 5)), "float64 of shape (1, 5)"),
    ],
)
def test_an_operand_has_a_row_for_each_example(operand: object, seen: str) -> None:
    with pytest.raises(TargetError) as caught:
        Gradient()(model(), X, Function(of_its_own, operand))
    assert seen in str(caught.value)
    assert "shape (5, ...)" in str(caught.value)


def test_a_function_that_keeps_its_batchs_labels_is_found_out() -> None:
    """It would be shown the second block, and take the first one's labels."""
    labels = np.array(EACH) % 4

    def own(out, xp):
        rows = strict.asarray(labels[: out.shape[0]])
        return xp.take_along_axis(out, rows[:, None], axis=1)[:, 0]

    expected = LOGITS[np.arange(5), labels]
    np.testing.assert_allclose(Gradient()(model(), X, own).score, expected, **EXACT)
    for batch_size in (1, 2, 3, 4):
        with pytest.raises(TargetError, match=r"Function\(own\) gives examples other scores"):
            Gradient()(model(), X, own, batch_size=batch_size)
    # Points of several steps are more rows than labels: as many numbers as there are labels.
    with pytest.raises(TargetError, match=r"own\) raised IndexError for outputs \(20, 4\)"):
        IntegratedGradients(steps=4)(model(), X, own)


def test_a_net_that_is_not_the_same_twice_is_not_taken_for_such_a_function() -> None:
    noise = np.random.default_rng(0)
    net = ReferenceModel(("head", lambda x: logits(x) + noise.normal()))
    assert Gradient()(net, X, lambda out, xp: out[:, 0], batch_size=2).score.shape == (5,)


def test_an_error_of_the_function_names_it() -> None:
    def broken(out, xp):
        return out[:, 0] / [][0]

    with pytest.raises(TargetError) as caught:
        Gradient()(model(), X, broken)
    for fragment in (
        "Function(broken) raised IndexError for outputs (5, 4)",
        "Function(f, labels, masks)",
    ):
        assert fragment in str(caught.value)
    assert isinstance(caught.value.__cause__, IndexError)


# Recipes: what is compiled anew


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (Class(1), Class(2), True),
        (Class(1), Class(1, path="a"), False),
        (Class(1), Probability(1), False),
        (Probability(1), LogProbability(1), False),
        (Margin(1, 2), Margin(2, 1), True),
        (Margin(1, 2), Class(1), False),
        (Output(index=1), Output(index=3), True),
        (Output(index=(1, ...)), Output(index=(..., 1)), False),
        (Output(index=(slice(0, 2),)), Output(index=(slice(0, 3),)), False),
        (Output(index=1), Neuron("a", index=1), False),
        (Neuron("a", 1), Neuron("b", 1), False),
        (Neuron("a", 1), Neuron("a", 2), True),
        (Function(abs), Function(abs), True),
        (Function(abs), Function(min), False),
        (Function(abs, [1, 2]), Function(abs, [3, 4]), True),
        (Function(abs, [1, 2, 3]), Function(abs, [3, 4]), True),
        (Function(abs, [1, 2]), Function(abs, [1.0, 2.0]), False),
        (Function(abs, [[1], [2]]), Function(abs, [1, 2]), False),
        (Function(abs, [1, 2]), Function(abs), False),
    ],
)
def test_a_recipe_is_all_but_the_classes(one: Score, other: Score, equal: bool) -> None:
    assert (one.recipe == other.recipe) == equal
    assert not equal or hash(one.recipe) == hash(other.recipe)


@KINDS
def test_a_recipe_depends_on_the_kind_of_the_outputs(kind: str) -> None:
    bound = Probability(1).bind(model(kind).outputs(X), 5)
    others = {Probability(1).bind(model(other).outputs(X), 5).recipe for other in LAST} - {
        bound.recipe
    }
    assert len(others) == 2


def test_a_bound_score_computes_for_any_operands() -> None:
    """Backends compile one and feed it other classes."""
    spec = model().outputs(X)
    outputs = strict.asarray(LOGITS)
    for one, other in [
        (Class(1), Class(EACH)),
        (Margin(1, 2), Margin(EACH, 1)),
        (Output(index=1), Output(index=3)),
    ]:
        one, other = one.bind(spec, 5), other.bind(spec, 5)
        operands = [strict.asarray(row) for row in other.operands()]
        assert all(row.shape[0] == 5 for row in operands)
        np.testing.assert_array_equal(
            one.evaluate(outputs, operands, strict), other.evaluate(outputs, operands, strict)
        )


@pytest.mark.parametrize(
    "target",
    [
        Class(EACH),
        Margin(EACH, 1),
        Output(index=2),
        Function(abs),
        Function(abs, EACH, MASKS, MASKS > 0),
    ],
)
def test_a_bound_score_can_be_cut_and_repeated(target: Score) -> None:
    bound = target.bind(model().outputs(X), 5)
    rows = np.array([4, 0, 0])
    for whole, part in zip(bound.operands(), bound.take(rows).operands(), strict=True):
        assert whole.dtype == part.dtype
        np.testing.assert_array_equal(part, whole[rows])
    assert bound.take(rows).recipe == bound.recipe


def test_a_recipe_depends_on_how_many_outputs_there_are() -> None:
    one, two = (Margin(1, 0).bind(OutputSpec((5, width)), 5) for width in (1, 2))
    assert one.recipe != two.recipe


class ByKind(Nested):
    """Its outputs have kinds of their own that its last operations do not tell."""

    def outputs(self, inputs):
        return map_nested(lambda leaf: OutputSpec(shape_of(leaf)), self.predict(inputs))


def test_what_each_of_several_outputs_holds_is_looked_at() -> None:
    net = ByKind(
        lambda out: {"raw": out, "shares": functions.exp(log_softmax(out, functions))},
        ("head", logits),
    )
    raw = Gradient()(net, X, Probability(1, path="raw")).score
    shares = Gradient()(net, X, Probability(1, path="shares")).score
    np.testing.assert_allclose(shares, raw, **EXACT)
    again = Gradient()(net, X, Probability(1, path="raw")).score
    np.testing.assert_array_equal(again, raw)


def test_the_predicted_class_is_that_of_the_one_output_there_is() -> None:
    """Among what is no array, and under another name than `None` leads to."""
    net = Nested(lambda out: {"none": None, "logits": out}, ("head", logits))
    found = Gradient()(net, X)
    np.testing.assert_array_equal(found.classes, LOGITS.argmax(1))
    np.testing.assert_allclose(found.score, LOGITS.max(1), **EXACT)
