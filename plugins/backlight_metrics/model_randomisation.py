"""Model randomisation: does the map change when the net forgets what it has learned?"""

from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias, final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from backlight import Cost, Metric, Model, Outcome, Subject
from backlight.errors import InputError, is_whole, require
from backlight.evaluating.metric import Direction
from backlight_metrics.similarity import rank_correlation

Numbers: TypeAlias = NDArray[np.float64]

WEIGHTS = 19
"""Tells the stream of random weights from others of the seed."""


@final
@dataclass(frozen=True, kw_only=True)
class ModelRandomisation(Metric):
    """How alike the map is to those of the same net with random weights.

        mean over stops of the rank correlation (Spearman) of the places of a and a_random

    From the last layer to the first, in the order in which the net keeps them, more and more layers'
    parameters take random numbers, at evenly spaced stops of which the last is the whole net; the net as
    it is does not count. A map that stays does not look at what was learned, the control `edges` for one.
    A low value alone is no merit: noise has it, and it does not rank techniques.

    Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim, "Sanity Checks for Saliency Maps" (2018), section 3,
    over every parameter of the net. In the details, `similarity` at each stop, (n, stops), and
    `complexity_rise`, (H_random - H) / H of the whole net, H being the entropy of the map's histogram of
    100 bins: eMPRT of Hedström, Weber, Lapuschkin, Höhne, "A Fresh Look at Sanity Checks for Saliency
    Maps" (2024), positive where random weights give the richer map, NaN where H is 0.

    A parameter's random numbers are normal, with its own mean and standard deviation, and positive where
    all of its are. They belong to its values in the order of their size: two frameworks with the same
    weights get the same ones, wherever each keeps them.

    Args:
        stops: how often the net is randomised further; 1 for the whole net at once.

    Law: 1 for a map that looks at the picture alone; every parameter is another number at the last stop,
        and the very same as before at the end.
    Cost: an explanation for each stop. JAX nets without weights of their own are compiled anew for each.
    """

    direction: ClassVar[Direction | None] = "lower"
    beside_controls: ClassVar[bool] = False
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    stops: int = 5

    def __post_init__(self) -> None:
        require(is_whole(self.stops) and self.stops >= 1, self, "stops", "at least 1")

    @property
    def unit(self) -> str:
        return "rank correlation"

    def cost(self, places: int) -> Cost:
        return Cost(explanations=self.stops)

    def evaluate(self, subject: Subject) -> Outcome:
        model = subject.objective.model
        now = parameters_of(model)
        groups = groups_of([*now])
        ends = np.unique(np.rint(np.linspace(0, len(groups), self.stops + 1)).astype(int))[1:]
        alike, last = [], subject.places
        for stop, end in enumerate(ends, 1):
            names = [name for group in groups[len(groups) - end :] for name in group]
            new = {name: drawn(now[name], subject.seed) for name in names}
            with model.with_weights(new) as other:
                last = subject.again(replace(subject.objective, model=other), stop)
            alike.append(rank_correlation(subject.places, last))
        before = entropy(subject.places)
        with np.errstate(invalid="ignore", divide="ignore"):
            rise = (entropy(last) - before) / np.where(before > 0, before, np.nan)
        count = sum(one.size for one in now.values())
        note = (
            f"{len(now)} parameters, all {count:,} numbers, in {len(groups)} groups, of which the last "
            f"{', '.join(map(str, ends))} were randomised: {', '.join(now)}."
        )
        found = np.stack(alike, axis=1)
        return Outcome(found.mean(axis=1), {"similarity": found, "complexity_rise": rise}, (note,))


def parameters_of(model: Model) -> dict[str, Numbers]:
    """A net's parameters now, copied, in float64.

    Raises:
        InputError: none are told.
    """
    told = model.weights()
    if told is None or not told.parameters:
        raise InputError(
            f"No weights were found in this {model.framework} model, so that none can be randomised. "
            "Give the module, or the function that closes over the arrays."
        )
    return {
        name: np.array(model.to_numpy(one), dtype=np.float64)
        for name, one in told.parameters.items()
    }


def groups_of(names: list[str]) -> list[list[str]]:
    """The parameters of each layer together, in their order."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.rpartition(".")[0], []).append(name)
    return [*groups.values()]


def drawn(values: Numbers, seed: int) -> Numbers:
    """Random numbers in the place of a parameter's; see `ModelRandomisation`."""
    flat = values.reshape(-1)
    if not flat.size:
        return values
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    key = crc32(ordered.astype(np.float32).tobytes())
    mean, width = float(ordered.mean()), float(ordered.std())
    if not np.isfinite(mean):
        mean, width = 0.0, 0.0
    width = width or abs(mean) or 0.1  # one number throughout, such as a bias of zeros
    numbers = mean + width * np.random.default_rng([seed, key, WEIGHTS]).standard_normal(flat.size)
    if ordered[0] >= 0 and ordered[-1] > 0:
        numbers = np.abs(numbers)
    found = np.empty_like(flat)
    found[order] = numbers
    # Another number to the last bit, also in a dtype of few digits.
    same = np.isclose(found, flat, rtol=2.0**-7, atol=0)
    found[same] += width
    return found.reshape(values.shape)


def entropy(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the histogram of 100 bins of each map's places, (n,)."""
    found = []
    for one in places:
        if not np.isfinite(one).all():
            found.append(np.nan)
            continue
        share = np.histogram(one, bins=100)[0] / len(one)
        share = share[share > 0]
        found.append(float(-(share * np.log(share)).sum()))
    return np.array(found)
