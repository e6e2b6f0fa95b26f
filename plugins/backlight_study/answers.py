"""What techniques say of some cases that are explained together."""

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, Generic, TypeVar, cast, final

import numpy as np
from numpy.typing import NDArray

from backlight import Attribution, BacklightWarning, Method, Model, Score
from backlight.by_value import arrays_of
from backlight.errors import CoverageError, HyperParameterError, InputError, SiteError, reason
from backlight.values.layout import Layout
from backlight.values.tree import leaves, map_leaves
from backlight_datasets import digest_of_arrays
from backlight_datasets.digests import hashable
from backlight_loading.encoders import flat
from backlight_loading.encoding import Encoding
from backlight_loading.preparation import ModelInput
from backlight_loading.techniques import Technique

Numbers = NDArray[np.float64]

NameT = TypeVar("NameT", bound=str)
"""How questions are called."""

COLUMNS = ("score", "baseline_score", "gap", "error", "standard_error_of_sum")
"""What an attribution says of each example beside its values."""

OF_ALL = (CoverageError, HyperParameterError, SiteError)
"""Errors that are not about one example: asking about each alone would say the same again."""


@final
@dataclass(frozen=True, eq=False)
class Answer:
    """What a technique says of n cases for one question.

    Attributes:
        values: (n, ...), float32 or float64, those of several inputs (n, F) side by side; NaN where the
            technique failed.
        numbers: of `COLUMNS`, (n,) each; NaN where there is none.
        at: the inner site explained; "" for the input.
        warnings: of each case.
        layout: where the values have their channels and places; None where they have none.
    """

    values: NDArray[Any]
    numbers: Mapping[str, Numbers]
    at: str
    warnings: tuple[tuple[str, ...], ...]
    layout: Layout | None


@final
@dataclass(frozen=True, eq=False)
class Answers(Generic[NameT]):
    """What a technique says of n cases.

    Attributes:
        questions: what it says for each; nothing where it failed for all cases.
        errors: why there is nothing, of each case; "" where there is something.
        seconds: how long it took.
    """

    questions: Mapping[NameT, Answer]
    errors: tuple[str, ...]
    seconds: float = 0.0


def ask(
    model: Model,
    x: ModelInput,
    questions: Mapping[NameT, Score],
    technique: Technique,
    batch_size: int | None,
    baseline: NDArray[Any] | None = None,
) -> Answers[NameT]:
    """Ask a technique all questions about some cases at once; about each alone where that fails, so that
    one case costs no other its maps.

    Args:
        x: the cases as the model takes them, (n, ...).
        questions: a score of n examples for each.
        baseline: of each case, for techniques that have one and were not told another.
    """
    count = len(leaves(x)[0])
    method = at_baseline(technique.method, baseline)
    try:
        found = attributions(model, x, questions, method, technique.at, batch_size)
        return Answers(found, ("",) * count)
    except OF_ALL as error:
        return Answers({}, (str(error),) * count)
    except (Exception, SystemExit) as error:  # of a foreign technique or net; the others go on
        if count == 1:
            return Answers({}, (reason(error),))
    alone = [
        ask(
            model,
            cast(ModelInput, map_leaves(itemgetter(slice(row, row + 1)), x)),
            {name: score.take(np.array([row])) for name, score in questions.items()},
            technique,
            batch_size,
            None if baseline is None else baseline[row : row + 1],
        )
        for row in range(count)
    ]
    return joined(alone)


def attributions(
    model: Model,
    x: ModelInput,
    questions: Mapping[NameT, Score],
    method: Method,
    at: str | None,
    batch_size: int | None,
) -> dict[NameT, Answer]:
    call = cast(Callable[..., Sequence[Attribution]], method)
    with warnings.catch_warnings():
        # They are in the attributions as well.
        warnings.simplefilter("ignore", BacklightWarning)
        found = call(model, x, [*questions.values()], at=at, batch_size=batch_size)
    return {name: answer(one) for name, one in zip(questions, found, strict=True)}


def answer(attribution: Attribution) -> Answer:
    tree = attribution.numpy()
    parts = leaves(tree)
    if len(parts) > 1 and any(one.ndim != 2 for one in parts):
        raise InputError(
            f"{attribution.method} gave values for several inputs, which are no one map."
        )
    values = parts[0] if len(parts) == 1 else flat(tree)
    count = len(values)
    numbers = {
        name: np.full(count, np.nan) if column is None else column
        for name in COLUMNS
        for column in [getattr(attribution, name)]
    }
    told = tuple(warnings_of(attribution.warnings, row) for row in range(count))
    layout = attribution.layouts[0] if len(parts) == 1 else None
    return Answer(values, numbers, attribution.at or "", told, layout)


def by_column(answers: Answers[NameT], encoding: Encoding) -> Answers[NameT]:
    """Answers about an encoded input as those about the columns that it is made of."""
    questions = {
        name: one if one.at else replace(one, values=encoding.pooled(one.values))
        for name, one in answers.questions.items()
    }
    return replace(answers, questions=questions)


EXAMPLES = re.compile(r"\bexamples? (\d+(?:, \d+)*)( and \d+ more| \.\.\.)?")
"""How warnings name the rows of a batch."""


def warnings_of(told: Sequence[str], row: int) -> tuple[str, ...]:
    """The warnings of a batch that are about one row, which is "this one" in them: those that name
    it, those that name more rows than they list, and those that name none."""
    found = []
    for warning in told:
        match = EXAMPLES.search(warning)
        if match is None:
            found.append(warning)
            continue
        rows, more = match[1].split(", "), match[2]
        if str(row) not in rows and not more:
            continue
        others = "" if len(rows) == 1 and not more else " (and others in its batch)"
        found.append(f"{warning[: match.start()]}this one{others}{warning[match.end() :]}")
    return tuple(found)


def joined(alone: Sequence[Answers[NameT]]) -> Answers[NameT]:
    """Answers about single cases as one about all of them."""
    errors = tuple(error for one in alone for error in one.errors)
    sound = next((one for one in alone if one.questions), None)
    if sound is None:
        return Answers({}, errors)

    def of(name: NameT) -> Answer:
        like = sound.questions[name]
        parts = [one.questions.get(name) for one in alone]
        nothing = np.full_like(like.values, np.nan)
        return Answer(
            np.concatenate([nothing if one is None else one.values for one in parts]),
            {
                column: np.concatenate(
                    [np.full(1, np.nan) if one is None else one.numbers[column] for one in parts]
                )
                for column in COLUMNS
            },
            like.at,
            tuple(() if one is None else one.warnings[0] for one in parts),
            like.layout,
        )

    return Answers({name: of(name) for name in sound.questions}, errors)


def first_of(answers: Answers[NameT], count: int, seconds: float) -> Answers[NameT]:
    """The answers about the first so many cases."""
    questions = {
        name: replace(
            one,
            values=one.values[:count],
            numbers={column: one.numbers[column][:count] for column in COLUMNS},
            warnings=one.warnings[:count],
        )
        for name, one in answers.questions.items()
    }
    return Answers(questions, answers.errors[:count], seconds)


def at_baseline(method: Method, baseline: object) -> Method:
    """The technique at this baseline, if one is said; see `with_default`."""
    return method if baseline is None else with_default(method, baseline=baseline)


def with_default(method: Method, **said: object) -> Method:
    """The technique, and one inside it, with these hyper-parameters, where it has them and was not told
    others."""
    told: dict[str, object] = {}
    for field in getattr(method, "__dataclass_fields__", {}).values():
        own = getattr(method, field.name)
        if field.name in said and own is field.default:
            told[field.name] = said[field.name]
        elif isinstance(own, Method) and (inner := with_default(own, **said)) is not own:
            told[field.name] = inner
    return cast(Method, replace(cast(Any, method), **told)) if told else method


class Called(float):
    """What stands in a technique's repr for a baseline that is a picture of each case: a number, since
    techniques look at what they are given."""

    name = ""

    def __repr__(self) -> str:
        return self.name


def technique_text(technique: Technique, baseline: str | None) -> str:
    """What tells a technique from others in a plan, its arrays aside; see `method_text`."""
    return f"{method_text(technique.method, baseline)} at {technique.at}"


def arrays_digest(technique: Technique) -> str:
    """Of a technique's arrays, which its repr tells in short."""
    arrays = arrays_of(technique.method)
    return digest_of_arrays((str(place), hashable(array)) for place, array in enumerate(arrays))


def method_text(method: Method, baseline: str | None) -> str:
    """A technique as it explained the cases of a study with this baseline, `baseline=blur` say."""
    if baseline is None:
        return repr(method)
    called = Called()
    called.name = baseline
    return repr(at_baseline(method, called))
