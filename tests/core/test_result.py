"""What a technique returns is looked at before it is believed."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from backlight import Method, Result
from backlight.errors import ResultError
from tests.reference import ReferenceModel, linear

X = np.ones((4, 3))
MODEL = ReferenceModel(("out", linear(np.ones((3, 2)))))


@dataclass(frozen=True, kw_only=True)
class Wrong(Method):
    """Returns whatever it is told to."""

    returns: Callable[..., object]

    def attribute(self, objective):
        return self.returns(objective)


@pytest.mark.parametrize(
    ("returns", "fragment"),
    [
        (lambda o: None, "Wrong.attribute must return Result, got a NoneType."),
        (lambda o: o.value, "must return Result"),
        (lambda o: Result(o.value[:1, ...]), "was given 4 examples.*shape \\(1, 3\\)"),
        (lambda o: Result(np.ones((4, 3))), "as reference arrays.*numpy.ndarray of float64"),
        (lambda o: Result(o.value > 0.5), "floating-point values.*bool"),
        (lambda o: Result((o.value, o.value)), "structure, None; got 2"),
        (lambda o: Result(o.value, o.value), "score as a reference array of shape \\(4,\\)"),
        (
            lambda o: Result(o.value, baseline_score=o.score()[:1, ...]),
            "baseline_score as a reference array of shape \\(4,\\)",
        ),
        (lambda o: Result(o.value, error=np.ones(3)), "error as a NumPy array.*\\(3,\\)"),
        (
            lambda o: Result(o.value, standard_error_of_sum=np.ones(4, dtype=np.float32)),
            "standard_error_of_sum as a NumPy array.*float32",
        ),
        (lambda o: Result(o.value, r_squared=np.ones(3)), "r_squared as a NumPy array"),
        (
            lambda o: Result(o.value, standard_error=o.score()),
            r"standard_error for each value, shapes \[\(4, 3\)\]; got \[\(4,\)\]",
        ),
        (
            lambda o: Result(o.value, standard_error=np.ones(4)),
            "standard_error as reference arrays",
        ),
        (
            lambda o: Result(o.value, standard_error_of_gap=np.ones(3)),
            "standard_error_of_gap as a NumPy array",
        ),
        (
            lambda o: Result(o.value, each=o.value),
            r"was given 4 examples, and must give each with as many rows; got .* \(3,\)",
        ),
        (
            lambda o: Result(o.value, each=o.value[None, :, :2]),
            r"one each for each value, shapes \[\(4, 3\)\]; got \[\(4, 2\)\]",
        ),
        (lambda o: Result(o.value, each=(o.value[None, ...],) * 2), "structure, None; got 2"),
        (lambda o: Result(o.value, warnings="so"), "tuple of sentences, got 'so'"),
    ],
)
def test_what_cannot_be_a_result_is_refused(returns: Callable[..., object], fragment: str) -> None:
    with pytest.raises(ResultError, match=fragment):
        Wrong(returns=returns)(MODEL, X, 0)


def test_one_array_or_the_inputs_structure_is_accepted() -> None:
    assert Wrong(returns=lambda o: Result(o.value))(MODEL, X, 0).values.shape == (4, 3)
    two = ReferenceModel(("out", lambda a, b: a + b))
    found = Wrong(returns=lambda o: Result(o.value))(two, {"a": X, "b": X}, 0)
    assert set(found.values) == {"a", "b"}
    one = Wrong(returns=lambda o: Result(o.value["a"]))(two, {"a": X, "b": X}, 0)
    assert one.values.shape == (4, 3)
