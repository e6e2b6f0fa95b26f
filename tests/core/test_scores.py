"""Scores: what each means, on every kind of output, and what is refused."""

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
from backlight.arrays import log_softmax, softmax
from backlight.errors import TargetError, UnknownNameError
from backlight.outputs import OutputSpec
from backlight_methods import Gradient
from tests.reference import ReferenceModel, polynomial

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
            if isinstance(part, dict):
                return {name: described(one) for name, one in part.items()}
            if isinstance(part, (tuple, list)):
                return tuple(described(one) for one in part)
            return OutputSpec(tuple(part.shape), self.kind)

        return described(self.predict(inputs))


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
@pytest.mark.parametrize(("target", "expected"), SAME, ids=lambda value: repr(value)[:30])
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


@pytest.mark.parametrize("target", [Probability(0), LogProbability(0)])
def test_a_vector_of_outputs_is_no_row_of_classes(target: Score) -> None:
    one = ReferenceModel(("head", lambda x: x[:, 0]))
    with pytest.raises(TargetError, match=r"shape \(N, classes\), got \(5,\)"):
        Gradient()(one, X, target)


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


NESTS = [
    (lambda out: {"logits": out, "twice": 2 * out}, "logits", "twice"),
    (lambda out: (out, 2 * out), 0, 1),
    (lambda out: [{"a": out}, (2 * out, out)], (0, "a"), (1, 0)),
    (lambda out: (out, 2 * out), -2, -1),
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
    assert "path=" in str(caught.value)


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
    ("function", "shape"),
    [
        (lambda out, xp: out, "(5, 4)"),
        (lambda out, xp: xp.sum(out), "()"),
        (lambda out, xp: xp.sum(out, axis=0), "(4,)"),
        (lambda out, xp: out[:2, 0], "(2,)"),
    ],
)
def test_a_function_must_give_one_number_per_example(function: object, shape: str) -> None:
    with pytest.raises(TargetError) as caught:
        Gradient()(model(), X, function)
    assert "one number per example" in str(caught.value)
    assert shape in str(caught.value)


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


@pytest.mark.parametrize("target", [Class(EACH), Margin(EACH, 1), Output(index=2), Function(abs)])
def test_a_bound_score_can_be_cut_and_repeated(target: Score) -> None:
    bound = target.bind(model().outputs(X), 5)
    rows = np.array([4, 0, 0])
    for whole, part in zip(bound.operands(), bound.take(rows).operands(), strict=True):
        assert whole.dtype == np.int64
        np.testing.assert_array_equal(part, whole[rows])
    assert bound.take(rows).recipe == bound.recipe
