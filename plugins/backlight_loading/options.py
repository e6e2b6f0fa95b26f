"""What commands of the command line share: arguments and options."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from backlight_loading.techniques import DEFAULT

Classifier: TypeAlias = Annotated[
    str,
    typer.Argument(
        help="The classifier: file.py:name or package.module:name of a model, or of a function "
        "without required arguments that returns one; or the path of a saved model.",
    ),
]
Techniques: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        "-m",
        metavar="NAME[:KEY=VALUE,...]",
        help="A technique and its hyper-parameters; say it again for more. `backlight methods` lists "
        f"them. The key `at` names an inner layer. Where nothing is said: {', '.join(DEFAULT)}.",
    ),
]
Framework: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="torch, tensorflow, jax, mlx or numpy: needed where the model is a plain function."
    ),
]
DivideBy: TypeAlias = Annotated[
    float | None,
    typer.Option(
        metavar="NUMBER",
        help="What pixels are divided by: 255 for pictures of bytes where nothing is said.",
    ),
]
Mean: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NUMBERS",
        help="Subtracted after that: one number, or one per channel as 0.485,0.456,0.406.",
    ),
]
Std: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="NUMBERS", help="Divided by after that: 0.229,0.224,0.225 for example."),
]
Preprocess: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="FILE.PY:NAME",
        help="A function that does all of this instead: from the stored pictures (N, H, W, C), whole "
        "numbers 0 to 255, to the model's input.",
    ),
]
Scores: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Which of a model's several outputs holds the class scores: its name or position; "
        "outer:inner where outputs are nested.",
    ),
]
Masks: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE|DIR",
        help="Where the object is, for metrics and findings that ask for it: an .npy or .npz file with a "
        "mask for each example, or a folder of pictures (PNG, say) named as the data's. What is not 0 is "
        "inside; masks are stretched and prepared as the pictures are.",
    ),
]


class Baseline(StrEnum):
    """What stands for nothing there, in the picture's own terms."""

    black = "black"
    white = "white"
    grey = "grey"
    mean = "mean"
    blur = "blur"


class Colour(StrEnum):
    """How pictures are read."""

    grey = "grey"
    rgb = "rgb"


class ExampleKind(StrEnum):
    """What examples are."""

    picture = "picture"
    text = "text"
    table = "table"
    series = "series"


Size: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="HxW",
        help="Stretch pictures to this height and width; by default to what the model says it wants.",
    ),
]
ReadAs: TypeAlias = Annotated[
    Colour | None,
    typer.Option(
        help="Read pictures grey or in colour; by default as the model says, or as they are."
    ),
]
Columns: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--x",
        metavar="COLUMN",
        help="Of a table: a column that the model takes; say it again for more. Where none is said, "
        "pictures or texts, or all that are neither label nor name.",
    ),
]
Label: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN",
        help="Of a table: the column of labels; '' takes none. Say it again for several labels of each "
        "example, a column each: 0 or 1, true or false, or numbers.",
    ),
]
LabelSeparator: TypeAlias = Annotated[
    str,
    typer.Option(
        "--label-separator",
        metavar="SIGN",
        help="Of a table: what is between the names of several labels in one cell, ';' or '|' say.",
    ),
]
Kind: TypeAlias = Annotated[
    ExampleKind | None,
    typer.Option(
        help="What the data is, where its shape does not say it: numbers (N, L) are a table unless it is "
        "series."
    ),
]
TokenizerNamed: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--tokenizer",
        metavar="NAME|PATH",
        help="Of texts: file.py:name or package.module:name of what gives the ids of each of a list of "
        "texts, with a method id_to_token(id); or the folder of one of Hugging Face's.",
    ),
]
EncoderNamed: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        metavar="NAME",
        help="Of a table with words: file.py:name or package.module:name of what makes the model's "
        "numbers of its columns, a fitted transformer of scikit-learn's, or a function from a DataFrame "
        "to arrays.",
    ),
]
Tokens: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Bring texts to N tokens: longer ones are cut, shorter ones padded.",
    ),
]
Classes: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="All class names in the model's order, one a line: where the data does not have all of "
        "them, or not in this order. The order matters: line 1 names the model's first output.",
    ),
]
