"""What Captum's features are here, and by how much results differ: the tables of docs/captum.md, run
on one small torch net in float64.

`python -m benchmarks.captum_features`
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import captum.attr
import numpy as np
import torch
from captum._utils.models.linear_model import SkLearnLinearRegression
from numpy.typing import NDArray

import backlight
import backlight_methods
from backlight import Attribution
from backlight.attribution.by_feature import ByFeature
from backlight_methods.lrp.rules import Epsilon
from benchmarks.captum_judges import JUDGES
from benchmarks.captum_setting import setting

PAGE = Path(__file__).parents[1] / "docs" / "captum.md"


@dataclass(frozen=True)
class Row:
    """A feature of Captum's.

    Attributes:
        name: of the feature.
        captum, backlight: the two calls, as code.
        judge: whose result is right, one of `JUDGES`; None where Captum's is.
        ours, theirs: so far are they off, as shares of the judge's largest value.
    """

    name: str
    captum: str
    backlight: str
    judge: str | None
    ours: float
    theirs: float


def rows() -> list[Row]:
    """Those of the page's tables."""
    found = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and cells[0]:
            name, theirs, ours, *rest = cells
            judge, *numbers = rest if len(rest) == 3 else (None, *rest, "0")
            code = theirs.strip("`"), ours.strip("`")
            found.append(Row(name, *code, judge, *map(float, numbers)))
    return found


def off_by(row: Row) -> tuple[float, float]:
    """By how much ours and Captum's differ from what is right, as shares of its largest value."""
    torch.manual_seed(0)
    np.random.seed(0)
    theirs = numbers(evaluated(row.captum, vars(captum.attr) | CAPTUM))
    ours = numbers(evaluated(row.backlight, vars(backlight) | vars(backlight_methods) | OURS))
    right = theirs if row.judge is None else numbers(JUDGES[row.judge](setting()))
    largest = np.abs(right).max()
    return tuple(float(np.abs(one - right).max() / largest) for one in (ours, theirs))  # type: ignore[return-value]


CAPTUM = {"SkLearnLinearRegression": SkLearnLinearRegression}
OURS = {"backlight": backlight, "Epsilon": Epsilon}


def evaluated(code: str, names: Mapping[str, object]) -> object:
    return eval(code, {**names, **setting()})


def numbers(found: object) -> NDArray[np.float64]:
    """Whatever a call gives, as one row of numbers."""
    if isinstance(found, list | tuple):
        return np.concatenate([numbers(one) for one in found])
    values = found.values if isinstance(found, Attribution | ByFeature) else found
    if isinstance(values, torch.Tensor):
        values = values.detach().numpy()
    return np.asarray(values, dtype=np.float64).ravel()


def main() -> None:
    warnings.simplefilter("ignore")
    print(f"{'':44}{'ours':>9}{'Captum':>9}  judge")
    for row in rows():
        ours, theirs = off_by(row)
        print(f"{row.name:44}{ours:9.1e}{theirs:9.1e}  {row.judge or 'Captum'}", flush=True)


if __name__ == "__main__":
    main()
