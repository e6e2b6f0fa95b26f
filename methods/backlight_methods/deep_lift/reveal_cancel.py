"""DeepLIFT's RevealCancel rule, for a linear operation and the unary function f behind it.

Shrikumar, Greenside, Kundaje, "Learning Important Features Through Propagating Activation Differences"
(2017), sections 3.5.1 and 3.5.3: what raises f's input and what lowers it have multipliers of
their own, so that ways which cancel out are seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from backlight.rules.rules import AppliedOperation, Rule
from backlight.values.arrays import Array
from backlight_methods.deep_lift.rules import reference_of
from backlight_methods.signs import negative, positive, quotient


@final
@dataclass(frozen=True)
class RevealCancel(Rule):
    """z = W x + b, y = f(z).

    dz+ and dz- are the sums of the positive and of the negative w_i dx_i (section 3.5.1), and
    dy+ = (f(z' + dz+) - f(z') + f(z' + dz- + dz+) - f(z' + dz-)) / 2, dy- likewise (3.5.3). An input
    goes on with w_i dy+ / dz+ where w_i dx_i > 0, and with w_i dy- / dz- where it is below; where
    dx_i = 0, with the mean of the two.
    """

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        arrays = op.arrays
        linear, unary = op.parts
        (x,), (start,) = linear.inputs, reference_of(linear).inputs
        zeros = arrays.zeros_like(x)
        way = x - start + zeros
        raised, lowered = positive(way, arrays), negative(way, arrays)
        weight = linear.params["weight"]
        above = {"weight": positive(weight, arrays)}
        below = {"weight": negative(weight, arrays)}

        def through(upper: Array, lower: Array) -> Array:
            return linear.replay(inputs=(upper,), params=above) + linear.replay(
                inputs=(lower,), params=below
            )

        gain, loss = through(raised, lowered), through(lowered, raised)
        origin = reference_of(unary).inputs[0] + arrays.zeros_like(gain)

        def f(z: Array) -> Array:
            return unary.replay(inputs=(z,))

        both, neither = f(origin + gain + loss), f(origin)
        only_gain, only_loss = f(origin + gain), f(origin + loss)
        gained = quotient((only_gain - neither + both - only_loss) / 2.0, gain, arrays)
        lost = quotient((only_loss - neither + both - only_gain) / 2.0, loss, arrays)
        (gain_above,) = linear.vjp(grad * gained, params=above)
        (gain_below,) = linear.vjp(grad * gained, params=below)
        (loss_above,) = linear.vjp(grad * lost, params=above)
        (loss_below,) = linear.vjp(grad * lost, params=below)
        up, down = gain_above + loss_below, gain_below + loss_above
        still = (up + down) / 2.0
        return (arrays.where(way > 0.0, up, arrays.where(way < 0.0, down, still)),)
