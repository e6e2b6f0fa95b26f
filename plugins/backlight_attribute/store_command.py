"""The commands `backlight store info`, `verify` and `export`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

store_app = typer.Typer(
    help="Look at what `backlight attribute` has written.", no_args_is_help=True
)

Store: TypeAlias = Annotated[
    str, typer.Argument(metavar="STORE", help="The store's folder, or its URL.")
]

MISSING = 1
"""The exit code where blocks are missing or damaged."""


class Format(StrEnum):
    """What a store can be exported to."""

    npz = "npz"
    parquet = "parquet"
    zarr = "zarr"


class By(StrEnum):
    """By which classes examples are put together."""

    predicted = "predicted"
    labels = "labels"


@store_app.command("info")
def info_command(store: Store) -> None:
    """Say what a store holds: model, data, techniques, targets, columns, and how far it is.

    Example: `backlight store info results`
    """
    from backlight_attribute.results import Attributions
    from backlight_attribute.terminal import show_info, show_status

    found = Attributions.open(store)
    show_info(found)
    show_status(found)


@store_app.command("verify")
def verify_command(store: Store) -> None:
    """Read every byte and compare it with its checksum. The exit code is 1 where blocks are missing.

    Example: `backlight store verify results`
    """
    from backlight_attribute.results import Attributions
    from backlight_attribute.terminal import show_status

    if not show_status(Attributions.open(store), quick=False).complete:
        raise typer.Exit(MISSING)


@store_app.command("export")
def export_command(
    store: Store,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="PATH", help="The file or folder to write."),
    ],
    format: Annotated[
        Format | None,
        typer.Option(help="What is written; where nothing is said, what PATH ends in."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Only this column; say it again for more. `backlight store info` lists them.",
        ),
    ] = None,
) -> None:
    """Write a store's columns to one file of another kind, block by block.

    Examples:

        backlight store export results -o results.parquet

        backlight store export results -o scores.npz --column predicted --column labels
    """
    from backlight_attribute.exporting import export
    from backlight_attribute.results import Attributions
    from backlight_loading.progress_bar import progress_bar

    with progress_bar() as progress:
        export(
            Attributions.open(store),
            output,
            format.value if format else None,
            column or (),
            progress=progress,
        )
    print(f"Written to {output}")


@store_app.command("plot")
def plot_command(
    store: Store,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The picture: .png, .svg, .pdf.")
    ],
    target: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of which target of the store, by default its first."),
    ] = None,
    by: Annotated[
        By, typer.Option(help="By which classes examples are put together.")
    ] = By.predicted,
) -> None:
    """Draw where techniques look on average: the mean size of values over all examples, and by class; of
    texts the words that speak most for the target, and most against it.

    Example: `backlight store plot results -o mean.png`
    """
    from backlight_attribute.overview import overview_figure
    from backlight_attribute.results import Attributions

    found = Attributions.open(store)
    overview_figure(found, target or found.targets[0], by.value).savefig(output, dpi=150)
    print(f"Drawn in {output}")


@store_app.command("findings")
def findings_command(store: Store) -> None:
    """Say what the mistakes of the whole data set have in common, by their maps.

    Example: `backlight store findings results`
    """
    from backlight_attribute.results import Attributions
    from backlight_attribute.summaries import findings

    found = findings(Attributions.open(store))
    for one in found:
        print(f"{one.severity}: {one.title}\n    {one.caveat}")
    if not found:
        print("The maps of the mistakes have nothing in common that stands out.")
