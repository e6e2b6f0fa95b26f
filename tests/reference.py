"""A slow model in float64 that judges techniques: array-api-strict arrays, central differences.

It knows no automatic differentiation, so nothing it says about a gradient can share a bug with a
framework; and its arrays refuse everything that is not in the array API standard, so a technique
that runs here uses nothing else. Backward passes that obey rules go over a tape of NumPy operations.
"""

from collections.abc import Callable
from typing import cast

import array_api_strict as strict
import numpy as np
import pytest

from backlight import Connection, Gradient, Model, Score, Site
from backlight.rules.rules import NoRules, Rules
from backlight.values.arrays import Array, Arrays, shape_of
from backlight.values.inputs import Inputs
from backlight.values.outputs import OutputKind, OutputSpec
from backlight.values.tree import leaves, map_leaves, rebuild
from tests.tape import Tape, Traced
from tests.tape import arrays as functions
from tests.tape_backward import applications, backward

type_of_array = type(strict.asarray(0.0))
STEP = 1e-5

places_by_shapes = pytest.mark.filterwarnings(
    "ignore:.*its backend does not tell its operations:backlight.BacklightWarning"
)
"""The model gives no graph, so that maps of it are read by shapes, which is said each time."""


class ReferenceModel(Model):
    """Named stages, one after the other; the value after each stage is a site."""

    framework = "reference"
    version = strict.__version__
    arrays = cast(Arrays, strict)

    def __init__(
        self,
        *stages: tuple[str, Callable[..., Array]],
        kind: OutputKind = "logits",
        channels: str = "first",
    ):
        self.stages = stages
        self.kind = kind
        self.channels = channels
        self.passes = 0
        self.largest = 0

    def run(self, inputs, at=None, value=None, stop=None):
        arguments, keyword = inputs.arguments()
        self.passes += 1
        self.largest = max(self.largest, inputs.count)
        names = [name for name, _ in self.stages]
        first = 0
        if at is not None and value is not None:
            first, out = names.index(at) + 1, value
        else:
            out = None
        for number, (name, stage) in enumerate(self.stages):
            if number >= first:
                for leaf in leaves(out) if out is not None else arguments:
                    if isinstance(leaf, Traced):
                        leaf.tape.place = name
                out = stage(*arguments, **keyword) if number == 0 else stage(out)
            if name == stop:
                return out
        return out

    def predict(self, inputs):
        return self.run(self.prepare(inputs))

    def outputs(self, inputs):
        return OutputSpec(shape_of(self.predict(inputs)), self.kind)

    def score(self, inputs, score: Score, *, at=None, value=None):
        inputs = self.prepare(inputs)
        outputs = self.run(inputs, at, value, stop=score.site)
        return self.evaluate(outputs, score)

    def evaluate(self, outputs, score: Score):
        return score.evaluate(outputs, [strict.asarray(row) for row in score.operands()], functions)

    def tape(self, inputs, score, at, value, rules):
        """A run with the value (the inputs' or the site's) traced: tape, roots and the score."""
        tape = Tape(units=rules.kinds)
        rows = shape_of(leaves(value)[0])[0]
        if rows != inputs.count and (inputs.positional or inputs.keyword):
            rows = inputs.count
            value = map_leaves(
                lambda leaf: strict.broadcast_to(leaf, (inputs.count, *shape_of(leaf)[1:])), value
            )
        roots = [Traced(np.array(leaf), tape) for leaf in leaves(value)]
        traced = rebuild(value, roots)
        if at is None:
            outputs = self.run(inputs.with_attributed(traced), stop=score and score.site)
        else:
            outputs = self.run(inputs, at, traced, stop=score and score.site)
        tape.place = ""
        if score is not None:
            outputs = self.evaluate(
                outputs
                if rows == inputs.count
                else map_leaves(
                    lambda leaf: functions.broadcast_to(leaf, (inputs.count, *leaf.shape[1:])),
                    outputs,
                ),
                score,
            )
        return tape, roots, outputs

    def operations(self, inputs, *, score=None, at=None, rules: Rules | None = None):
        rules, inputs = rules or NoRules(), self.prepare(inputs)
        value = inputs.attributed if at is None else self.activation(inputs, at)
        tape, roots, _ = self.tape(inputs, score, at, value, rules)
        return tuple(one.operation for one in applications(tape, rules, roots).values())

    def gradient(self, inputs, score: Score, *, at=None, value=None, rules=None, reference=None):
        inputs = self.prepare(inputs)
        if rules is not None:
            return self.ruled(inputs, score, at, value, rules, reference)
        if at is not None and value is None:
            value = self.activation(inputs, at)
        where = inputs.attributed if at is None else value

        def score_of(point):
            if at is None:
                return self.score(inputs.with_attributed(point), score)
            return self.score(inputs, score, at=at, value=point)

        here = score_of(where)
        if shape_of(here) != (inputs.count,):  # the core's to complain about
            return Gradient(here, where, where)
        found = []
        parts = leaves(where)
        for position, leaf in enumerate(parts):
            host = np.array(leaf, dtype=np.float64)
            slope = np.zeros_like(host)
            for index in np.ndindex(host.shape[1:]):
                values = []
                for sign in (1, -1):
                    moved = host.copy()
                    moved[(slice(None), *index)] += sign * STEP
                    others = [*parts[:position], strict.asarray(moved), *parts[position + 1 :]]
                    values.append(np.array(score_of(rebuild(where, others))))
                slope[(slice(None), *index)] = (values[0] - values[1]) / (2 * STEP)
            found.append(strict.asarray(slope))
        return Gradient(here, where, rebuild(where, found))

    def ruled(self, inputs, score, at, value, rules, reference):
        if at is None:
            value = inputs.attributed
        elif value is None:
            value = self.activation(inputs, at)
        tape, roots, total = self.tape(inputs, score, at, value, rules)
        other = None if reference is None else self.tape(inputs, score, at, reference, rules)
        found, operations = backward(tape, total, roots, rules, other[:2] if other else None)
        return Gradient(
            strict.asarray(total.value),
            value,
            rebuild(value, [strict.asarray(slope) for slope in found]),
            operations,
            strict.asarray(other[2].value) if other else None,
        )

    def connection(self, inputs, score: Score, *, at=None):
        """All stages are smooth and each is used, so that derivatives pass from all to all."""
        whole = inputs.attributed if isinstance(inputs, Inputs) else inputs
        count = 1 if at is not None else len(leaves(whole))
        return Connection((True,) * count, (True,) * count)

    def activation(self, inputs, at):
        self.site(inputs, at)
        return self.run(self.prepare(inputs), stop=at)

    def sites(self, inputs) -> tuple[Site, ...]:
        inputs = self.prepare(inputs)
        return tuple(
            Site(name, shape_of(self.run(inputs, stop=name)), "stage", "pool" in name)
            for name, _ in self.stages
        )

    def owns(self, array: object) -> bool:
        return isinstance(array, type_of_array)

    def asarray(self, array, like=None):
        array = np.asarray(array)
        return strict.asarray(array.astype(np.float64) if array.dtype.kind == "f" else array)

    def to_numpy(self, array):
        return np.array(array)

    def is_floating(self, array) -> bool:
        return bool(strict.isdtype(array.dtype, "real floating"))


def linear(weight: np.ndarray) -> Callable[[Array], Array]:
    """(N, ...) -> (N, classes) with a weight of shape (features, classes)."""
    matrix = strict.asarray(weight)
    return lambda x: functions.reshape(x, (x.shape[0], -1)) @ matrix


def polynomial(*weights: np.ndarray) -> Callable[[Array], Array]:
    """(N, ...) -> (N, classes): sum over i and p of weights[p][i, class] * x_i ** (p + 1).

    Each row is summed on its own, in the same order whatever the number of rows.
    """
    matrices = [strict.asarray(np.asarray(weight, dtype=np.float64)[None]) for weight in weights]

    def outputs(x: Array) -> Array:
        flat = functions.reshape(x, (x.shape[0], -1, 1))
        terms = [
            functions.sum(flat**power * matrix, axis=1)
            for power, matrix in enumerate(matrices, start=1)
        ]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    return outputs
