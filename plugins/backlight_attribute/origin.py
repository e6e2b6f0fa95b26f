"""How a store was asked for: the model and the data by name, so that a report finds them again.

It is written beside the plan and no part of it: the same model in another place is the same model.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, final

from backlight.errors import reason
from backlight.values.layout import InputKind
from backlight.values.outputs import Path as OutputPath
from backlight_datasets import ColumnNames, StoreError
from backlight_datasets.storage.folder import Folder
from backlight_loading.preparation import Colour, Size
from backlight_loading.preprocessing import Preprocessing
from backlight_loading.references import is_reference, is_there, load_reference
from backlight_study.baselines import PictureBaseline

NAME = "origin.json"


@final
@dataclass(frozen=True)
class Origin:
    """How a run was asked for; see `attribute_dataset`.

    Attributes:
        model, data, tokenizer, encoder: by name; None for what was an object.
        kind, tokens: as they were said.
        methods: the techniques as users write them.
        preprocess: the name of a function that prepares the examples; else what is divided by,
            subtracted and divided by again is said.
    """

    model: str | None
    data: str | None
    methods: tuple[str, ...]
    baseline: PictureBaseline | None
    framework: str | None
    scores: OutputPath
    size: Size | None
    colour: Colour | None
    classes: tuple[str, ...]
    columns: ColumnNames
    preprocess: str
    divide_by: float | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    kind: InputKind | None = None
    tokenizer: str | None = None
    tokens: int | None = None
    encoder: str | None = None

    @staticmethod
    def there(what: str, name: str | None) -> str | None:
        """The name, if what it names is where it was, or is no file.

        Raises:
            StoreError: it is not there.
        """
        place = name.rpartition(":")[0] if name and is_reference(name) else name
        if place and Path(place).is_absolute() and not is_there(Path(place)):
            raise StoreError(
                f"The {what} that the store was made with, {name}, is not there any more. Say where it "
                "is now: backlight report MODEL DATA --store STORE, and --tokenizer or --encoder."
            )
        return name

    @property
    def preprocessing(self) -> Preprocessing:
        """
        Raises:
            BacklightError: the function is not where it was.
        """
        if not self.preprocess:
            return Preprocessing(self.divide_by, self.mean, self.std)
        function: Any = load_reference(self.preprocess)
        return Preprocessing(function=function, name=self.preprocess)

    def write(self, folder: Folder) -> None:
        """Write it down in a store's folder; the last one counts."""
        text = (json.dumps(asdict(self), indent=1, sort_keys=True) + "\n").encode()
        if not folder.exists(NAME) or folder.read(NAME) != text:
            folder.commit(NAME, lambda file: file.write(text))

    @classmethod
    def read(cls, folder: Folder) -> Self:
        """What was written down in a store's folder.

        Raises:
            StoreError: it is not there, or cannot be read.
        """
        try:
            found = json.loads(folder.read(NAME))
            lists = {one: tuple(found[one]) for one in ("methods", "classes", "mean", "std")}
            nested = {
                one: tuple(found[one]) if isinstance(found[one], list) else found[one]
                for one in ("size", "scores")
            }
            columns: Any = {
                name: tuple(one) if isinstance(one, list) else one
                for name, one in found["columns"].items()
            }
            return cls(**{**found, **lists, **nested, "columns": ColumnNames(**columns)})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"How the store in {folder} was asked for is not known, as {NAME} cannot be read: "
                f"{reason(error)}. Run `backlight attribute` again, which writes it."
            ) from error


def wherever(text: str) -> str:
    """The name of a file, or of a thing in one, that holds in any working directory."""
    if is_reference(text):
        place, _, name = text.rpartition(":")
        return f"{Path(place).resolve()}:{name}" if place.endswith(".py") else text
    return str(Path(text).resolve()) if is_there(Path(text)) else text


def without_folder(text: str) -> str:
    """The name of a file, or of a thing in one, without where it is."""
    place, colon, name = text.rpartition(":") if is_reference(text) else (text, "", "")
    return f"{Path(place).name}{colon}{name}"
