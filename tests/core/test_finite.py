"""Values that are no numbers are reported with the example's row and the place where they began."""

import array_api_strict as strict
import numpy as np
import pytest

from backlight.errors import NonFiniteError
from backlight_methods import Gradient, IntegratedGradients, Smooth
from tests.reference import ReferenceModel, polynomial

ROWS = np.array([[1.0, 2.0], [0.5, 1.0], [-1.0, 3.0], [2.0, 0.1]])
NAN = strict.asarray(float("nan"))
HEAD = polynomial(np.ones((2, 2)))


def nothing_below_zero(x):
    return strict.where(x < 0, NAN, x)


def nothing_but_zero(x):
    """0 at 0 and nothing anywhere else, so that the value is finite where the gradient is not."""
    return strict.where(x == 0.0, x, strict.where(strict.abs(x) < 0.01, NAN, x))


MODEL = ReferenceModel(("first", lambda x: 2 * x), ("root", nothing_below_zero), ("head", HEAD))


@pytest.mark.parametrize("batch_size", [1, 2, 3, 256])
def test_the_example_and_the_site_of_a_value(batch_size: int) -> None:
    with pytest.raises(NonFiniteError) as caught:
        Gradient()(MODEL, ROWS, 0, batch_size=batch_size)
    assert "Gradient gave NaN or infinity for example 2. " in str(caught.value)
    assert "stop being finite at the site 'root'" in str(caught.value)
    assert isinstance(caught.value, ArithmeticError)


def test_all_examples_are_named() -> None:
    with pytest.raises(NonFiniteError, match=r"for examples 0, 2, 3\. "):
        Gradient()(MODEL, ROWS[[2, 0, 2, 2]], 0)
    with pytest.raises(NonFiniteError, match=r"for examples 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 \.\.\."):
        Gradient()(MODEL, -np.ones((12, 2)), 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_inputs_that_are_not_finite(bad: float) -> None:
    x = ROWS.copy()
    x[1, 0] = bad
    squashed = ReferenceModel(("head", lambda x: strict.where(x == x, x * NAN, x)))
    with pytest.raises(NonFiniteError, match="The inputs themselves are not finite"):
        Gradient()(squashed, x, 0)


def test_the_site_of_a_gradient() -> None:
    model = ReferenceModel(
        ("earlier", lambda x: x + 0.0),
        ("first", lambda x: 2 * x),
        ("kink", nothing_but_zero),
        ("head", HEAD),
    )
    x = np.array([[1.0, 2.0], [0.0, 1.0]])
    with pytest.raises(NonFiniteError) as caught:
        Gradient()(model, x, 0)
    assert "for example 1. " in str(caught.value)
    assert "gradient stops being finite at the site 'first', going backwards" in str(caught.value)


def test_a_technique_that_leaves_the_finite_on_its_path() -> None:
    x = ROWS[[0, 1, 3]]
    with pytest.raises(NonFiniteError) as caught:
        IntegratedGradients(baseline=-1.0)(MODEL, x, 0)
    assert "IntegratedGradients gave NaN" in str(caught.value)
    assert "examples 0, 1, 2. " in str(caught.value)
    assert "along the technique's path" in str(caught.value)


def test_smooth_names_the_example_and_not_the_copy() -> None:
    with pytest.raises(NonFiniteError, match=r"Smooth gave NaN or infinity for example 2\. "):
        Smooth(samples=3, noise=1e-6)(MODEL, ROWS, 0, batch_size=4)


def test_a_score_function_that_is_not_finite() -> None:
    with pytest.raises(NonFiniteError, match=r"for example 2\. "):
        Gradient()(MODEL, ROWS, lambda out, _: out[:, 0] * 2)
