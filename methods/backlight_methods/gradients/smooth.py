"""Smooth: a statistic of any technique's results over noisy copies of the input.

mean:     SmoothGrad, Smilkov et al., "SmoothGrad: removing noise by adding noise" (2017), section 3.
square:   SmoothGrad-Squared, Hooker et al., "A Benchmark for Interpretability Methods" (2019).
variance: VarGrad, Adebayo et al., "Local Explanation Methods for Deep Neural Networks" (2018).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, final

import numpy as np

from backlight import JointMethod, Method, Objective, Result, Score
from backlight.errors import InputTypeError, is_one_of, is_real, is_whole, require
from backlight.rules.rules import Rules
from backlight.values.arrays import Array, shape_of
from backlight.values.noise import normal
from backlight.values.tree import Tree, leaves, map_leaves, rebuild
from backlight_methods.gradients.gradient import Gradient
from backlight_methods.gradients.samples import Samples


@final
@dataclass(frozen=True, kw_only=True)
class Smooth(JointMethod):
    """Another technique, smoothed over Gaussian noise.

    Args:
        inner: the technique whose results are combined.
        samples: noisy copies per example, at least 1; the paper uses 50.
        noise: standard deviation of the noise, at least 0; the paper finds 0.1 to 0.2 of the range.
        relative: whether `noise` is a share of each example's own range, max - min; else it is in
            the input's units.
        statistic: "mean", "square" (mean of squares) or "variance" (mean squared deviation).
        where: "input" adds noise to the model's input, also when explaining an inner site; "site"
            adds it to the value at the site.
        seed: of the noise, which is the same on every framework and for every example.

    Law: without noise, the mean is the inner technique's result and the variance is 0.
    Cost: `samples` times that of the inner technique.
    """

    inner: Method = field(default_factory=Gradient)
    samples: int = 50
    noise: float = 0.15
    relative: bool = True
    statistic: Literal["mean", "square", "variance"] = "mean"
    where: Literal["input", "site"] = "input"
    seed: int = 0

    def __post_init__(self) -> None:
        require(isinstance(self.inner, Method), self, "inner", "a technique, such as Gradient()")
        require(is_whole(self.samples) and self.samples >= 1, self, "samples", "at least 1")
        require(is_real(self.noise) and self.noise >= 0, self, "noise", "at least 0")
        require(isinstance(self.relative, bool), self, "relative", "True or False")
        require(is_whole(self.seed) and self.seed >= 0, self, "seed", "at least 0")
        known = ("mean", "square", "variance")
        require(
            is_one_of(self.statistic, known), self, "statistic", "'mean', 'square' or 'variance'"
        )
        places = ("input", "site")
        require(is_one_of(self.where, places), self, "where", "'input' or 'site'")

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
        return self.statistic == "mean" and self.inner.linear

    @property
    def differentiable(self) -> bool:
        return self.inner.differentiable

    def objection(self, objective: Objective) -> str | None:
        return self.inner.objection(objective)

    def attribute_each(self, objective: Objective, targets: Sequence[Score]) -> list[Result]:
        noisy_input = self.where == "input" or objective.at is None
        value = objective.inputs.attributed if noisy_input else objective.value
        if not all(map(objective.model.is_floating, leaves(value))):
            raise InputTypeError(
                "Noise cannot be added to integers; use Smooth(where='site') to add it to the "
                "value at the site instead."
            )
        found: list[Samples] = []
        warnings: list[tuple[str, ...]] = [()] * len(targets)
        for chunk in objective.chunks(self.samples):
            points = self._noisy(objective, value, chunk, noisy_input)
            moved = objective.with_inputs(points) if noisy_input else objective.at_points(points)
            rows = np.tile(np.arange(objective.count), len(chunk))
            results = self.inner.attribute_each(moved, [target.take(rows) for target in targets])
            more = [self._samples(objective, result.values, len(chunk)) for result in results]
            found = [a.joined(b) for a, b in zip(found, more, strict=True)] if found else more
            warnings = [a + b.warnings for a, b in zip(warnings, results, strict=True)]
        is_mean = self.statistic == "mean"
        return [
            Result(
                self._statistic(samples),
                error=samples.error() if is_mean else None,
                standard_error=samples.standard_error() if is_mean else None,
                standard_error_of_sum=samples.standard_error_of_sum() if is_mean else None,
                warnings=tuple(dict.fromkeys(said)),
            )
            for samples, said in zip(found, warnings, strict=True)
        ]

    def _samples(self, objective: Objective, values: Tree, count: int) -> Samples:
        return Samples.of(objective, map_leaves(lambda leaf: fold(leaf, count, objective), values))

    def _statistic(self, samples: Samples) -> Tree:
        if self.statistic == "mean":
            return samples.mean
        variance = map_leaves(lambda s: s / self.samples, samples.spread)
        if self.statistic == "variance":
            return variance
        return map_leaves(lambda v, m: v + m * m, variance, samples.mean)

    def _noisy(self, objective: Objective, value: Tree, chunk: range, is_input: bool) -> Tree:
        """Noisy copies of the value, shape (samples, N, ...)."""
        parts = []
        for number, leaf in enumerate(leaves(value)):
            shape = shape_of(leaf)
            layout = objective.model.input_layout(shape) if is_input else objective.layout_of(leaf)
            channels = layout.channels if layout else "last"
            drawn = [normal(self.seed, sample, number, shape[1:], channels) for sample in chunk]
            noise = objective.model.asarray(self.noise * np.stack(drawn)[:, None], like=leaf)
            scale = value_range(leaf, objective)[None, ...] if self.relative else 1.0
            parts.append(leaf[None, ...] + noise * scale)
        return rebuild(value, parts)


def value_range(leaf: Array, objective: Objective) -> Array:
    """max - min of each example, shape (N, 1, ...)."""
    axes = tuple(range(1, leaf.ndim))
    highest = objective.arrays.max(leaf, axis=axes, keepdims=True)
    return highest - objective.arrays.min(leaf, axis=axes, keepdims=True)


def fold(leaf: Array, samples: int, objective: Objective) -> Array:
    return objective.arrays.reshape(leaf, (samples, objective.count, *shape_of(leaf)[1:]))
