"""What the terminal says of a store."""

from itertools import chain, repeat

from rich.console import Console
from rich.markup import escape

from backlight.command_line.one_line import one_line
from backlight_attribute.results import Attributions, Status
from backlight_datasets import StoreError
from backlight_datasets.store import Column
from backlight_loading.names import legible

MOST_LINES = 5

DIGITS = 12
"""How much of a digest is shown."""

ASKED = ("kind", "preprocessing", "baseline", "batch_size", "outputs")
"""Options that a plan has, in the order in which they are shown."""


def show_status(found: Attributions, quick: bool = True) -> Status:
    """Say how far a run is, see `Attributions.status`; on the error stream what was skipped, and which
    techniques failed."""
    status, folder = found.status(quick), one_line(legible(str(found.store.folder)))
    console = Console(stderr=True, soft_wrap=True)
    for one in status.skipped[:MOST_LINES]:
        console.print(f"Skipped {escape(one_line(legible(str(one))))}", style="yellow")
    if len(status.skipped) > MOST_LINES:
        console.print(f"{len(status.skipped)} skipped in all.", style="yellow")
    for technique, (count, why) in found.failures().items():
        of = f"{count:,} of {status.explained:,} examples"
        told = f"{technique} found nothing of {of}; the first reason: {legible(why)}"
        console.print(escape(one_line(told)), style="yellow")
    done = status.blocks - len(status.missing)
    print(
        f"{status.explained:,} of {status.examples:,} examples explained, {len(status.skipped):,} "
        f"skipped; {done:,} of {status.blocks:,} blocks in {folder}"
    )
    return status


def show_info(found: Attributions) -> None:
    """What a store holds: what it was made of, what was asked, and which columns that gave."""
    plan = found.store.plan
    model, data = asked_about(found)
    weights = plan.model.removeprefix("weights ")[:DIGITS]
    features = plan.options.get("features")
    scaled = ", with a scale for each example" if plan.dtype == "float16" else ""
    lines = {
        "model": [f"{model} (weights {weights})"],
        "data": [f"{data} ({plan.data[:DIGITS]})", f"{plan.count:,} examples"],
        "classes": [", ".join(found.classes)],
        "features": [", ".join(map(str, features)) if isinstance(features, list) else ""],
        "targets": [", ".join(found.targets)],
        "techniques": [
            f"{name}: {text.removesuffix(' at None')}"
            for name, text in zip(found.techniques, plan.techniques, strict=True)
        ],
        "values": [f"{plan.options['keep']} as {plan.dtype}{scaled}"],
        "blocks": [f"{plan.blocks:,} of {plan.block_length:,} examples"],
        **{name: [str(plan.options[name])] for name in ASKED if plan.options.get(name)},
        "versions": [", ".join(f"{name} {one}" for name, one in plan.versions.items())],
        "columns": columns_of(found),
    }
    wide = max(map(len, lines))
    for name, texts in lines.items():
        for head, text in zip(chain([name], repeat("")), filter(None, texts), strict=False):
            print(f"{head:{wide}}  {one_line(legible(text))}")


def asked_about(found: Attributions) -> tuple[str, str]:
    """What the model and the data were named."""
    try:
        origin = found.origin
    except StoreError:  # all else can be read without it
        return "not known", "not known"
    return origin.model or "an object", origin.data or "an object"


def columns_of(found: Attributions) -> list[str]:
    """A line for each column, or for those that all targets of a technique have, with its dtype and the
    shape of each example's part."""
    together: dict[tuple[str, str, Column], list[str]] = {}
    for name, column in found.store.columns().items():
        technique, _, rest = name.partition("/")
        target, _, last = rest.rpartition("/")
        together.setdefault((technique, last, column), []).append(target)
    lines = []
    for (technique, last, column), targets in together.items():
        one = targets[0] if len(targets) == 1 else f"{{{','.join(targets)}}}"
        name = "/".join(filter(None, (technique, one, last)))
        text = "text" if column.dtype.kind == "S" else str(column.dtype)
        lines.append(f"{name} {text}{f' {column.shape}' if column.shape else ''}")
    return lines
