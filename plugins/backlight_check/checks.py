"""What lies between an input and a score, and what a technique does with it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import final

from backlight import Connection, Method, Model, Objective
from backlight.by_value import own_first
from backlight.errors import InputError
from backlight.explaining.connection import (
    connection_of,
    cut_notes,
    named_parts,
    unreached_notes,
    unreached_objection,
)
from backlight.explaining.no_gradients import no_gradients, without_gradients
from backlight.explaining.registry import ready
from backlight.explaining.spatial import grid_at, notes_at
from backlight.explaining.structure import UnknownStructure
from backlight.explaining.targets import check_differentiable
from backlight.model.host_random import draw_notes
from backlight.rules.operations import Kind, Operation
from backlight.rules.rules import NoRules, Rule, Rules, Treatment
from backlight_check.scored_example import ScoredExample
from backlight_loading.techniques import Technique


@final
@dataclass(frozen=True)
class Row:
    """Operations of one kind that a technique treats alike.

    Attributes:
        kind: what they compute.
        treatment: what the technique does with them.
        rule: the rule that acts, if one does, with what it is told.
        count: how many there are.
        types: the framework's words for them, each once.
        places: where they are in the model, each once.
    """

    kind: Kind
    treatment: Treatment
    rule: str | None
    count: int
    types: tuple[str, ...]
    places: tuple[str, ...]


@final
@dataclass(frozen=True)
class Check:
    """What one technique does with a model.

    Attributes:
        name: of the technique.
        title: its name with all hyper-parameters.
        at: the inner site that is explained; None for the input.
        grid: of class activation maps: how many places that site has along each axis of the input's
            places; else None.
        gradient: whether it takes a gradient at all.
        ruled: whether it brings rules; else the gradient is the model's own everywhere.
        rows: in order of first appearance.
        notes: sentences about a result that is valid but deserves a second look.
        objection: why the result would be meaningless, and what allows it nevertheless.
    """

    name: str
    title: str
    at: str | None
    gradient: bool
    ruled: bool
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    objection: str | None = None
    grid: tuple[int, ...] | None = None

    def count(self, treatment: Treatment | None = None) -> int:
        """How many operations are treated like this, or how many there are."""
        return sum(row.count for row in self.rows if treatment in (None, row.treatment))


def check(example: ScoredExample, technique: Technique, at: str | None = None) -> Check:
    """What a technique does with the operations of a model, without explaining anything.

    Args:
        example: the model, an example, and the score.
        technique: the technique.
        at: the inner site, where the technique was not told one itself.

    Raises:
        BacklightError: the model cannot be looked into, has no such site, or takes no gradient here.
    """
    method, model = technique.method, example.model
    title = called(technique.name.partition(" ")[0], method, defaults=True)
    place = technique.at if technique.at is not None else at
    if not method.differentiates:
        objective = example.objective(place)
        return Check(
            technique.name,
            title,
            place,
            gradient=False,
            ruled=False,
            rows=(),
            notes=graph_notes(objective),
            objection=method.objection(objective),
        )
    impossible = no_gradients(method, model)
    if impossible is not None:
        ruled = not isinstance(method.rules or NoRules(), NoRules)
        return Check(
            technique.name, title, place, gradient=True, ruled=ruled, rows=(), objection=impossible
        )
    chosen = method.spatial and place is None
    place = site(example, method, place)
    if place is None:
        check_differentiable(model, example.inputs)
    rules = method.rules or NoRules()
    operations = model.operations(example.inputs, score=example.score, at=place, rules=rules)
    objective = example.objective(place)
    connection = connection_of(objective, rules)
    grid = grid_at(objective) if method.spatial else None
    return Check(
        technique.name,
        title,
        place,
        gradient=True,
        ruled=not isinstance(rules, NoRules),
        rows=rows(rules, operations),
        notes=(
            *graph_notes(objective),
            *(notes_at(objective, chosen) if method.spatial else ()),
            *way_notes(connection, named_parts(objective, connection)),
            *rules.notes(operations),
        ),
        objection=unreached_objection(connection, named_parts(objective, connection))
        or rules.objection(operations)
        or method.objection(objective),
        grid=None if grid is None else grid.shape,
    )


def graph_notes(objective: Objective) -> tuple[str, ...]:
    """What the net's graph shows that deserves a second look, whatever the technique."""
    looked = objective.structure_or_reason
    notes = (looked.note(),) if isinstance(looked, UnknownStructure) else looked.notes(2)
    return notes + draw_notes(objective.model)


def way_notes(connection: Connection, what: Sequence[str]) -> tuple[str, ...]:
    """What is to be said about ways to the score that no derivative passes, where others are open."""
    if not any(connection.reached):
        return ()  # the objection says it
    return (*unreached_notes(connection, what), *cut_notes(connection))


def site(example: ScoredExample, method: Method, at: str | None) -> str | None:
    """Where the technique's backward pass ends; None for the input."""
    if not method.spatial:
        return at
    read = at if at is not None else example.feature_map()
    return None if method.rules_reach_input else read


def rows(rules: Rules, operations: Sequence[Operation]) -> tuple[Row, ...]:
    """One for each kind and treatment, in order of first appearance."""
    alike: dict[tuple[Kind, Treatment, str | None], list[Operation]] = {}
    for one in operations:
        key = (one.kind, rules.treatment(one), named(rules.choose(one)))
        alike.setdefault(key, []).append(one)
    return tuple(
        Row(*key, len(found), once(one.type for one in found), once(one.name for one in found))
        for key, found in alike.items()
    )


def once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))


def named(rule: Rule | None) -> str | None:
    """A rule's name, with what it is told other than by default."""
    return None if rule is None else called(type(rule).__name__, rule, defaults=False)


def called(name: str, made: object, defaults: bool) -> str:
    """How a dataclass is made: `AlphaBeta(alpha=2.0, beta=1.0)`; the name alone if nothing is told."""
    if not is_dataclass(made):
        return name
    by_name = {field.name: field for field in fields(made)}
    told = [
        f"{name}={getattr(made, name)!r}"
        for name in own_first(type(made), by_name)
        if defaults or repr(getattr(made, name)) != repr(by_name[name].default)
    ]
    return f"{name}({', '.join(told)})" if told else name


def telling_techniques(model: Model) -> list[str]:
    """What is checked where nothing is said: the installed techniques that bring rules; where the model
    has no gradients for them, those that take none.

    Raises:
        InputError: there is none.
    """
    if not model.differentiable and without_gradients():
        return without_gradients()
    return ruled_techniques()


def ruled_techniques() -> list[str]:
    """The installed techniques that bring rules; of those with equal ones, the first.

    Raises:
        InputError: there is none.
    """
    found: dict[Rules, str] = {}
    for name, method in ready().items():
        if method.rules is not None:
            found.setdefault(method.rules, name)
    if not found:
        raise InputError(
            "No installed technique brings rules for the backward pass. Say which technique to check: "
            "--method NAME; `backlight methods` lists them."
        )
    return list(found.values())
