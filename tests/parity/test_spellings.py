"""A function is the same operation however it is written: the same kinds, and the same numbers under rules,
as a slow reference in float64 says, on each framework."""

from collections.abc import Iterator
from functools import cache

import jax
import pytest

import backlight
from backlight.operations import Kind
from tests.parity import spellings, spellings_of_rows
from tests.parity.measure import FRAMEWORKS, Values, precision
from tests.parity.near_misses import NEAR_MISSES
from tests.parity.spelled import TECHNIQUES, apart, middle, net, reference_net, values

FAMILIES = {**spellings.FAMILIES, **spellings_of_rows.FAMILIES}
CASES = [
    pytest.param(framework, family, spelling, id=f"{framework}-{family}-{spelling}")
    for framework in FRAMEWORKS
    for family, one in FAMILIES.items()
    for spelling in one.of(framework)
]


@pytest.fixture(autouse=True, scope="module")
def compiled_quickly() -> Iterator[None]:
    """Programs are small and run once: it is their compilation that takes time."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
    backlight.forget()


@cache
def wanted(family: str, technique: str) -> Values:
    one = FAMILIES[family]
    return values(technique, reference_net(one.reference, one.folded))


@pytest.mark.filterwarnings("ignore:.*has no rule for.*")
@pytest.mark.parametrize(("framework", "family", "spelling"), CASES)
def test_a_spelling_is_what_it_computes(framework: str, family: str, spelling: str) -> None:
    one = FAMILIES[family]
    model = net(framework, one.of(framework)[spelling])
    with precision("float64"):
        kinds = middle(model)
        found = {name: values(name, model) for name in TECHNIQUES if name not in one.left_out}
    errors = {name: apart(value, wanted(family, name)) for name, value in found.items()}
    wrong = {name: f"{error:.1e}" for name, error in errors.items() if not error <= 1e-9}
    expected = sorted(str(kind) for kind in one.kinds if kind is not Kind.SCALE)
    assert (sorted(kinds), wrong) == (expected, {})


@pytest.mark.filterwarnings("ignore:.*has no rule for.*")
@pytest.mark.filterwarnings("ignore:.*has no closed form for.*")
@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", NEAR_MISSES)
def test_a_near_miss_gets_no_name(framework: str, name: str) -> None:
    one = NEAR_MISSES[name]
    model = net(framework, one.spelling)
    with precision("float64"):
        kinds = middle(model)
        found = {technique: values(technique, model) for technique in one.techniques}
    judge = reference_net(one.reference)
    errors = {
        technique: apart(value, values(technique, judge)) for technique, value in found.items()
    }
    wrong = {technique: f"{error:.1e}" for technique, error in errors.items() if not error <= 1e-9}
    assert ({kind for kind in kinds if kind in one.never}, wrong) == (set(), {}), kinds
