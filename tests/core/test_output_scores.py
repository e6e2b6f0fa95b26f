"""Scores: output scores."""

from collections import namedtuple
from dataclasses import dataclass

import array_api_strict as strict
import numpy as np
import pytest

from backlight import (
    Class,
    Function,
    LogProbability,
    Margin,
    Neuron,
    Output,
    Probability,
)
from backlight.errors import TargetError, UnknownNameError
from backlight_methods import Gradient, IntegratedGradients
from tests.core.score_nets import CLOSE, EACH, EXACT, LOGITS, ODDS, RNG, Nested, X, logits, model
from tests.reference import ReferenceModel

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


EACH_ROW, EACH_COLUMN = [1, 0, 0, 1, 1], [3, 0, 2, 2, 1]
EACH_PAIR = list(zip(EACH_ROW, EACH_COLUMN, strict=True))
MAP = ReferenceModel(("maps", lambda x: dense(x)[:, :, :, 0]))


@pytest.mark.parametrize("batch_size", [2, 256])
@pytest.mark.parametrize(
    "target",
    [
        EACH_PAIR,
        Output(index=EACH_PAIR),
        Output(index=(np.array(EACH_ROW), strict.asarray(EACH_COLUMN))),
        Neuron("maps", (EACH_ROW, EACH_COLUMN)),
        Neuron("maps", EACH_PAIR),
    ],
)
def test_each_example_may_have_an_element_of_its_own(target: object, batch_size: int) -> None:
    for technique in (Gradient(), IntegratedGradients(steps=3)):
        found = technique(MAP, X, target, batch_size=batch_size)
        score = MAPS[np.arange(5), EACH_ROW, EACH_COLUMN, 0]
        np.testing.assert_allclose(found.score, score, **EXACT)
    slopes = DENSE[:, EACH_ROW, EACH_COLUMN, 0].T
    np.testing.assert_allclose(found.values, X * slopes, rtol=1e-6, atol=1e-7)


def test_a_tuple_is_one_index_or_a_class_for_each() -> None:
    """By the axes of the output."""
    found = Gradient()(MAP, X[:2], (1, 3))
    np.testing.assert_allclose(found.score, MAPS[:2, 1, 3, 0], **EXACT)
    found = Gradient()(model(), X[:2], (1, 3))
    np.testing.assert_allclose(found.score, [LOGITS[0, 1], LOGITS[1, 3]], **EXACT)
    found = Gradient()(model(), X[:2], [(1,), (3,)])
    np.testing.assert_allclose(found.score, [LOGITS[0, 1], LOGITS[1, 3]], **EXACT)
    several = Gradient()(MAP, X, [Output(index=(1, 3)), EACH_PAIR[0]])
    assert [one.target for one in several] == ["Output(index=(1, 3))"] * 2


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (EACH_PAIR[:3], "has 3 of them, and there are 5 examples"),
        ([*EACH_PAIR[:4], (0,)], "tuples of integers of one length"),
        ([*EACH_PAIR[:4], (1, 4)], r"Index ([1, 0, 0, 1, 1], [3, 0, 2, 2, 4]) does not fit"),
        ([*EACH_PAIR[:4], (-1, 0)], "each integer at least 0"),
        (EACH_ROW, "a tuple, (3, 7), or a list of tuples"),
        ([*EACH_PAIR[:4], 1], "list of tuples of integers"),
        ([*EACH_PAIR[:4], (0, 0.5)], "list of tuples of integers"),
        ((1, 3, 0), "does not fit the output of shape (5, 2, 4)"),
        (Output(index=(np.array([0.5] * 5), 0)), "integers, slices"),
        (Neuron("maps", "1"), "got '1'"),
    ],
)
def test_what_is_no_element_of_each_example_is_told(target: object, told: str) -> None:
    with pytest.raises(TargetError) as caught:
        Gradient()(MAP, X, target)
    assert told in str(caught.value)


@pytest.mark.parametrize("batch_size", [2, 256])
def test_a_function_selects_a_neuron(batch_size: int) -> None:
    def chosen(value, arrays):
        return value[:, 1, 3] - arrays.sum(value[:, 0, :], axis=1)

    def own(value, arrays, column):
        return arrays.take_along_axis(value[:, 0, :], column[:, None], axis=1)[:, 0]

    of_maps = MAPS[..., 0]
    found = Gradient()(MAP, X, Neuron("maps", chosen), batch_size=batch_size)
    np.testing.assert_allclose(found.score, of_maps[:, 1, 3] - of_maps[:, 0].sum(1), **EXACT)
    slope = DENSE[:, 1, 3, 0] - DENSE[:, 0, :, 0].sum(1)
    np.testing.assert_allclose(found.values, np.tile(slope, (5, 1)), **CLOSE)
    target = Function(own, EACH_COLUMN, at="maps")
    found = Gradient()(MAP, X, target, batch_size=batch_size)
    np.testing.assert_allclose(found.score, of_maps[np.arange(5), 0, EACH_COLUMN], **EXACT)
    assert found.target == "Function(own, (5,), at='maps')"
    with pytest.raises(TargetError, match=r"gave shape \((5|2), 2\).*one number per example"):
        Gradient()(MAP, X, Neuron("maps", lambda value, arrays: value[:, :, 0]))


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
    net = Nested(lambda out: {"once": out, "twice": out}, ("head", logits))
    with pytest.raises(TargetError) as caught:
        Gradient()(net, X, target)
    assert "{'once': (5, 4), 'twice': (5, 4)}" in str(caught.value)
    assert "path='once'" in str(caught.value)


@pytest.mark.parametrize("target", [None, 1, Probability(1), Output(index=1)])
def test_the_one_that_is_called_logits_is_meant_among_several(target: object) -> None:
    net = Nested(lambda out: {"twice": 2 * out, "logits": out}, ("head", logits))
    found, alone = Gradient()(net, X, target), Gradient()(model(), X, target)
    np.testing.assert_allclose(found.score, alone.score, **EXACT)
    assert "'logits'" in found.target


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
