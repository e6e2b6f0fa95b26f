"""A study's cases as metrics see them: their score, what stands for nothing, and their maps."""

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from backlight import Drawn, Objective, Score, TokenBaseline
from backlight.errors import InputError
from backlight.evaluating.evaluate import ends_of
from backlight.evaluating.subject import Explainer, Map
from backlight.explaining.preparing import prepare
from backlight.values.baselines import Baseline
from backlight.values.tree import Tree, leaves
from backlight_loading.encoding import Encoding
from backlight_loading.preparation import Prepared
from backlight_loading.tokenization import Tokenization
from backlight_pictures.maps import resized, to_maps
from backlight_study.baselines import picture_baseline
from backlight_study.case_input import along, described
from backlight_study.explaining import Cases, block_length
from backlight_study.result import Study, with_places
from backlight_study.rows_themselves import RowsThemselves


def absent(cases: Cases) -> float | TokenBaseline | Drawn:
    """What is taken away is replaced by this where the study names no baseline: 0 in the model's own
    numbers, or what stands for an absent token of a text, or for the cells of a table with words."""
    prepared = cases.prepared
    return prepared.absent if isinstance(prepared, Tokenization | RowsThemselves) else 0.0


def mapping(study: Study) -> list[str]:
    """The names of the techniques that have a map of any case."""
    failed, count = study.errors(), len(study.rows)
    names = (one.name for one in study.cases.techniques)
    return [
        name
        for name in names
        if len(failed.get(name, {})) < count
        and (study.cases.kind != "picture" or study.layout(name) is not None)
    ]


def objective_of(study: Study, places: NDArray[np.int64]) -> Objective:
    """What is asked about some cases, by their place among the study's."""
    cases = study.cases
    x, target = cases.prepared(cases.stored(places)), target_of(study, places)
    (explanation,) = prepare(cases.model, x, target, batch_size=cases.batch_size)
    return explanation.objective


def target_of(study: Study, places: NDArray[np.int64]) -> Score:
    """The score that some cases' mistakes ask about."""
    return study.task.judged(study.rows[places], study.cases.parts[places])


def ranges_of(study: Study, places: NDArray[np.int64]) -> tuple[float, ...]:
    """The largest minus the least number of each of the inputs, over these cases; NaN of words."""
    step = block_length(len(places))
    blocks = (
        study.cases.prepared(study.cases.stored(places[start : start + step]))
        for start in range(0, len(places), step)
    )
    ends = np.array([[ends_of(x) for x in leaves(block)] for block in blocks])
    return tuple((ends[:, :, 1].max(axis=0) - ends[:, :, 0].min(axis=0)).tolist())


def baseline_of(study: Study, places: NDArray[np.int64]) -> Baseline:
    """What stands for "nothing there" in these cases: in the model's numbers, a token, or an array,
    (n, ...)."""
    cases = study.cases
    if cases.baseline is None:
        return absent(cases)
    pictures = cast(Prepared, cases.prepared)
    return picture_baseline(cases.baseline, cases.stored(places), cases.ends, pictures)


def maps_of(
    study: Study, names: Sequence[str], places: NDArray[np.int64], shape: tuple[int, ...]
) -> dict[str, Tree[NDArray[np.float64]]]:
    """What the techniques say of some cases, by name, as the model has its inputs; NaN where one failed.

    Args:
        shape: of what one fails to say, where the input is one array that is not encoded.
    """
    encoding = study.cases.prepared if isinstance(study.cases.prepared, Encoding) else None
    shape = shape if encoding is None else (len(encoding.features),)
    store, question = study.store, study.task.question
    length = store.plan.block_length
    blocks = {one: store.read(one).arrays for one in np.unique(places // length).tolist()}
    found: dict[str, Tree[NDArray[np.float64]]] = {}
    for name in names:
        key = f"{study.number(name)}/{question}/values"
        rows = [blocks[int(place // length)].get(key) for place in places]
        there = next((one.shape[1:] for one in rows if one is not None), shape)
        nothing = np.full((length, *there), np.nan)
        values = np.stack(
            [
                (nothing if one is None else one)[place % length]
                for place, one in zip(places, rows, strict=True)
            ]
        ).astype(np.float64)
        plain = there == shape and encoding is None
        found[name] = values if plain else drawn(study, name, values)
    return found


def drawn(study: Study, name: str, values: NDArray[np.float64]) -> Tree[NDArray[np.float64]]:
    """Values of an inner site, or of columns, at the input's places."""
    prepared = study.cases.prepared
    if isinstance(prepared, Encoding) and study.cases.techniques[study.number(name)].at is None:
        return cast(Tree[NDArray[np.float64]], prepared.spread(values))
    layout = study.layout(name, study.task.question)
    if study.cases.kind != "picture":
        example = described(study.cases, study.cases.stored(np.arange(1)))
        return along(values, layout, example.kind, np.asarray(example.given).shape[-1])
    return resized(to_maps(values, with_places(layout)), study.grid)


def given(values: Tree[NDArray[np.float64]]) -> Explainer:
    """Maps of a block that are there already."""

    def known(objective: Objective, draw: int) -> Map:
        return unasked(objective, draw) if draw else Map(values)

    return known


def unasked(objective: Objective, draw: int) -> Map:
    """A technique that is not asked again: raises InputError."""
    raise InputError(
        "This metric asks the technique again, and a study hands over the maps that it has written "
        "down: backlight.evaluate takes the technique itself."
    )
