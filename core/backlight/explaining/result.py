"""What a technique hands back, and whether it can be what was asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import ResultError
from backlight.explaining.objective import Objective
from backlight.model.model import Model
from backlight.values.arrays import Array, shape_of
from backlight.values.tree import Tree, leaves, map_leaves

FAULT = "Another baseline may help; `gap` has how far each sum is off."


@final
@dataclass(frozen=True)
class Result:
    """What a technique finds for the examples of one objective.

    Attributes:
        values: native floating-point arrays, axis 0 the examples; one array, or as many as the
            inputs are, in their structure.
        score: of each example, shape (N,), if the technique came across it; else it is computed.
        baseline_score: of each example, shape (N,), where completeness is a law of the technique:
            the values of an example then sum to score - baseline score, and the gap is measured.
        error: estimated relative L1 error of each example's values, float64, shape (N,), where the
            technique approximates a limit and can tell how far it is.
        standard_error: of each value, structured and shaped like the values, where the technique draws
            samples.
        standard_error_of_sum: of the sum of each example's values, float64, shape (N,), where that is
            drawn too.
        standard_error_of_gap: how far chance takes the sum of each example's values from the change of
            the score, float64, shape (N,), where it does; a gap is then judged by it.
        r_squared: how much of the score's variation a surrogate explains that the technique fits,
            float64, shape (N,), where it fits one.
        each: what the values are the mean of, structured like them, each array of shape (baselines or
            samples, N, ...), where that was asked for.
        advice: what to do about a large gap, as a sentence for the user; None where a gap is no
            fault, as where biases may keep a share.
        warnings: sentences for the user.
    """

    values: Tree
    score: Array | None = None
    baseline_score: Array | None = None
    error: NDArray[np.float64] | None = None
    standard_error: Tree | None = None
    standard_error_of_sum: NDArray[np.float64] | None = None
    standard_error_of_gap: NDArray[np.float64] | None = None
    r_squared: NDArray[np.float64] | None = None
    each: Tree | None = None
    advice: str | None = FAULT
    warnings: tuple[str, ...] = ()


def check_result(method: object, objective: Objective, result: object) -> None:
    """Raise ResultError unless this can be a technique's result for these examples."""
    who = type(method).__name__
    if not isinstance(result, Result):
        raise ResultError(f"{who}.attribute must return Result, got a {type(result).__name__}.")
    check_values(who, objective, "values", result.values)
    wanted = [shape_of(leaf) for leaf in leaves(result.values)]
    first = None if result.each is None else map_leaves(lambda leaf: leaf[0, ...], result.each)
    for name, tree in (("standard_error", result.standard_error), ("each", first)):
        if tree is None:
            continue
        check_values(who, objective, name, tree)
        shapes = [shape_of(leaf) for leaf in leaves(tree)]
        if shapes != wanted:
            raise ResultError(
                f"{who} must give one {name} for each value, shapes {wanted}; got {shapes}."
            )
    for name in ("score", "baseline_score"):
        check_column(who, objective, name, getattr(result, name))
    for name in ("error", "standard_error_of_sum", "standard_error_of_gap", "r_squared"):
        column = getattr(result, name)
        if column is not None and (
            not isinstance(column, np.ndarray)
            or column.dtype != np.float64
            or column.shape != (objective.count,)
        ):
            raise ResultError(
                f"{who} must give {name} as a NumPy array of float64 of shape "
                f"({objective.count},), one number per example; got {described(column)}."
            )
    sentences = result.warnings
    if not isinstance(sentences, tuple) or not all(isinstance(one, str) for one in sentences):
        raise ResultError(f"{who} must give warnings as a tuple of sentences, got {sentences!r}.")


def in_order(parts: Sequence[Result], order: NDArray[np.int64], model: Model) -> Result:
    """Some of the rows of several results for the same target, as if these came one after the other.
    What one of them lacks, all lack; advice is the first one's."""
    first, index = parts[0], model.asarray(order)

    def rows(axis: int, *ones: Array) -> Array:
        return model.arrays.take(model.arrays.concat(ones, axis=axis), index, axis=axis)

    def trees(of_parts: Sequence[Tree | None], axis: int = 0) -> Tree | None:
        ones = [one for one in of_parts if one is not None]
        if len(ones) < len(parts):
            return None
        return map_leaves(lambda *columns: rows(axis, *columns), *ones)

    def natives(of_parts: Sequence[Array | None]) -> Array | None:
        ones = [one for one in of_parts if one is not None]
        return rows(0, *ones) if len(ones) == len(parts) else None

    def columns(of_parts: Sequence[NDArray[np.float64] | None]) -> NDArray[np.float64] | None:
        ones = [one for one in of_parts if one is not None]
        return np.concatenate(ones)[order] if len(ones) == len(parts) else None

    return Result(
        map_leaves(lambda *ones: rows(0, *ones), *(one.values for one in parts)),
        natives([one.score for one in parts]),
        natives([one.baseline_score for one in parts]),
        error=columns([one.error for one in parts]),
        standard_error=trees([one.standard_error for one in parts]),
        standard_error_of_sum=columns([one.standard_error_of_sum for one in parts]),
        standard_error_of_gap=columns([one.standard_error_of_gap for one in parts]),
        r_squared=columns([one.r_squared for one in parts]),
        each=trees([one.each for one in parts], axis=1),
        advice=first.advice,
        warnings=tuple(dict.fromkeys(note for one in parts for note in one.warnings)),
    )


def check_values(who: str, objective: Objective, name: str, values: Tree) -> None:
    model = objective.model
    found = leaves(values)
    for leaf in found:
        if not model.owns(leaf):
            raise ResultError(
                f"{who} must give {name} as {model.framework} arrays, one or a tuple or dict of them "
                f"as the inputs are; got {described(leaf)}."
            )
        if shape_of(leaf)[:1] != (objective.count,):
            raise ResultError(
                f"{who} was given {objective.count} examples, and must give {name} with as many rows; "
                f"got an array of shape {shape_of(leaf)}."
            )
        if not model.is_floating(leaf):
            raise ResultError(f"{who} must give floating-point {name}, got {described(leaf)}.")
    # Not by `objective.value`: a site's, one array or a tuple of them, would take a pass to know.
    inputs = nesting(objective.inputs.attributed)
    at_site = objective.at is not None and isinstance(values, tuple)
    if not at_site and nesting(values) not in (None, inputs):
        raise ResultError(
            f"{who} must give one array of {name}, or one for each input in the inputs' own structure, "
            f"{inputs}; got {nesting(values)}."
        )


def check_column(who: str, objective: Objective, name: str, column: Array | None) -> None:
    if column is None:
        return
    if not objective.model.owns(column) or shape_of(column) != (objective.count,):
        raise ResultError(
            f"{who} must give {name} as a {objective.model.framework} array of shape "
            f"({objective.count},), one number per example; got {described(column)}."
        )


def nesting(tree: Tree) -> object:
    """The nesting of a tree: None for one array, its length for a tuple, its names for a dict."""
    if isinstance(tree, dict):
        return sorted(tree)
    return len(tree) if isinstance(tree, tuple) else None


def described(value: object) -> str:
    shape = getattr(value, "shape", None)
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    return f"a {kind}" if shape is None else f"a {kind} of {value.dtype} {tuple(shape)}"  # type: ignore[attr-defined]
