"""Smooth: a statistic of any technique's results over noisy copies of the input.

mean:     SmoothGrad, Smilkov et al., "SmoothGrad: removing noise by adding noise" (2017), section 3.
square:   SmoothGrad-Squared, Hooker et al., "A Benchmark for Interpretability Methods" (2019).
variance: VarGrad, Adebayo et al., "Local Explanation Methods for Deep Neural Networks" (2018).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, TypeAlias, final

import numpy as np

from backlight import Method, Objective, Result, Score
from backlight.errors import InputError, InputTypeError, is_one_of, is_real, require
from backlight.explaining.result import nesting
from backlight.rules.rules import Rules
from backlight.values.arrays import Array, shape_of
from backlight.values.noise import normal
from backlight.values.tree import Tree, leaves, map_leaves, rebuild
from backlight_methods.gradients.gradient import Gradient
from backlight_methods.per_example import Numbers
from backlight_methods.samples import Samples
from backlight_methods.sampling import MeanMethod

Noise: TypeAlias = float | tuple[float, ...] | dict[str, float]


@final
@dataclass(frozen=True, kw_only=True)
class Smooth(MeanMethod):
    """Another technique, smoothed over Gaussian noise.

    Args:
        inner: the technique whose results are combined.
        samples: noisy copies per example, at least 1; the paper uses 50.
        noise: standard deviation of the noise, at least 0; the paper finds 0.1 to 0.2 of the range. For
            several inputs one number for all, or a tuple or dict of one each: an input of 0, which may
            be of integers, is left as it is.
        relative: whether `noise` is a share of each example's own range, max - min; else it is in
            the input's units.
        statistic: "mean", "square" (mean of squares) or "variance" (mean squared deviation).
        where: "input" adds noise to the model's input, also when explaining an inner site; "site"
            adds it to the value at the site.
        tolerance: adds copies, for the examples that need them, until the largest standard error of an
            example's values is at most this share: of the score's change where the inner technique is
            complete, else of the largest absolute value; None for no more. Of a mean only.
        floor: what the tolerance is a share of at least, in the units of the values.
        maximum_samples: where the tolerance gives up, with a warning.
        seed: of the noise, which is the same on every framework and for every example.
        keep: "each" keeps the inner technique's values for each copy as well, as `Attribution.each`:
            `samples` times the memory of the values.

    Law: without noise, the mean is the inner technique's result and the variance is 0. Where the inner
        technique is complete, so is the mean: score and baseline score are then means over the copies,
        and the gap is at most the mean of the copies' gaps.
    Cost: `samples` times that of the inner technique.
    """

    least: ClassVar[int] = 1

    inner: Method = field(default_factory=Gradient)
    samples: int = 50
    noise: Noise = 0.15
    relative: bool = True
    statistic: Literal["mean", "square", "variance"] = "mean"
    where: Literal["input", "site"] = "input"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(isinstance(self.inner, Method), self, "inner", "a technique, such as Gradient()")
        each = leaves(self.noise)
        positive = bool(each) and all(is_real(one) and one >= 0 for one in each)
        require(
            positive, self, "noise", "at least 0, or a tuple or dict of such, one for each input"
        )
        require(isinstance(self.relative, bool), self, "relative", "True or False")
        known = is_one_of(self.statistic, ("mean", "square", "variance"))
        require(known, self, "statistic", "'mean', 'square' or 'variance'")
        met = self.tolerance is None or self.statistic == "mean"
        require(met, self, "statistic", "'mean' with a tolerance, which asks for standard errors")
        require(is_one_of(self.where, ("input", "site")), self, "where", "'input' or 'site'")

    @property
    def differentiates(self) -> bool:
        return self.inner.differentiates

    @property
    def spatial(self) -> bool:
        return self.inner.spatial

    @property
    def rules(self) -> Rules | None:
        return self.inner.rules

    @property
    def rules_reach_input(self) -> bool:
        return self.inner.rules_reach_input

    @property
    def linear(self) -> bool:
        return super().linear and self.statistic == "mean" and self.inner.linear

    @property
    def differentiable(self) -> bool:
        return self.tolerance is None and self.inner.differentiable

    def objection(self, objective: Objective) -> str | None:
        return self.inner.objection(objective)

    def drawn(self, objective: Objective, targets: Sequence[Score], samples: range) -> list[Result]:
        """What the inner technique says of noisy copies."""
        is_input = self.where == "input" or objective.at is None
        value = objective.inputs.attributed if is_input else objective.value
        points = self._noisy(objective, value, samples, is_input)
        moved = objective.with_inputs(points) if is_input else objective.at_points(points)
        rows = np.tile(np.arange(objective.count), len(samples))
        asked = [target.take(rows) for target in targets]

        def with_score(result: Result, target: Score) -> Result:
            if result.baseline_score is None or result.score is not None:
                return result
            return replace(result, score=moved.with_target(target).score())

        found = self.inner.attribute_each(moved, asked)
        return [with_score(one, target) for one, target in zip(found, asked, strict=True)]

    def results(
        self, objective: Objective, targets: Sequence[Score], found: Sequence[Samples]
    ) -> list[Result]:
        if self.statistic != "mean":
            return [
                Result(self._statistic(one), each=one.each, warnings=one.warnings) for one in found
            ]

        def means(one: Samples) -> tuple[Array | None, Array | None]:
            """Of the copies' scores and baseline scores."""
            if one.scores is None:
                return None, None
            like = leaves(one.mean)[0]
            score, start = one.scores.mean(axis=0)
            return objective.model.asarray(score, like=like), objective.model.asarray(
                start, like=like
            )

        def chance(one: Samples) -> Numbers | None:
            return None if one.gap_errors is None else one.gap_errors.mean(axis=0)

        return [
            Result(
                one.mean,
                *means(one),
                error=one.error,
                standard_error=one.standard_error,
                standard_error_of_sum=one.standard_error_of_sum,
                # The inner technique draws the same for all copies: chance takes all of them alike.
                standard_error_of_gap=chance(one),
                each=one.each,
                advice=one.advice,
                warnings=one.warnings,
            )
            for one in found
        ]

    def _statistic(self, samples: Samples) -> Tree:
        """The variance, or the mean of squares."""
        variance = map_leaves(lambda s: s / samples.count, samples.spread)
        if self.statistic == "variance":
            return variance
        return map_leaves(lambda v, m: v + m * m, variance, samples.mean)

    def _noisy(self, objective: Objective, value: Tree, samples: range, is_input: bool) -> Tree:
        """Noisy copies of the value, shape (samples, N, ...)."""
        arrays, model, parts = objective.arrays, objective.model, []
        each = zip(leaves(value), self._noises(value), strict=True)
        for number, (leaf, size) in enumerate(each):
            shape = shape_of(leaf)
            if size == 0:
                parts.append(arrays.broadcast_to(leaf[None, ...], (len(samples), *shape)))
                continue
            if not model.is_floating(leaf):
                raise InputTypeError(
                    "Noise cannot be added to integers; use Smooth(where='site') to add it to the "
                    "value at the site instead, or noise of 0 for this one of several inputs."
                )
            layout = model.input_layout(shape) if is_input else objective.layout_of(leaf)
            channels = layout.channels if layout else "last"
            drawn = [normal(self.seed, sample, number, shape[1:], channels) for sample in samples]
            noise = model.asarray(size * np.stack(drawn)[:, None], like=leaf)
            scale = value_range(leaf, objective)[None, ...] if self.relative else 1.0
            parts.append(leaf[None, ...] + noise * scale)
        return rebuild(value, parts)

    def _noises(self, value: Tree) -> list[float]:
        """The noise of each array of the value."""
        noise = self.noise
        if not isinstance(noise, (tuple, dict)):
            return [noise] * len(leaves(value))
        if isinstance(noise, tuple) and isinstance(value, tuple) and len(noise) == len(value):
            return list(noise)
        if isinstance(noise, dict) and isinstance(value, dict) and noise.keys() == value.keys():
            return [noise[name] for name in value]
        raise InputError(
            "Smooth.noise must be a number, or one for each of the inputs in their own structure: "
            f"{nesting(value) or 'one array'}; got {noise}."
        )


def value_range(leaf: Array, objective: Objective) -> Array:
    """max - min of each example, shape (N, 1, ...)."""
    axes = tuple(range(1, leaf.ndim))
    highest = objective.arrays.max(leaf, axis=axes, keepdims=True)
    return highest - objective.arrays.min(leaf, axis=axes, keepdims=True)
