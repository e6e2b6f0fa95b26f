"""The result: values and everything needed to read them."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar, Generic, cast, final

import numpy as np
from numpy.typing import NDArray

from backlight.attribution.by_feature import ByFeature, by_feature
from backlight.attribution.described import DescribedInput
from backlight.attribution.drawing import PlotKind, plots
from backlight.attribution.saving import TREES, read, write
from backlight.attribution.table import beside, column_names, is_table
from backlight.errors import InputError
from backlight.features.labelling import FeaturesOf, Pooling
from backlight.values.arrays import shape_of
from backlight.values.layout import Layout
from backlight.values.tree import Tree, ValuesT, leaves, map_leaves
from backlight.version import __version__

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame
    from PIL.Image import Image


@final
@dataclass(frozen=True, eq=False)
class Attribution(Generic[ValuesT]):
    """How much each part of the input (or of an inner value) speaks for the score, example by example.

    Attributes:
        values: signed, shaped like the input or the site's value (techniques say where not), in the
            framework's own arrays, or NumPy where NumPy came in; a tuple or dict as the inputs were.
        score: what was explained, per example, float64, shape (N,).
        baseline_score: the same for the baseline, where the technique has one; else None.
        gap: |sum of values - (score - baseline_score)| per example, where completeness is a law.
        error: estimated relative L1 error of each example's values, float64, shape (N,), where the
            technique approximates a limit and can tell how far it is; else None.
        standard_error: of each value, structured and shaped like the values, where the technique draws
            samples; else None.
        standard_error_of_sum: of the sum of each example's values, float64, shape (N,), where that is
            drawn too; else None.
        r_squared: how much of the score's variation a surrogate explains that the technique fits,
            float64, shape (N,); None where it fits none.
        each: what the values are the mean of, structured like them, each array of shape (baselines or
            samples, N, ...), where the technique was told to keep them; else None.
        method: the technique with its hyper-parameters.
        target: the score with its classes.
        classes: the class explained for each example, int64, shape (N,), where there is one.
        rivals: the class that each of these is held against, int64, shape (N,), in a contrast.
        predicted: whether the classes are those that the model predicted, no target being given.
        at: the inner site; None for the input.
        grid: of class activation maps: how many places the site has along each axis of the input's
            places, class tokens left out; else None.
        seed: of the technique's noise, if it has any.
        framework: whose arrays and gradients these are.
        framework_version: its version.
        version: Backlight's version.
        warnings: what deserves a second look.
        seconds: how long it took.
        layouts: of each array of the values, in order: where it has its channels and its places; None
            where that is not known.
        class_names: of the net's outputs in their order, where they were given.
        inputs: what was explained, each array of the values' in order, with its kind, its names and, up
            to a size, the numbers themselves; empty for the values of an inner site.
        unit: of the score, and of values that sum to it: "logit", "probability" ...; "" where that is
            not known.
    """

    renderer: ClassVar["Callable[[Attribution[Any]], str | None] | None"] = None
    """Draws an attribution as a piece of HTML; it comes from outside, as plugins do."""

    values: ValuesT
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
    standard_error: ValuesT | None = None
    standard_error_of_sum: NDArray[np.float64] | None = None
    r_squared: NDArray[np.float64] | None = None
    each: ValuesT | None = None
    layouts: tuple[Layout | None, ...] = ()
    class_names: tuple[str, ...] | None = None
    rivals: NDArray[np.int64] | None = None
    grid: tuple[int, ...] | None = None
    inputs: tuple[DescribedInput, ...] = ()
    unit: str = ""

    @property
    def relative_gap(self) -> NDArray[np.float64] | None:
        """See `relative_gap`, per example; None where there is no gap."""
        if self.gap is None or self.baseline_score is None:
            return None
        return relative_gap(self.gap, self.score, self.baseline_score)

    def numpy(self) -> Tree[NDArray[np.generic]]:
        """The values as NumPy arrays (bfloat16 as float32), in the structure of the inputs."""
        return map_leaves(host_array, cast(Tree, self.values))

    def by(self, features: FeaturesOf, how: Pooling = "sum") -> ByFeature:
        """The values pooled to features, of whatever technique they are.

        Sums keep completeness: those of an example sum to what its values sum to, where each number is
        in a feature.

        Args:
            features: such as `Grid(16, 16)`, `Segments(labels)` or "grid:16x16"; for several inputs
                one for all, or a tuple or dict.
            how: "sum", or "mean" over the numbers of a feature; or "norm", the root of the sum of their
                squares, which has no sign: of the vectors of tokens at their embedding, say.

        Raises:
            BacklightError: the values have no such features.
        """
        columns = [one.names if one.kind == "table" else () for one in self.inputs]
        spread = host_arrays(self.standard_error)
        return by_feature(self.numpy(), spread, self.layouts, features, how, columns)

    def plot(
        self,
        example: int = 0,
        ax: "Axes | None" = None,
        *,
        kind: PlotKind | None = None,
        input: str | None = None,
    ) -> "Axes":
        """Draw one example with matplotlib. `backlight.plots` has the same with more choices.

        Args:
            example: its row.
            ax: where to draw; None for a figure of its own, `plot().figure`.
            kind: of the drawing. By default a picture is laid over the input, text is coloured words,
                a table's row a waterfall (bars, where values have no sum to reach), a series a line, a
                volume slices.
            input: which of several inputs, by name or, of a tuple, by position: "0".

        Raises:
            BacklightError: there is no such example or input, these values have no such drawing, or
                matplotlib is not installed.
        """
        return plots().plot(self, example, ax, kind=kind, input=input)

    def to_image(
        self, example: int = 0, size: int | None = None, *, input: str | None = None
    ) -> "Image":
        """One example's map laid over its picture, or a volume's slices, with the scale below, as an
        image of Pillow. It needs no matplotlib.

        Args:
            example, input: as of `plot`.
            size: pixels along the longer side of the map; None for those of the picture.

        Raises:
            BacklightError: there is no such example or input, or it is neither picture nor volume.
        """
        return plots().image(self, example, size, input=input)

    def to_pandas(self) -> "DataFrame":
        """The values of a table as a data frame, a row for each example, with the table's columns:
        `to_pandas().iloc[0]` is the first row's. Several tables come side by side; an input (N,) is a
        column. pandas must be installed.

        Raises:
            InputError: the values are not those of tables.
        """
        values = self.numpy()
        if not is_table(values):
            shapes = ", ".join(str(array.shape) for array in leaves(values))
            raise InputError(
                f"A data frame holds the values of tables, (N, columns); these are of shape {shapes}. "
                "Pool them to features, attribution.by(features), whose names and values make one."
            )
        from pandas import DataFrame

        return DataFrame(beside(leaves(values)), columns=column_names(values, self.inputs))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one `.npz` file with all of it (values as NumPy). No pickle; whole or not at all."""
        more = {name: host_arrays(getattr(self, name)) for name in TREES}
        write(path, self.numpy(), more, vars(self))

    @staticmethod
    def load(path: str | os.PathLike[str]) -> "Attribution[Any]":
        """Read what `save` wrote; the values are NumPy arrays.

        Raises:
            FileNotFoundError: there is no such file.
            InputError: it is not such a file, is damaged, cannot be opened, or is of a later format.
        """
        return Attribution(**read(path))

    def __repr__(self) -> str:
        shapes = ", ".join(str(shape_of(leaf)) for leaf in leaves(cast(Tree, self.values)))
        parts = [f"{self.method} of {self.target}", f"values {shapes}"]
        parts += ["predicted class"] if self.predicted else []
        parts += [f"at {self.at!r}"] if self.at else []
        relative = self.relative_gap
        parts += [] if relative is None else [f"worst relative gap {relative.max():.2g}"]
        return f"Attribution({', '.join(parts)}, {self.framework} {self.framework_version})"

    def _repr_html_(self) -> str:
        """The picture a notebook shows; drawn by the plugin that can draw these values."""
        render = type(self).renderer
        drawn = None if render is None else render(self)
        return f"<pre>{escape(repr(self))}</pre>" if drawn is None else drawn


def relative_gap(
    gap: NDArray[np.float64], score: NDArray[np.float64], baseline_score: NDArray[np.float64]
) -> NDArray[np.float64]:
    """gap / |score - baseline_score|, (N,) each: 0 where both are 0, infinite where the change alone is,
    NaN where one is missing."""
    change = np.abs(score - baseline_score)
    with np.errstate(invalid="ignore", divide="ignore"):  # a score may be infinite at the baseline
        return np.where((gap == 0) & (change == 0), 0.0, gap / change)


def checked_names(
    names: Sequence[str] | None, classes: NDArray[np.int64] | None
) -> tuple[str, ...] | None:
    """Class names as a tuple, if there is one for each of these classes.

    Raises:
        InputError: they are no texts, or too few.
    """
    if names is None:
        return None
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise InputError(f"class_names must be a list of texts, one per class; got {names!r}.")
    if classes is not None and classes.max() >= len(names):
        raise InputError(
            f"There are {len(names)} class_names, but class {classes.max()} was explained: give one "
            "for each of the net's classes, in their order."
        )
    return tuple(names)


def host_arrays(tree: object) -> Tree[NDArray[np.generic]] | None:
    """Native arrays on the host, in their structure; None where there are none."""
    return None if tree is None else map_leaves(host_array, cast(Tree, tree))


def host_array(leaf: object) -> NDArray[np.generic]:
    """A native array on the host: torch, TensorFlow and JAX each offer one of these."""
    detach = getattr(leaf, "detach", None)
    host: Any = leaf if detach is None else detach().cpu()
    if "bfloat16" in str(getattr(host, "dtype", "")):  # which NumPy does not have
        return np.asarray(host.float()) if detach else np.asarray(host).astype(np.float32)
    return np.asarray(host)
