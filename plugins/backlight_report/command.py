"""The command `backlight report`."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from backlight_loading.names import legible
from backlight_loading.options import Colour, DivideBy, Framework, Mean, Preprocess, Std
from backlight_loading.techniques import DEFAULT
from backlight_report.report import Report


class Only(StrEnum):
    """Which examples are explained."""

    misclassified = "misclassified"
    correct = "correct"
    all = "all"


def report_command(
    model: Annotated[
        str,
        typer.Argument(
            help="The classifier: file.py:name or package.module:name of a model, or of a function "
            "without required arguments that returns one; or the path of a saved model.",
        ),
    ],
    data: Annotated[
        str,
        typer.Argument(
            help="Labelled pictures: a folder with one sub-folder of pictures per class (their sorted "
            "names are the classes, and must be in the model's order: see --classes); an .npz file with "
            "x (or images), y (or labels) and perhaps classes; or file.py:name of backlight.Examples."
        ),
    ],
    directory: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR", help="The folder to write the report into."),
    ] = Path("backlight-report"),
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            "-m",
            metavar="NAME[:KEY=VALUE,...]",
            help="A technique and its hyper-parameters; say it again for more. `backlight methods` "
            f"lists them. The key `at` names an inner layer. "
            f"Where nothing is said: {', '.join(DEFAULT)}.",
        ),
    ] = None,
    only: Annotated[
        Only | None,
        typer.Option(
            help="Which pictures to explain; the misclassified ones where nothing is said."
        ),
    ] = None,
    true: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS",
            help="Only pictures of this class, by name or number; say it again for more classes.",
        ),
    ] = None,
    predicted: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS",
            help="Only pictures that the model calls this; say it again for more classes. With --true: "
            "only pictures that fit both.",
        ),
    ] = None,
    limit: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Explain at most N: wrong before right ones, the most confident first.",
        ),
    ] = 24,
    framework: Framework = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="HxW",
            help="Stretch pictures to this height and width; by default to what the model says it wants.",
        ),
    ] = None,
    colour: Annotated[
        Colour | None,
        typer.Option(
            help="Read pictures grey or in colour; by default as the model says, or as they are."
        ),
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="All class names in the model's order, one a line: where the data does not have all of "
            "them, or not in this order. The order matters: line 1 names the model's first output.",
        ),
    ] = None,
    scores: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Which of a model's several outputs holds the class scores: its name or position; "
            "outer:inner where outputs are nested.",
        ),
    ] = None,
    divide_by: DivideBy = None,
    mean: Mean = None,
    std: Std = None,
    preprocess: Preprocess = None,
    seed: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="For techniques with noise.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Most pictures in one pass.")
    ] = None,
) -> None:
    """Explain what a classifier gets wrong, in a page to open, send and read.

    The model is asked about every picture. For those it gets wrong, each technique shows what speaks
    for the predicted class, for the true class, and for the one rather than the other. The folder
    holds report.html, results.json and the pictures.

    Examples:

        backlight report net.py:model pictures/ -o report

        backlight report net.keras test.npz -m integrated_gradients:steps=100 -m grad_cam

        backlight report net.py:model pictures/ --true Shirt --predicted Coat --size 96x96

        backlight report net.py:model pictures/ --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225
    """
    # Here and not above: the other commands need none of it.
    from backlight import wrap
    from backlight_loading.arguments import (
        output_path,
        preprocessing_of,
        size_of,
    )
    from backlight_loading.examples import (
        class_names_of,
        is_folder,
        load_examples,
        read_classes,
        reading_of,
    )
    from backlight_loading.models import load_model, note_on, wanted_shape
    from backlight_loading.preparation import preparation, wanted_picture
    from backlight_loading.techniques import techniques
    from backlight_report.progress_bar import progress_bar
    from backlight_report.replacing import claim
    from backlight_report.report import report
    from backlight_study.evaluation import check, trial

    claim(directory)
    chosen = techniques(method or (), seed)  # a mistyped name is said before anything is loaded
    preprocessing = preprocessing_of(divide_by, mean, std, preprocess)
    asked_size = size_of(size)
    names = read_classes(classes) if classes else ()
    if true or predicted:
        check_classes([*(true or ()), *(predicted or ())], names or class_names_of(data))
    net = load_model(model)
    wrapped = wrap(net, framework)
    wanted = wanted_picture(wanted_shape(net), wrapped.channels)
    read_size = asked_size or wanted[0]
    read_colour = colour.value if colour else wanted[1]
    given = [name for name, option in (("--size", size), ("--colour", colour)) if option]
    with progress_bar() as progress:
        if is_folder(data):  # what the model refuses is said before all pictures are read
            first = load_examples(data, read_size, read_colour, names, most=1)
            check(first)
            prepared = preparation(net, wrapped, preprocessing)
            trial(wrapped, prepared(first.x[:1]), first.classes, chosen, output_path(scores))
        examples = load_examples(
            data,
            read_size,
            read_colour,
            names,
            lambda done, total: progress("Reading pictures", done, total),
            given,
        )
        note = note_on(model)
        made = report(
            net,
            examples,
            directory=directory,
            methods=method or (),
            only=only.value if only else None,
            true=true,
            predicted=predicted,
            limit=limit,
            framework=framework,
            scores=output_path(scores),
            preprocessing=preprocessing,
            seed=seed,
            batch_size=batch_size,
            model_name=model,
            data_name=data,
            reading=reading_of(examples, is_folder(data), read_size),
            notes=(note,) if note else (),
            progress=progress,
        )
    show(made, examples.skipped)


def check_classes(said: Sequence[str], names: Sequence[str]) -> None:
    """Raise UnknownNameError for a mistyped class, where the names are known before all is read."""
    from backlight_study.cells import class_numbers

    if names:
        class_numbers(said, names)


MOST_WARNINGS = 5
"""How many warnings of techniques the terminal shows; the page has all."""


def show(made: Report, skipped: Sequence[str]) -> None:
    """Say what was found, what went wrong, and where the page is."""
    console = Console(stderr=True, soft_wrap=True)
    for line in made.notes:
        console.print(f"Note: {escape(line)}", style="bold red")
    for line in skipped[:5]:
        console.print(f"Skipped {escape(legible(line))}", style="yellow")
    if skipped:
        console.print(f"{len(skipped)} unreadable in all, left out.", style="yellow")
    for line in made.errors:
        console.print(f"No maps from {escape(line)}", style="yellow")
    for line in made.warnings[:MOST_WARNINGS]:
        console.print(f"Warning: {escape(line)}", style="yellow")
    if len(made.warnings) > MOST_WARNINGS:
        left = len(made.warnings) - MOST_WARNINGS
        console.print(f"{left} more warnings are on the page.", style="yellow")
    for line in made.estimates:
        console.print(escape(line))
    wrong, page = made.count - made.correct, legible(str(made.page))
    print(
        f"{made.correct:,} of {made.count:,} right ({made.correct / made.count:.1%}), {wrong:,} wrong."
    )
    if made.explained:
        print(f"{made.explained} explained in {page}")
    else:
        print(f"None of the pictures asked for is there to explain; the rest is in {page}")
