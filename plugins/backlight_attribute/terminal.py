"""What the terminal says of a store."""

from rich.console import Console
from rich.markup import escape

from backlight_attribute.results import Attributions, Status
from backlight_loading.names import legible

MOST_LINES = 5


def show_status(found: Attributions, quick: bool = True) -> Status:
    """Say how far a run is, see `Attributions.status`; on the error stream what was skipped."""
    status, folder = found.status(quick), legible(str(found.store.folder))
    console = Console(stderr=True, soft_wrap=True)
    for one in status.skipped[:MOST_LINES]:
        console.print(f"Skipped {escape(legible(str(one)))}", style="yellow")
    if len(status.skipped) > MOST_LINES:
        console.print(f"{len(status.skipped)} skipped in all.", style="yellow")
    done = status.blocks - len(status.missing)
    print(
        f"{status.explained:,} of {status.examples:,} examples explained, {len(status.skipped):,} "
        f"skipped; {done:,} of {status.blocks:,} blocks in {folder}"
    )
    return status


def show_info(found: Attributions) -> None:
    """What a store holds."""
    plan = found.store.plan
    lines = {
        "model": plan.model,
        "data": plan.data,
        "blocks of": f"{plan.block_length:,} examples, values as {plan.dtype}",
        "techniques": "\n".join(plan.techniques),
        "targets": ", ".join(plan.targets),
        **{name: str(value) for name, value in sorted(plan.options.items()) if value},
        "versions": ", ".join(f"{name} {one}" for name, one in plan.versions.items()),
        "columns": "\n".join(
            f"{name} {one.dtype} {one.shape}" for name, one in found.store.columns().items()
        ),
    }
    for name, text in lines.items():
        print(f"{name}: {legible(text)}" if "\n" not in text else f"{name}:\n{legible(text)}")
