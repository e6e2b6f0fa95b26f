"""A technique: hyper-parameters as fields, the technique as the call."""

import time
import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import cast, final

import numpy as np
from numpy.typing import NDArray

from backlight.arrays import Array
from backlight.attribution import Attribution
from backlight.errors import BacklightWarning, HyperParameterError, InputTypeError
from backlight.finite import check_finite
from backlight.inputs import Extra, Inputs
from backlight.interrupts import interruptible
from backlight.model import Model
from backlight.objective import Objective, default_batch_size
from backlight.rules import Rules
from backlight.scores import Target
from backlight.spatial import last_feature_map
from backlight.targets import check_differentiable, resolve
from backlight.tree import Tree, concat, leaves, map_leaves, sum_per_example
from backlight.wrapping import wrap


@final
@dataclass(frozen=True)
class Evidence:
    """What a technique finds for the examples of one objective.

    Attributes:
        values: native, axis 0 the examples.
        score: of each example, shape (N,), if the technique came across it; else it is computed.
        baseline_score: of each example, shape (N,), where completeness is a law of the technique:
            the values of an example then sum to score - baseline score, and the gap is measured.
        error: estimated relative L1 error of each example's values, float64, shape (N,), where the
            technique approximates a limit and can tell how far it is.
        standard_error: of the sum of each example's values, float64, shape (N,), where the technique
            draws samples.
        advice: what to do about a large gap, as a sentence; None where a gap is no fault.
        warnings: sentences for the user.
    """

    values: Tree
    score: Array | None = None
    baseline_score: Array | None = None
    error: NDArray[np.float64] | None = None
    standard_error: NDArray[np.float64] | None = None
    advice: str | None = None
    warnings: tuple[str, ...] = ()


class Method(ABC):
    """A technique. Implementations are final, frozen, keyword-only dataclasses."""

    @property
    def spatial(self) -> bool:
        """Whether the technique reads a feature map: `at` is then the last one unless the user says."""
        return False

    @property
    def differentiates(self) -> bool:
        """Whether the technique takes gradients with respect to the input, or to `at`."""
        return True

    @property
    def rules(self) -> Rules | None:
        """The rules that the technique's backward pass obeys; None for the plain gradient."""
        return None

    @abstractmethod
    def attribute(self, objective: Objective) -> Evidence:
        """Explain one objective. Rows of the result must not depend on one another."""

    @final
    @interruptible
    def __call__(
        self,
        model: object,
        x: object,
        target: Target = None,
        *,
        at: str | None = None,
        batch_size: int | None = None,
        extra: Extra = (),
    ) -> Attribution:
        """Explain why the model gives `x` the score `target`.

        Args:
            model: a model of any installed framework, or one from `backlight.wrap`.
            x: the inputs: one array, a tuple or a dict, the examples on axis 0, native or NumPy.
            target: a class, one per example, a Score, or a function `(outputs, arrays) -> (N,)`. None
                explains the output of a one-output model, or else the class that is predicted.
            at: an inner site to attribute to (`model.sites(x)` lists them); None for the input.
            batch_size: most rows in one pass; the result does not depend on it.
            extra: arguments that are passed through unattributed.

        Raises:
            BacklightError: a subclass that says what was wrong and what is accepted.
        """
        started = time.perf_counter()
        wrapped = wrap(model, inputs=x)
        inputs = wrapped.prepare(cast(Tree, x), extra)
        if at is None and self.differentiates and not self.spatial:
            check_differentiable(wrapped, inputs)
        if at is not None and not isinstance(at, str):
            raise InputTypeError(f"at must be the name of a site, got {at!r}.")
        if batch_size is not None and (not hasattr(batch_size, "__index__") or batch_size < 1):
            raise HyperParameterError(f"batch_size must be at least 1, got {batch_size!r}.")
        batch_size = batch_size or default_batch_size(inputs)
        blocks = blocks_of(inputs.count, batch_size)
        score, predicted = resolve(wrapped, inputs, blocks, target)
        whole = Objective(
            wrapped, inputs, score, at, batch_size, np.arange(inputs.count), inputs.count
        )
        if at is None and self.spatial:
            whole = whole.placed(last_feature_map(whole.take(blocks[0])))
        found = [self._explain(whole.take(rows)) for rows in blocks]
        notes = tuple(dict.fromkeys(note for one in found for note in one.warnings))
        for note in notes:
            warnings.warn(note, BacklightWarning, stacklevel=3)
        return Attribution(
            values=returned_like(x, concat([one.values for one in found], wrapped.arrays), wrapped),
            score=np.concatenate([one.score for one in found]),
            baseline_score=joined([one.baseline_score for one in found]),
            gap=joined([one.gap for one in found]),
            error=joined([one.error for one in found]),
            standard_error=joined([one.standard_error for one in found]),
            method=repr(self),
            target=repr(score),
            classes=score.classes,
            predicted=predicted,
            at=whole.at,
            seed=getattr(self, "seed", None),
            framework=wrapped.framework,
            framework_version=wrapped.version,
            warnings=notes,
            seconds=time.perf_counter() - started,
        )

    @final
    def _explain(self, objective: Objective) -> "Finding":
        """One block, with its numbers on the host and its completeness measured."""
        evidence = self.attribute(objective)
        score = evidence.score if evidence.score is not None else objective.score()
        host = numbers(objective.model, score)
        check_finite(self, objective, evidence.values, host)
        found = Finding(
            evidence.values,
            host,
            error=evidence.error,
            standard_error=evidence.standard_error,
            warnings=evidence.warnings,
        )
        if evidence.baseline_score is None:
            return found
        baseline = numbers(objective.model, evidence.baseline_score)
        total = numbers(objective.model, sum_per_example(evidence.values, objective.arrays))
        gap = np.abs(total - (host - baseline))
        return replace(found, baseline_score=baseline, gap=gap)


@final
@dataclass(frozen=True)
class Finding:
    """Evidence for one block of the batch, its numbers as float64 on the host."""

    values: Tree
    score: NDArray[np.float64]
    baseline_score: NDArray[np.float64] | None = None
    gap: NDArray[np.float64] | None = None
    error: NDArray[np.float64] | None = None
    standard_error: NDArray[np.float64] | None = None
    warnings: tuple[str, ...] = ()


def blocks_of(count: int, batch_size: int) -> list[NDArray[np.int64]]:
    """Rows 0 to count - 1 in blocks of at most `batch_size`, of nearly equal length."""
    return [
        block.astype(np.int64)
        for block in np.array_split(np.arange(count), -(-count // batch_size))
    ]


def numbers(model: Model, array: Array) -> NDArray[np.float64]:
    return model.to_numpy(array).astype(np.float64)


def joined(columns: list[NDArray[np.float64] | None]) -> NDArray[np.float64] | None:
    present = [column for column in columns if column is not None]
    return np.concatenate(present) if len(present) == len(columns) else None


def returned_like(x: object, values: Tree, model: Model) -> object:
    """NumPy in, NumPy out (in the dtype that came in, if it was a float); else as they are."""
    given = x.attributed if isinstance(x, Inputs) else x
    first: object = leaves(cast(Tree, given))[0]
    if model.owns(first):
        return values
    dtype = first.dtype if isinstance(first, np.ndarray) and first.dtype.kind == "f" else None

    def host(leaf: Array) -> Array:
        array = model.to_numpy(leaf)
        return cast(Array, array if dtype is None else array.astype(dtype, copy=False))

    return map_leaves(host, values)
