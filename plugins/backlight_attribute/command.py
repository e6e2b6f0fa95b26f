"""The command `backlight attribute`."""

from enum import StrEnum
from typing import Annotated

import typer

from backlight_loading import options


class Dtype(StrEnum):
    """How values are stored."""

    float16 = "float16"
    float32 = "float32"


def attribute_command(
    model: options.Classifier,
    data: Annotated[
        str,
        typer.Argument(
            help="The examples, labelled or not: a folder of pictures (or .txt files), or of one "
            "sub-folder per class; an .npz, .csv, .jsonl, .parquet or .tar file, or a folder of such; "
            "what Hugging Face's save_to_disk wrote; or file.py:name of a data set of any library."
        ),
    ],
    store: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="STORE",
            help="The folder to write results into, or its URL, as s3://bucket/results.",
        ),
    ],
    kind: options.Kind = None,
    tokenizer: options.TokenizerNamed = None,
    tokens: options.Tokens = None,
    method: options.Techniques = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="predicted|true|contrast|CLASS",
            help="What is asked about each example: the class that is predicted (where nothing is said), "
            "its label, the one rather than the other, or a class by name or number. Say it again for "
            "more.",
        ),
    ] = None,
    keep: Annotated[
        str,
        typer.Option(
            metavar="whole|none|summary|top:N|FEATURES",
            help="What is kept of each example's values: all, none, figures, the N largest, or sums over "
            "features, as grid:16x16.",
        ),
    ] = "whole",
    dtype: Annotated[
        Dtype, typer.Option(help="How values are stored; float16 has a scale for each example.")
    ] = Dtype.float16,
    engine: Annotated[
        str,
        typer.Option(
            metavar="NAME[:KEY=VALUE,...]",
            help="Who does the work: in-process; processes:workers=4; ray:workers=8,address=auto, an "
            "existing cluster. `backlight engines` lists them.",
        ),
    ] = "in-process",
    block_length: Annotated[
        int, typer.Option(min=1, metavar="N", help="How many examples a file of the store holds.")
    ] = 64,
    batch_size: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Most rows in one pass.")
    ] = None,
    most_skipped: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="End the run when more than N examples cannot be read or explained; where nothing is "
            "said a tenth of them, and at least 100.",
        ),
    ] = None,
    baseline: Annotated[
        options.Baseline | None,
        typer.Option(help="What stands for nothing, for techniques that compare with a baseline."),
    ] = None,
    x: options.Columns = None,
    label: options.Label = None,
    label_separator: options.LabelSeparator = "",
    encoder: options.EncoderNamed = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Of a table: what examples are called."),
    ] = None,
    status: Annotated[
        bool, typer.Option("--status", help="Say how far the run in STORE is, and do nothing.")
    ] = False,
    framework: options.Framework = None,
    size: options.Size = None,
    colour: options.ReadAs = None,
    classes: options.Classes = None,
    scores: options.Scores = None,
    divide_by: options.DivideBy = None,
    mean: options.Mean = None,
    std: options.Std = None,
    preprocess: options.Preprocess = None,
    seed: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="For techniques with noise.")
    ] = None,
) -> None:
    """Explain every example of a data set, and write down what is found.

    The store holds a file for each block of examples, which NumPy reads. A run that was killed goes on
    with the blocks that are missing: give the same command again. Another model, other data or other
    options are refused by name.

    Examples:

        backlight attribute net.py:model pictures/ -m deep_lift -m grad_cam -o results

        backlight attribute net.py:model test.npz --target predicted --target contrast -o results

        backlight attribute net.py:model reviews.csv --tokenizer net.py:tokenizer -o results

        backlight attribute net.py:model pictures/ --engine processes:workers=4 -o results

        backlight attribute net.py:model pictures/ -o s3://bucket/results

        backlight store info results
    """
    # Here and not above: the other commands need none of it.
    from backlight_attribute.results import Attributions
    from backlight_attribute.terminal import show_status
    from backlight_loading.arguments import output_path, preprocessing_of, size_of
    from backlight_loading.examples import read_classes
    from backlight_loading.progress_bar import progress_bar

    if status:
        show_status(Attributions.open(store))
        return
    from backlight_attribute.run import attribute_dataset
    from backlight_datasets import ColumnNames

    preprocessing = preprocessing_of(divide_by, mean, std, preprocess)
    with progress_bar() as progress:
        found = attribute_dataset(
            model,
            data,
            store=store,
            kind=kind.value if kind else None,
            tokenizer=tokenizer,
            tokens=tokens,
            methods=method or (),
            targets=target or ("predicted",),
            keep=keep,
            dtype=dtype.value,
            engine=engine,
            block_length=block_length,
            batch_size=batch_size,
            most_skipped=most_skipped,
            baseline=baseline.value if baseline else None,
            framework=framework,
            scores=output_path(scores),
            preprocessing=preprocessing,
            encoder=encoder,
            size=size_of(size),
            colour=colour.value if colour else None,
            classes=read_classes(classes) if classes else (),
            columns=ColumnNames.said(x, label, label_separator, name),
            seed=seed,
            progress=progress,
        )
    show_status(found)
