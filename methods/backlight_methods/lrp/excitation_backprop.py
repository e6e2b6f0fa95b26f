"""Excitation backprop: the probability that a top-down walk of winners from the score passes an input.

Zhang, Lin, Brandt, Shen, Sclaroff, "Top-down Neural Attention by Excitation Backprop" (2016), section
3.2, equation 5: P(a_i | a_j) = x_i w_ij+ / sum_i x_i w_ij+.
"""

from dataclasses import dataclass
from typing import final

from backlight import Method, Objective, Result
from backlight.values.arrays import Array
from backlight.values.tree import map_leaves
from backlight_methods.lrp.composites import Composite
from backlight_methods.lrp.lrp import LRPRules
from backlight_methods.lrp.rules import AlphaBeta
from backlight_methods.signs import quotient

EXCITING = AlphaBeta(bias=False)


@final
@dataclass(frozen=True, kw_only=True)
class ExcitationBackprop(Method):
    """Of all ways of excitation that lead to the score, the share that passes each input.

    These are the paper's marginal winning probabilities: LRP with alpha 1, beta 0 and no biases, divided
    by the score. Values that are negative excite through negative weights; the paper has none, as it
    starts behind a rectifier. Operations other than linear ones are treated as by LRP.

    Law: the values of an example sum to 1, and none is negative, on a net of linear operations,
        rectifiers, and sums and maxima of what is not negative.
    Cost: a forward and a backward pass in which each linear operation is repeated four times.
    """

    @property
    def rules(self) -> LRPRules:
        composite = Composite(dense=EXCITING, convolution=EXCITING)
        return LRPRules(composite, "Excitation backprop")

    def attribute(self, objective: Objective) -> Result:
        found = objective.ruled(self.rules)
        arrays = objective.arrays

        def share(x: Array, m: Array) -> Array:
            score = arrays.reshape(found.score, (-1, *(1,) * (x.ndim - 1)))
            return quotient(x * m, score, arrays)

        values = map_leaves(share, found.value, found.gradient)
        return Result(values, found.score, warnings=self.rules.notes(found.operations))
