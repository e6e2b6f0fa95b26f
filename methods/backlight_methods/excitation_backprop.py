"""Excitation backprop: the probability that a top-down walk of winners from the score passes an input.

Zhang, Lin, Brandt, Shen, Sclaroff, "Top-down Neural Attention by Excitation Backprop" (2016), section 3.2,
equation 5: P(a_i | a_j) = x_i w_ij+ / sum_i x_i w_ij+.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from backlight import Evidence, Method, Objective
from backlight.operations import Operation
from backlight.rules import Rules
from backlight.tree import map_leaves
from backlight_methods.composites import Composite
from backlight_methods.lrp import LRPRules
from backlight_methods.lrp_rules import AlphaBeta
from backlight_methods.signs import stabilised, tiny
EXCITING = AlphaBeta(bias=False)


@final
@dataclass(frozen=True, kw_only=True)
class ExcitationBackprop(Method):
    """Marginal winning probabilities: of all paths of excitation that lead to the score, the share
    that passes each input.

    Values that are negative excite through negative weights; the paper has none, as it starts behind
    a rectifier. Operations other than linear ones are treated as by LRP.

    Law: the values of an example sum to 1, and none is negative, where no inner value is.
    Cost: a forward and a backward pass in which each linear operation is repeated four times.
    """

    @property
    def rules(self) -> Rules:
        return LRPRules(Composite(dense=EXCITING, convolution=EXCITING))

    def attribute(self, objective: Objective) -> Evidence:
        raise NotImplementedError
