"""What cells are worth to a net, side by side on one page: eight pictures that it calls rightly, feature
ablation, occlusion, Shapley values and KernelSHAP, dark and light baselines, standard errors as maps.

`python -m benchmarks.features_page fashion page.html`, or `lite0`, with a number after it for pictures of
fewer than 224 pixels a side, which take less time.
"""

import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jinja2 import Environment, StrictUndefined
from numpy.typing import NDArray

from backlight import Attribution, Grid, Method
from backlight_methods import FeatureAblation, KernelSHAP, Occlusion, ShapleyValues
from backlight_pictures.colours import overlay
from backlight_pictures.maps import reduction_of, to_maps
from backlight_pictures.png import data_uri, enlarged, png
from backlight_pictures.scale import Scale, number, scale_of
from backlight_report.study_page.colouring import ramps
from backlight_report.study_page.page import asset
from benchmarks.features_pictures import COUNT, Pictures, of_fashion, of_lite0

TOLERANCE, Z = 0.05, 1.96
Numbers = NDArray[np.float64]


@dataclass
class Found:
    """What a technique says with one baseline.

    Attributes:
        maps, errors: for each picture, a number for each cell or place, (N, rows, columns).
        change: of each picture's score, (N,).
    """

    name: str
    baseline: str
    maps: Numbers
    errors: Numbers | None
    change: Numbers
    evaluations: int
    seconds: float

    @property
    def reached(self) -> Numbers | None:
        """The largest standard error of each picture, as a share of the score's change."""
        return None if self.errors is None else self.errors.max(axis=(1, 2)) / self.change

    @property
    def median(self) -> str:
        return "exact" if self.reached is None else f"{np.median(self.reached):.1%}"

    @property
    def worst(self) -> str:
        return "exact" if self.reached is None else f"{self.reached.max():.1%}"


def techniques(of: Pictures, baseline: float) -> dict[str, Method]:
    grid, cell = Grid(of.cells, of.cells), of.x.shape[-1] // of.cells
    orders, coalitions = of.samples
    return {
        "feature ablation": FeatureAblation(features=grid, baseline=baseline),
        "occlusion": Occlusion(window=2 * cell, stride=cell, baseline=baseline),
        "Shapley values": ShapleyValues(features=grid, baseline=baseline, tolerance=TOLERANCE,
                                        samples=4, maximum_samples=orders),
        "KernelSHAP": KernelSHAP(features=grid, baseline=baseline, tolerance=TOLERANCE,
                                 samples=4 * of.cells**2, maximum_samples=coalitions),
    }  # fmt: skip


def explained(of: Pictures) -> Iterator[Found]:
    for baseline, value in {"dark": of.dark, "light": of.light}.items():
        empty = of.net(torch.full_like(of.x[:1], value))[0]
        scores = of.net(of.x)[range(COUNT), of.labels]
        change = np.abs((scores - empty[of.labels]).numpy())
        for name, method in techniques(of, value).items():
            of.net.seen, started = 0, time.perf_counter()
            found = method(of.net, of.x, of.labels, batch_size=64)
            seconds, seen = time.perf_counter() - started, of.net.seen
            yield Found(name, baseline, *per_cell(found, name, of.cells), change, seen, seconds)


def per_cell(found: Attribution, name: str, cells: int) -> tuple[Numbers, Numbers | None]:
    values = found.numpy()
    if name == "occlusion":
        return to_maps(values, "first", reduction_of(values, "first")), None
    grid, shape = found.by(Grid(cells, cells)), (COUNT, cells, cells)
    errors = grid.standard_error
    return grid.values.reshape(shape), None if errors is None else errors.reshape(shape)


def agreeing(found: list[Found]) -> float:
    """In how many cells two estimates of the Shapley value are as near as their errors say."""
    named = {(one.name, one.baseline): one for one in found}
    within = []
    for baseline in ("dark", "light"):
        first, second = named["Shapley values", baseline], named["KernelSHAP", baseline]
        allowed = Z * np.hypot(first.errors, second.errors)
        within.append(np.abs(first.maps - second.maps) <= allowed)
    return float(np.mean(within))


def drawn(values: Numbers, scale: Scale, picture: NDArray[np.uint8]) -> str:
    times = len(picture) // len(values)
    larger = values.repeat(times, axis=0).repeat(times, axis=1)
    return data_uri(png(enlarged(overlay(larger, scale, picture))))


def figures(one: Found, case: int, picture: NDArray[np.uint8]) -> Iterator[dict[str, str]]:
    scale = scale_of([one.maps[case]])
    note = f"limit {number(scale.limit)}"
    yield {"title": one.name, "note": note, "source": drawn(one.maps[case], scale, picture)}
    if one.errors is not None and one.reached is not None:
        note = f"at most {number(float(one.errors[case].max()))}, {one.reached[case]:.1%} of the change"
        error = drawn(one.errors[case], Scale(scale.limit, signed=False), picture)
        yield {"title": f"± of {one.name}", "note": note, "source": error}


def page(of: Pictures, found: list[Found]) -> str:
    cases = [
        {
            "title": of.titles[case],
            "picture": data_uri(png(enlarged(picture))),
            "rows": [
                (baseline, [figure for one in found if one.baseline == baseline
                            for figure in figures(one, case, picture)])
                for baseline in ("dark", "light")
            ],
        }
        for case, picture in enumerate(of.shown)
    ]  # fmt: skip
    environment = Environment(autoescape=True, trim_blocks=True, undefined=StrictUndefined)
    text = Path(__file__).with_suffix(".html.j2").read_text(encoding="utf-8")
    return environment.from_string(text).render(
        set=of, found=found, cases=cases, tolerance=f"{TOLERANCE:.0%}", ramps=ramps(),
        agreeing=f"{agreeing(found):.1%}", style=asset("style.css"),
    )  # fmt: skip


def main() -> None:
    which, file, *side = sys.argv[1:]
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # the page says what the tolerance was and what was reached
    of = of_fashion() if which == "fashion" else of_lite0(*map(int, side))
    found = []
    for one in explained(of):
        print(f"{one.name:18}{one.baseline:6}{one.evaluations:9} pictures {one.seconds:8.1f} s   "
              f"largest error {one.median} (median), {one.worst} (worst)", flush=True)  # fmt: skip
        found.append(one)
    print(f"Shapley values and KernelSHAP agree in {agreeing(found):.1%} of the cells")
    Path(file).write_text(page(of, found), encoding="utf-8")


if __name__ == "__main__":
    main()
