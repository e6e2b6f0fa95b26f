"""A function is the same operation however it is written: the same kinds, and under rules the same
numbers as a slow reference in float64, on each framework."""

from collections.abc import Iterator, Mapping
from functools import cache

import pytest

import backlight
from backlight.errors import BacklightError
from backlight.rules.operations import Kind
from tests.parity.measure import FRAMEWORKS, Values
from tests.parity.spelling import near_misses
from tests.parity.spelling.families import FAMILIES
from tests.parity.spelling.family import Spelling
from tests.parity.spelling.functions import SINGLE
from tests.parity.spelling.nets import (
    TECHNIQUES,
    Found,
    Name,
    apart,
    measured,
    reference_net,
    values,
)

SPELLED = (*FRAMEWORKS, "mlx")
CLOSE = {"mlx": 1e-5}
"""How close values are, relative to the largest: MLX works in float32, others in float64."""
MANY = 120
"""How many spellings are shared out among nets, one for each technique."""

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


def techniques(framework: str, family: str, name: str) -> tuple[str, ...]:
    """What a spelling is tried with: on torch, which compiles nothing, all that do not see how it is
    spelled; elsewhere one of them, by the place that it has among the spellings."""
    if family in FAMILIES:
        given = [one for one in TECHNIQUES if one not in FAMILIES[family].left_out]
    else:
        given = [*NEAR_MISSES[family][name].techniques]
    own = [one for one in given if one in tried(framework)]
    place = list(spelled(framework, family)).index(name)
    return tuple(own) if framework == "torch" else (own[place % len(own)],)


def tried(framework: str) -> tuple[str, ...]:
    """All; where each is compiled, without LRP by epsilon alone, which `test_rules` asks of whole nets
    there."""
    compiled = framework in ("tensorflow", "jax")
    return tuple(name for name in TECHNIQUES if not (compiled and name == "lrp_epsilon"))


@cache
def shared(framework: str) -> Mapping[str, tuple[str, ...]]:
    """For each family the families that share nets: a net of many takes little longer than one of one.
    What is folded into a layer needs that for itself. torch, which compiles nothing, writes into it, and
    MLX makes one of what is written alike."""
    groups: list[list[str]] = [[]]
    for family in [] if framework in ("torch", "mlx") else [*FAMILIES, *NEAR_MISSES]:
        if family in FAMILIES and FAMILIES[family].alone:
            continue
        if sum(len(spelled(framework, one)) for one in groups[-1]) >= MANY:
            groups.append([])
        groups[-1].append(family)
    return {family: tuple(group) for group in groups for family in group}


@cache
def together(framework: str, families: tuple[str, ...], technique: str) -> Mapping[Name, Found]:
    """Of all spellings of some families that are tried with a technique; nothing where one of them is
    refused."""
    spellings = {
        (family, name): spelling
        for family in families
        for name, spelling in spelled(framework, family).items()
        if techniques(framework, family, name) == (technique,)
    }
    try:
        return measured(framework, spellings, [technique])
    except BacklightError:  # each is tried by itself, and says it again
        return {}


def found_of(framework: str, family: str, name: str) -> Found:
    judges = techniques(framework, family, name)
    families = shared(framework).get(family)
    found = together(framework, families, *judges) if families else {}
    one = family, name
    own = {one: spelled(framework, family)[name]}
    return (found or measured(framework, own, judges))[one]


def wrong(found: Found, wanted: Mapping[str, Values], close: float) -> dict[str, str]:
    """Techniques whose values are not the wanted ones, and by how much."""
    errors = {technique: apart(one, wanted[technique]) for technique, one in found.values.items()}
    return {technique: f"{error:.1e}" for technique, error in errors.items() if not error <= close}


@cache
def wanted(family: str) -> dict[str, Values]:
    one = FAMILIES[family]
    model = reference_net(one.reference, one.folded)
    return {name: values(name, model)[0] for name in TECHNIQUES if name not in one.left_out}


def judge(framework: str, family: str, found: Found) -> None:
    kinds = sorted(str(kind) for kind in FAMILIES[family].kinds if kind is not Kind.SCALE)
    close = 1e-7 if (framework, family) in SINGLE else CLOSE.get(framework, 1e-9)
    assert (sorted(found.kinds), wrong(found, wanted(family), close)) == (kinds, {})


@pytest.mark.parametrize(
    ("framework", "family", "spelling"),
    [
        pytest.param(framework, family, spelling, id=f"{framework}-{family}-{spelling}")
        for framework in SPELLED
        for family, one in FAMILIES.items()
        for spelling in one.of(framework)
    ],
)
def test_a_spelling_is_what_it_computes(framework: str, family: str, spelling: str) -> None:
    judge(framework, family, found_of(framework, family, spelling))


@pytest.mark.sweep
@pytest.mark.parametrize("framework", ["tensorflow", "jax"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_spelling_is_what_it_computes_under_every_technique(framework: str, family: str) -> None:
    judges = [name for name in tried(framework) if name in wanted(family)]
    spellings = {(family, name): one for name, one in spelled(framework, family).items()}
    alone = FAMILIES[family].alone
    for nets in [{one: spellings[one]} for one in spellings] if alone else [spellings]:
        for found in measured(framework, nets, judges).values():
            judge(framework, family, found)


@pytest.mark.parametrize(
    ("framework", "family", "name"),
    [
        pytest.param(framework, family, name, id=f"{framework}-{name}")
        for framework in SPELLED
        for family, table in NEAR_MISSES.items()
        for name in table
    ],
)
def test_a_near_miss_gets_no_name(framework: str, family: str, name: str) -> None:
    one = NEAR_MISSES[family][name]
    model = reference_net(one.reference)
    found = found_of(framework, family, name)
    right = {technique: values(technique, model)[0] for technique in found.values}
    named = one.never.intersection(map(Kind, found.kinds))
    close = CLOSE.get(framework, 1e-9)
    assert (named, wrong(found, right, close)) == (set(), {}), found.kinds
