"""Nets that nobody here wrote: which feature map is chosen in each, what it is made of, how far
DeepLIFT's sum is from the score's change (float64, the worst of two rows), and what techniques say of it.

`python -m benchmarks.zoo [--save FILE.json] [PART OF A NAME ...]` runs those whose names have one of the
parts, or all; libraries that are not installed are named. With --save each row is written as soon as it
is there, a table beside it (FILE.md), and rows that are there already are not run again.
"""

import argparse
import json
import time
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path

# Torch before TensorFlow: the other order does not load.
import torch  # isort: skip

import numpy as np
from tests.parity.foreign_nets import Foreign, chosen

import backlight
from backlight.errors import BacklightError, BacklightWarning
from backlight_methods import LRP, DeepLIFT, GradCAM
from benchmarks.zoo_nets import LIBRARIES, nets

torch.set_num_threads(1)
UNFINISHED = "did not finish: the process ended"
TECHNIQUES = {
    "Grad-CAM": GradCAM(upsample="none"),
    "DeepLIFT": DeepLIFT(),
    "LRP-epsilon": LRP(composite="epsilon"),
}
SHORT = 90


@dataclass
class Row:
    """What was found in one net.

    Attributes:
        name: the library and the net.
        site, grid: the feature map that Grad-CAM chose, and its places.
        acceptable: whether a person would choose it too; None where that is not known.
        kinds: how often each kind of operation is on the way to the score.
        gap: DeepLIFT's, relative, the worst of two rows.
        said: what each technique warned of, or why it refused or failed, in short.
        seconds: for all of it.
        failed: why there is nothing else here.
    """

    name: str
    site: str | None = None
    grid: list[int] = field(default_factory=list)
    acceptable: bool | None = None
    kinds: dict[str, int] = field(default_factory=dict)
    gap: float | None = None
    said: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    failed: str = ""


def short(text: object) -> str:
    one_line = " ".join(str(text).split()).replace("|", "/")
    return one_line if len(one_line) <= SHORT else f"{one_line[: SHORT - 3]}..."


def measured(name: str, foreign: Foreign) -> Row:
    row, started = Row(name), time.perf_counter()
    try:
        with foreign.within(), warnings.catch_warnings():
            warnings.simplefilter("ignore", BacklightWarning)  # results have them too
            net, x = foreign.make()
            look(row, foreign, net, x)
    except Exception as error:  # a table has a line for what fails
        row.failed = short(f"{type(error).__name__}: {error}")
    row.seconds = round(time.perf_counter() - started, 1)
    backlight.forget()
    return row


def look(row: Row, foreign: Foreign, net: object, x: np.ndarray) -> None:
    for name, method in TECHNIQUES.items():
        try:
            result = method(net, x, foreign.target)
        except BacklightError as error:
            row.said[name] = short(f"{type(error).__name__}: {error}")
            if name == "Grad-CAM":
                row.acceptable = not foreign.grid
            continue
        row.said[name] = short("; ".join(result.warnings))
        if name == "Grad-CAM":
            found = chosen(result)
            row.site, row.grid = found.site, list(found.grid)
            if foreign.sites:
                row.acceptable = found.site in foreign.sites and found.grid == foreign.grid
            if not np.any(np.asarray(result.values)):
                row.acceptable, row.said[name] = False, "all zero"
        if name == "DeepLIFT" and result.relative_gap is not None:
            row.gap = float(result.relative_gap.max())
    row.kinds = counted(net, x, foreign)


def counted(net: object, x: np.ndarray, foreign: Foreign) -> dict[str, int]:
    from backlight_check.scored_example import scored_example

    looked = scored_example(net, x, foreign.target)
    rules = TECHNIQUES["LRP-epsilon"].rules
    operations = looked.model.operations(looked.inputs, score=looked.score, rules=rules)
    return dict(Counter(one.kind.value for one in operations).most_common())


HEAD = ("net", "chosen site", "grid", "acceptable", "kinds", "DeepLIFT's gap", "said", "s")


def cells(row: Row) -> tuple[str, ...]:
    judged = {True: "yes", False: "NO", None: "?"}[row.acceptable]
    kinds = ", ".join(f"{kind} {count}" for kind, count in row.kinds.items())
    gap = "" if row.gap is None else f"{row.gap:.1e}"
    said = "; ".join(f"{name}: {text}" for name, text in row.said.items() if text)
    grid = " x ".join(map(str, row.grid))
    rest = (row.site or "", grid, judged, kinds, gap, row.failed or said, f"{row.seconds:.0f}")
    return (row.name, *rest)


def table(rows: Mapping[str, Row], missing: list[str]) -> str:
    lines = [HEAD, ("---",) * len(HEAD), *map(cells, rows.values())]
    judged = Counter(row.acceptable for row in rows.values() if not row.failed)
    failed = sum(bool(row.failed) for row in rows.values())
    close = sum(row.gap is not None and row.gap <= 1e-6 for row in rows.values())
    closing = (
        f"{len(rows)} nets: feature map acceptable in {judged[True]}, not in {judged[False]}, unknown in "
        f"{judged[None]}; DeepLIFT's gap at most 1e-6 in {close}; failed {failed}. Not installed: "
        f"{', '.join(missing) or 'nothing'}."
    )
    return "\n".join(["| " + " | ".join(line) + " |" for line in lines] + ["", closing])


def saved(path: Path | None) -> dict[str, Row]:
    if path is None or not path.exists():
        return {}
    return {one["name"]: Row(**one) for one in json.loads(path.read_text())}


def save(path: Path | None, rows: Mapping[str, Row], missing: list[str]) -> None:
    if path is not None:
        path.write_text(json.dumps([asdict(row) for row in rows.values()], indent=1))
        path.with_suffix(".md").write_text(table(rows, missing) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help="of the names of the nets to run")
    parser.add_argument("--save", type=Path, metavar="FILE.json", help="rows that stay, resumable")
    told = parser.parse_args()
    missing = [one for one in LIBRARIES if find_spec(one) is None]
    rows = saved(told.save)
    wanted = {
        name: foreign
        for name, foreign in nets(set(LIBRARIES) - set(missing)).items()
        if not told.parts or any(part in name for part in told.parts)
    }
    for name, foreign in wanted.items():
        if name in rows:
            continue
        rows[name] = Row(name, failed=UNFINISHED)
        save(told.save, rows, missing)
        rows[name] = measured(name, foreign)
        save(told.save, rows, missing)
        print(f"{name}: {rows[name].seconds} s", flush=True)
    print(table({name: rows[name] for name in wanted}, missing))


if __name__ == "__main__":
    main()
