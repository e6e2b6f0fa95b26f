"""Scores: output scores."""

from collections import namedtuple
from dataclasses import dataclass

import array_api_strict as strict
import numpy as np
import pytest

from backlight import (
    Class,
    LogProbability,
    Margin,
    Neuron,
    Output,
    Probability,
)
from backlight.errors import TargetError, UnknownNameError
from backlight_methods import Gradient
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
