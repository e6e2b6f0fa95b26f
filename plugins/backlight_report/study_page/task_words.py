"""What the page calls things, by the model's task."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SORTS: Final = (
    ("confidence", "most confident"),
    ("-confidence", "least confident"),
    ("margin", "widest margin"),
    ("-margin", "closest margin"),
    ("loss", "largest loss"),
    ("-loss", "smallest loss"),
)


@dataclass(frozen=True)
class TaskWords:
    """See the module.

    Attributes:
        confusions: what the part is called that comes before the techniques.
        first, second: what cases are filtered by, and what any of these is called.
        answers: what mistakes and others are called.
        sorts: what cases are sorted by, key and words.
        confident: whether there is a confidence.
        speaks: what red places speak for.
        contrast: whether maps may be of one thing rather than another.
        no_findings: what is said where no findings are.
    """

    confusions: str
    first: tuple[str, str]
    second: tuple[str, str]
    answers: tuple[str, str, str]
    sorts: tuple[tuple[str, str], ...]
    confident: bool
    speaks: str
    contrast: bool
    no_findings: str


NOT_LOOKED_FOR: Final = (
    "Nothing was looked for: what mistakes have in common is searched in studies of classifiers "
    "only."
)

WORDS: Final[Mapping[str, TaskWords]] = {
    "classification": TaskWords(
        "Confusions",
        ("It is", "any class"),
        ("Called", "any class"),
        ("right or wrong", "wrong", "right"),
        SORTS,
        True,
        "the class",
        True,
        "Nothing was found that the mistakes share beyond what chance explains. That is an answer too.",
    ),
    "multi-label": TaskWords(
        "Mistakes",
        ("Label", "any label"),
        ("Kind", "any kind"),
        ("right or wrong", "wrong", "right"),
        SORTS,
        True,
        "the label",
        False,
        NOT_LOOKED_FOR,
    ),
    "regression": TaskWords(
        "Largest errors",
        ("Number", "any number"),
        ("Error", "too high or too low"),
        ("any size", "above the median", "at most the median"),
        (("error", "largest error"), ("-error", "smallest error")),
        False,
        "a higher number",
        False,
        NOT_LOOKED_FOR,
    ),
}
