"""The command `backlight check`."""

from typing import Annotated

import typer

from backlight_loading.options import DivideBy, Framework, Mean, Preprocess, ReadAs, Size, Std

OBJECTED = 1


def check_command(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="file.py:name or package.module:name of a model, or of a function without required "
            "arguments that returns one; or the path of a saved model.",
        ),
    ],
    data: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="What the model is looked at with; of several examples the first. A picture; an .npy "
            "file; a folder or an .npz file as `backlight report` takes; file.py:name of an array, of "
            "a tuple or dict of arrays, of backlight.Examples, or of a function that returns one; or "
            "shape:1x3x224x224 for random numbers of that shape, the examples' axis first.",
        ),
    ],
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            "-m",
            metavar="NAME[:KEY=VALUE,...]",
            help="A technique and its hyper-parameters; say it again for more. `backlight methods` "
            "lists them. The key `at` names an inner layer. Where nothing is said: each technique "
            "that brings rules of its own for the backward pass; of a model without gradients, each "
            "that takes none.",
        ),
    ] = None,
    framework: Framework = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="[OUTPUT:]CLASS",
            help="The number of the class whose score is explained; by default the predicted one. Of a "
            "model with several outputs, after the output's name or position: logits:3.",
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="SITE",
            help="Look from this inner layer to the score, not from the input.",
        ),
    ] = None,
    places: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="How many places a row names. JSON has them all."),
    ] = 3,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a list with one object per technique instead.")
    ] = False,
    size: Size = None,
    colour: ReadAs = None,
    divide_by: DivideBy = None,
    mean: Mean = None,
    std: Std = None,
    preprocess: Preprocess = None,
) -> None:
    """Show what a technique would do with each operation of a model, before anything is explained.

    A row for each kind of operation between the input and the score: how many there are, whether a
    rule of the technique acts there, the derivative is exact as it is, or the technique has nothing to
    say and falls back to the gradient; and where they are. Below it stands whether the technique
    makes sense on this model, and if not, which option allows it nevertheless.

    The exit code is 0 where no technique objects, 1 where one does, 2 where something was mistyped or
    is missing.

    Examples:

        backlight check net.py:model shape:1x3x224x224

        backlight check net.py:model cat.jpg --size 224x224 -m guided_backprop -m lrp:composite=gamma

        backlight check net.keras test.npz -m deep_lift --target 3 --json

        backlight check net.py:model batch.npy -m lrp --at layer4
    """
    # Here and not above: the other commands need none of it.
    import json

    from rich.text import Text

    from backlight_check.checks import check, telling_techniques
    from backlight_check.scored_example import load_scored_example, target_of
    from backlight_check.table import plain, show, wide_console
    from backlight_loading.arguments import preprocessing_of, size_of
    from backlight_loading.inputs import Reading
    from backlight_loading.techniques import techniques

    score = target_of(target)
    said = techniques(method) if method else []  # a mistyped name is said before all else
    preprocessing = preprocessing_of(divide_by, mean, std, preprocess)
    reading = Reading(size_of(size), colour.value if colour else None, preprocessing)
    example = load_scored_example(model, data, reading, framework, score)
    chosen = said or techniques(telling_techniques(example.model))
    checks = [check(example, one, at) for one in chosen]
    if as_json:
        print(json.dumps([plain(one, example) for one in checks], indent=2))
    else:
        console = wide_console()
        console.print(Text(f"{model}: {example}"))
        for one in checks:
            console.print()
            show(one, console, places)
    if any(one.objection is not None for one in checks):
        raise typer.Exit(OBJECTED)
