"""A function is the same operation however it is written: the same kinds, and under rules the same
numbers as a slow reference in float64, on each framework."""

from collections.abc import Iterator, Mapping
from functools import cache

import pytest

import backlight
from backlight.errors import BacklightError
from backlight.operations import Kind
from tests.parity.measure import FRAMEWORKS, Values
from tests.parity.spelling import near_misses
from tests.parity.spelling.families import FAMILIES
from tests.parity.spelling.family import Spelling
from tests.parity.spelling.functions import SINGLE
from tests.parity.spelling.nets import TECHNIQUES, Found, apart, measured, reference_net, values

NEAR_MISSES = {"numbers": near_misses.OF_NUMBERS, "rows": near_misses.OF_ROWS}


@pytest.fixture(autouse=True, scope="module")
def forgotten() -> Iterator[None]:
    yield
    together.cache_clear()
    backlight.forget()


def spelled(framework: str, family: str) -> Mapping[str, Spelling]:
    if family in FAMILIES:
        return FAMILIES[family].of(framework)
    return {name: one.spelling for name, one in NEAR_MISSES[family].items()}


@cache
def together(framework: str, family: str) -> Mapping[str, Found]:
    """Of all spellings that can share a net: what is folded into a layer needs that for itself, and
    torch, which compiles nothing, writes into it. Nothing where one of them is refused."""
    if framework == "torch" or (family in FAMILIES and FAMILIES[family].alone):
        return {}
    try:
        return measured(framework, spelled(framework, family))
    except BacklightError:  # each is tried by itself, and says it again
        return {}


def found_of(framework: str, family: str, name: str) -> Found:
    shared = together(framework, family)
    return (shared or measured(framework, {name: spelled(framework, family)[name]}))[name]


def wrong(found: Found, wanted: Mapping[str, Values], close: float = 1e-9) -> dict[str, str]:
    """Techniques whose values are not the wanted ones, and by how much."""
    errors = {technique: apart(found.values[technique], one) for technique, one in wanted.items()}
    return {technique: f"{error:.1e}" for technique, error in errors.items() if not error <= close}


@cache
def wanted(family: str) -> dict[str, Values]:
    one = FAMILIES[family]
    model = reference_net(one.reference, one.folded)
    return {name: values(name, model)[0] for name in TECHNIQUES if name not in one.left_out}


@pytest.mark.parametrize(
    ("framework", "family", "spelling"),
    [
        pytest.param(framework, family, spelling, id=f"{framework}-{family}-{spelling}")
        for framework in FRAMEWORKS
        for family, one in FAMILIES.items()
        for spelling in one.of(framework)
    ],
)
def test_a_spelling_is_what_it_computes(framework: str, family: str, spelling: str) -> None:
    found = found_of(framework, family, spelling)
    kinds = sorted(str(kind) for kind in FAMILIES[family].kinds if kind is not Kind.SCALE)
    close = 1e-7 if (framework, family) in SINGLE else 1e-9
    assert (sorted(found.kinds), wrong(found, wanted(family), close)) == (kinds, {})


@pytest.mark.parametrize(
    ("framework", "family", "name"),
    [
        pytest.param(framework, family, name, id=f"{framework}-{name}")
        for framework in FRAMEWORKS
        for family, table in NEAR_MISSES.items()
        for name in table
    ],
)
def test_a_near_miss_gets_no_name(framework: str, family: str, name: str) -> None:
    one = NEAR_MISSES[family][name]
    found = found_of(framework, family, name)
    model = reference_net(one.reference)
    judged = {technique: values(technique, model)[0] for technique in one.techniques}
    named = one.never.intersection(map(Kind, found.kinds))
    assert (named, wrong(found, judged)) == (set(), {}), found.kinds
