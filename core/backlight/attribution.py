"""The result: values and everything needed to read them."""

import json
import os
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError
from backlight.partial import abandoned, hidden
from backlight.tree import Tree, leaves, map_leaves, names
from backlight.version import __version__

FORMAT = 1


@final
@dataclass(frozen=True, eq=False)
class Attribution:
    """How much each part of the input (or of an inner value) speaks for the score, example by example.

    Attributes:
        values: signed, shaped like the input or the site's value (techniques say where not), in the
            framework's own arrays, or NumPy where NumPy came in; a tuple or dict as the inputs were.
        score: what was explained, per example, float64, shape (N,).
        baseline_score: the same for the baseline, where the technique has one; else None.
        gap: |sum of values - (score - baseline_score)| per example, where completeness is a law.
        error: estimated relative L1 error of each example's values, float64, shape (N,), where the
            technique approximates a limit and can tell how far it is; else None.
        standard_error: of the sum of each example's values, float64, shape (N,), where the technique
            draws samples; else None.
        method: the technique with its hyper-parameters.
        target: the score with its classes.
        classes: the class explained for each example, int64, shape (N,), where there is one.
        rivals: the class that each of these is held against, int64, shape (N,), in a contrast.
        predicted: whether the classes are those that the model predicted, no target being given.
        at: the inner site; None for the input.
        seed: of the technique's noise, if it has any.
        framework: whose arrays and gradients these are.
        framework_version: its version.
        version: Backlight's version.
        warnings: what deserves a second look.
        seconds: how long it took.
    """

    values: object
    score: NDArray[np.float64]
    baseline_score: NDArray[np.float64] | None
    gap: NDArray[np.float64] | None
    method: str
    target: str
    classes: NDArray[np.int64] | None
    predicted: bool
    at: str | None
    seed: int | None
    framework: str
    framework_version: str
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    version: str = __version__
    error: NDArray[np.float64] | None = None
    standard_error: NDArray[np.float64] | None = None
    rivals: NDArray[np.int64] | None = None

    @property
    def relative_gap(self) -> NDArray[np.float64] | None:
        """gap / |score - baseline_score| per example; 0 where both are 0."""
        if self.gap is None or self.baseline_score is None:
            return None
        change = np.abs(self.score - self.baseline_score)
        return np.divide(
            self.gap, change, out=np.where(self.gap > 0, np.inf, 0.0), where=change > 0
        )

    def numpy(self) -> object:
        """The values as NumPy arrays, in the structure of the inputs."""
        return map_leaves(host_array, cast(Tree, self.values))  # type: ignore[arg-type]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one `.npz` file with all of it (values as NumPy). No pickle; whole or not at all."""
        values = cast(Tree, self.numpy())
        arrays: dict[str, NDArray[np.generic]] = {
            f"values/{name}": np.asarray(leaf)
            for name, leaf in zip(names(values), leaves(values), strict=True)
        }
        for name in COLUMNS:
            column = getattr(self, name)
            if column is not None:
                arrays[name] = column
        structure = (
            "dict" if isinstance(values, dict) else "tuple" if isinstance(values, tuple) else ""
        )
        notes = {name: getattr(self, name) for name in NOTES}
        about = {"format": FORMAT, "structure": structure, **notes}
        target = Path(path)
        for left in abandoned(target, "partial"):
            left.unlink(missing_ok=True)
        partial = hidden(target, "partial")
        try:
            with partial.open("wb") as file:
                np.savez_compressed(file, about=np.array(json.dumps(about)), **arrays)  # type: ignore[arg-type]
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> "Attribution":
        """Read what `save` wrote; the values are NumPy arrays.

        Raises:
            InputError: not such a file, or one of a later format.
        """
        try:
            with Path(path).open("rb") as file:  # NumPy leaves a file open that it cannot read
                stored: Mapping[str, NDArray[np.generic]] = dict(np.load(file, allow_pickle=False))
            about = json.loads(str(stored["about"]))
            if about["format"] > FORMAT:
                raise InputError(
                    f"{os.fspath(path)} was written by Backlight {about['version']} in format "
                    f"{about['format']}; this is {__version__}, which reads up to format {FORMAT}."
                )
            return restored(stored, about)
        except NOT_OURS as error:
            raise InputError(f"{os.fspath(path)} is not a saved attribution: {error!r}.") from error

    def __repr__(self) -> str:
        shapes = ", ".join(str(tuple(leaf.shape)) for leaf in leaves(cast(Tree, self.values)))  # type: ignore[attr-defined]
        parts = [f"{self.method} of {self.target}", f"values {shapes}"]
        parts += ["predicted class"] if self.predicted else []
        parts += [f"at {self.at!r}"] if self.at else []
        relative = self.relative_gap
        parts += [] if relative is None else [f"worst relative gap {relative.max():.2g}"]
        return f"Attribution({', '.join(parts)}, {self.framework} {self.framework_version})"

    def _repr_html_(self) -> str:
        """The picture a notebook shows; drawn by the first plugin that can draw these values."""
        from backlight.plugins import plugins

        drawn = plugins().manager.hook.backlight_render(attribution=self)
        return cast(str, drawn) if drawn is not None else f"<pre>{self!r}</pre>"


COLUMNS = ("score", "baseline_score", "gap", "error", "standard_error", "classes", "rivals")
"""What is stored as an array with one row per example."""

NOTES = (
    "method",
    "target",
    "predicted",
    "at",
    "seed",
    "framework",
    "framework_version",
    "warnings",
    "seconds",
    "version",
)


NOT_OURS = (
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy, zip and JSON raise over a file that is cut off, damaged or of another kind."""


def restored(stored: Mapping[str, NDArray[np.generic]], about: dict[str, Any]) -> Attribution:
    """An attribution from the arrays and notes in its file."""
    parts = {
        name.removeprefix("values/"): array
        for name, array in stored.items()
        if name.startswith("values/")
    }
    ordered = tuple(parts.values())
    values = {"dict": parts, "tuple": ordered}.get(about["structure"], ordered[0])
    columns = {name: stored.get(name) for name in COLUMNS}
    notes = {name: about[name] for name in NOTES}
    return Attribution(
        values=values,
        **cast(dict[str, Any], columns),
        **{**notes, "warnings": tuple(notes["warnings"])},
    )


def host_array(leaf: object) -> NDArray[np.generic]:
    """A native array on the host: torch, TensorFlow and JAX each offer one of these."""
    detach = getattr(leaf, "detach", None)
    return np.asarray(leaf if detach is None else detach().cpu())
