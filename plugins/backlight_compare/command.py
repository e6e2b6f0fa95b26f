"""The command `backlight compare`."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from backlight_compare.defaults import DEFAULT, TOLERANCE
from backlight_loading import options

if TYPE_CHECKING:
    from backlight.values.outputs import Path as OutputPath
    from backlight_compare.result import ModelComparison

DIFFERENT = 1


def compare_command(
    first: Annotated[
        str, typer.Argument(metavar="MODEL", help="A classifier, as `backlight report` takes one.")
    ],
    second: Annotated[
        str,
        typer.Argument(metavar="OTHER", help="Another one of the same classes, of any framework."),
    ],
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="Labelled pictures, texts, rows or series, as `backlight report` takes them.",
        ),
    ],
    kind: options.Kind = None,
    tokenizer: options.TokenizerNamed = None,
    tokens: options.Tokens = None,
    encoder: options.EncoderNamed = None,
    x: options.Columns = None,
    label: options.Label = None,
    label_separator: options.LabelSeparator = "",
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            "-m",
            metavar="NAME[:KEY=VALUE,...]",
            help="A technique whose maps are compared; say it again for more. Where nothing is said: "
            f"{', '.join(DEFAULT)}; where a model has no gradients, those of a report that need none.",
        ),
    ] = None,
    limit: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Compare the maps of N examples, drawn at random."),
    ] = 16,
    tolerance: Annotated[
        float,
        typer.Option(
            metavar="NUMBER", help="What counts as the same, relative to the largest number."
        ),
    ] = TOLERANCE,
    site: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=OTHER",
            help="An inner layer of the first net that is this one of the second, where the nearest "
            "value is not the one that is meant; say it again for more.",
        ),
    ] = None,
    scores: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[=OTHER]",
            help="Which of several outputs holds the class scores, by name or position: of both models, "
            "or of the first and of the second one, where `logits=` says that the second has only one.",
        ),
    ] = None,
    framework: options.Framework = None,
    size: options.Size = None,
    colour: options.ReadAs = None,
    classes: options.Classes = None,
    divide_by: options.DivideBy = None,
    mean: options.Mean = None,
    std: options.Std = None,
    preprocess: options.Preprocess = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of what is drawn.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print it for programs.")] = False,
) -> None:
    """Say whether two models say the same for the same reasons, and where they part if not.

    For a net that was ported to another framework, and for one before and after a change: what the second
    one fixes and breaks, how alike their maps are, and the first inner value at which they differ. The
    exit code is 1 where they are not the same.

    Examples:

        backlight compare torch_net.py:net keras_net.keras test.npz

        backlight compare before.pt2 after.pt2 pictures/ -m grad_cam --limit 50

        backlight compare net.py:before net.py:after reviews.csv --tokenizer net.py:tokenizer
    """
    from backlight_compare.run import compare
    from backlight_datasets import ColumnNames
    from backlight_loading.arguments import preprocessing_of, size_of
    from backlight_loading.examples import read_classes
    from backlight_loading.models import load_model, wanted_shape
    from backlight_loading.preparation import wanted_picture

    how = preprocessing_of(divide_by, mean, std, preprocess)
    nets = load_model(first), load_model(second)
    wanted = wanted_picture(wanted_shape(nets[0]), "last")
    found = compare(
        *nets,
        data,
        kind=kind.value if kind else None,
        tokenizer=tokenizer,
        tokens=tokens,
        encoder=encoder,
        methods=method or (),
        limit=limit,
        tolerance=tolerance,
        sites=named(site or ()),
        frameworks=(of_function(nets[0], framework), of_function(nets[1], framework)),
        scores=outputs_of(scores),
        preprocessing=(how, how),
        size=size_of(size) or wanted[0],
        colour=colour.value if colour else wanted[1],
        classes=read_classes(classes) if classes else (),
        columns=ColumnNames.said(x, label, label_separator),
        seed=seed,
    )
    if as_json:
        print(json.dumps(found.to_dict(), indent=1, allow_nan=False, ensure_ascii=False))
    else:
        show(found)
    raise typer.Exit(0 if found.same else DIFFERENT)


def of_function(net: object, framework: str | None) -> str | None:
    """The framework that was said, for a net that does not show its own."""
    from backlight import wrap
    from backlight.errors import NoBackendError

    try:
        wrap(net)
    except NoBackendError:
        return framework
    return None


def outputs_of(said: str | None) -> tuple["OutputPath", "OutputPath"]:
    """Where both models have their class scores, from `NAME` or `NAME=OTHER`."""
    from backlight_loading.arguments import output_path

    first, sign, second = (said or "").partition("=")
    return output_path(first or None), output_path((second if sign else first) or None)


def named(said: Sequence[str]) -> dict[str, str]:
    """Sites of the first net by those of the second, from `NAME=OTHER`."""
    from backlight.errors import InputError

    pairs = [one.partition("=") for one in said]
    for name, sign, other in pairs:
        if not (name and sign and other):
            raise InputError(f"--site takes NAME=OTHER, got {name + sign + other!r}.")
    return {name: other for name, _, other in pairs}


def show(found: "ModelComparison") -> None:
    """Print a comparison for people."""
    console = Console(soft_wrap=True)
    console.print(f"{found.frameworks[0]} and {found.frameworks[1]}: {escape(str(found.mcnemar))}")
    console.print(
        f"{found.changed} of {found.mcnemar.count} get another class; probabilities differ by up to "
        f"{found.difference:.2g}."
    )
    table = Table("technique", "correlation", "largest difference", box=None)
    for one in found.agreements:
        told = one.error or f"{one.difference:.2g}"
        table.add_row(one.technique, f"{one.correlation:.6f}", escape(told))
    console.print(table)
    last, first = found.parting
    if last is not None:
        console.print(escape(f"Inside they agree up to {last.first} = {last.second}."))
    if first is not None:
        console.print(
            escape(
                f"The first inner value that differs is {first.first}: the nearest of the other net is "
                f"{first.second}, off by {first.difference:.2g} of its largest number."
            )
        )
    verdict = "The same" if found.same else "Not the same"
    console.print(f"{verdict}, within {found.tolerance:g}.")
