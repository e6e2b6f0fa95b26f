"""What `backlight report` alone can be told: its arguments and options."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from backlight_loading import options
from backlight_report import choices

Model: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        help="The classifier: file.py:name or package.module:name of a model, or of a function "
        "without required arguments that returns one; or the path of a saved model. Where --store "
        "names what `backlight attribute` has written, it may be left out, and DATA too.",
    ),
]
Data: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        help="Labelled pictures, texts, rows of a table or series: a folder with one sub-folder of "
        "pictures (or .txt files) per class (their sorted names are the classes, and must be in the "
        "model's order: see --classes); an .npz file with x (or images), y (or labels) and perhaps "
        "classes; a table (.csv, .tsv, .jsonl, .parquet); or file.py:name of backlight.Examples."
    ),
]
Directory: TypeAlias = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="DIR", help="The folder to write the report into."),
]
Task: TypeAlias = Annotated[
    choices.Task | None,
    typer.Option(
        help="A class for each picture; 0 or 1 for each of several labels; or numbers. Where nothing "
        "is said, labels and outputs say it, or an error asks."
    ),
]
Only: TypeAlias = Annotated[
    choices.Only | None,
    typer.Option(help="Which pictures to explain; the misclassified ones where nothing is said."),
]
TrueClasses: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CLASS",
        help="Only pictures of this class, by name or number; say it again for more classes.",
    ),
]
Predicted: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CLASS",
        help="Only pictures that the model calls this; say it again for more classes. With --true: "
        "only pictures that fit both.",
    ),
]
Cells: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TRUE:PREDICTED",
        help="Only pictures of this cell of the confusion matrix, classes by name or number, `*` for "
        "any other class: `--cell battery:metal --cell 'plastic:*'`; say it again for more cells. Of "
        "several labels `LABEL:fp`, `LABEL:fn` or `'LABEL:*'` (false positives, false negatives, "
        "both); of numbers `NUMBER:over` or `NUMBER:under`.",
    ),
]
Ids: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--id",
        metavar="NAME",
        help="Only this picture, by name or number; say it again for more.",
    ),
]
Metadata: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.csv",
        help="What else is known of the pictures: a header, a column `name` with their names, and "
        "others of numbers or texts, in which the report looks for what goes with mistakes.",
    ),
]
Where: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN=VALUE",
        help="Only pictures with this in the metadata; say it again for more values or columns.",
    ),
]
Order: TypeAlias = Annotated[
    choices.TakenFirst | None,
    typer.Option(
        help="Which come first: confidence (wrong before right, the most confident first; where "
        "nothing is said), loss, margin (furthest from right), borderline, or random. Of numbers: "
        "error (where nothing is said), over (too high), under, or random."
    ),
]
Limit: TypeAlias = Annotated[
    int,
    typer.Option(min=1, metavar="N", help="Explain at most N; the report says what it left out."),
]
Right: TypeAlias = Annotated[
    int,
    typer.Option(
        min=0,
        metavar="N",
        help="Explain N more that the model gets right, of the classes concerned, for comparison.",
    ),
]
Baseline: TypeAlias = Annotated[
    options.Baseline | None,
    typer.Option(
        help="What stands for nothing, for techniques that compare with a baseline: a picture that "
        "is prepared as all are. Where nothing is said it is 0 in the model's input, which is "
        "mid-grey after standardising."
    ),
]
Near: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="SITE",
        help="The inner layer that says which right pictures are nearest to each case; its outputs "
        "where none is said.",
    ),
]
Metrics: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="What techniques are judged by, beside controls that know nothing; say it again for "
        "more, or 'none'. `backlight metrics` lists them. If none is said: srg and decision_flip.",
    ),
]
Seed: TypeAlias = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="For techniques with noise.")
]
BatchSize: TypeAlias = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Most pictures in one pass.")
]
Store: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="A folder that keeps what was computed, for other reports of the same model and data; "
        "or what `backlight attribute` has written, there or at a URL, whose maps are then those of "
        "the report. Where none is named, DIR.unfinished keeps it until the report is complete: the "
        "same command goes on where it was killed.",
    ),
]
Embed: TypeAlias = Annotated[
    bool, typer.Option(help="Hold all pictures in the page, or refer to the files beside it.")
]
Private: TypeAlias = Annotated[
    bool, typer.Option("--private", help="Leave out pictures, names of files, and paths.")
]
Panels: TypeAlias = Annotated[
    list[choices.Panels] | None,
    typer.Option(
        metavar="QUESTION",
        help="Draw pictures for a slide too, cases by techniques, six cases each, for this question: "
        "predicted, true or contrast; label, of several labels; value, of numbers. Say it again for "
        "more. They are the files `panel-*.png` among the pictures.",
    ),
]
