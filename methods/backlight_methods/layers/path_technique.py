"""What techniques share that look at a layer while the input goes from a baseline to x."""

from dataclasses import dataclass

from backlight import JointMethod, Objective
from backlight.errors import is_whole, require
from backlight.explaining.token_ids import whole_inputs
from backlight.values.baselines import Baseline, require_baseline


@dataclass(frozen=True, kw_only=True)
class LayerPathTechnique(JointMethod):
    """A technique at a layer, for several layers at the cost of one. Implementations are final.

    Args:
        steps: how finely the way is looked at, at least 1.
        baseline: of the input: a number, an array, one for each example, a function, `Drawn(data)` ...;
            the mean over `Several`.
    """

    steps: int = 50
    baseline: Baseline = 0.0

    def __post_init__(self) -> None:
        require(is_whole(self.steps) and self.steps >= 1, self, "steps", "at least 1")
        require_baseline(self)

    @property
    def moves_inputs(self) -> bool:
        return True

    def objection(self, objective: Objective) -> str | None:
        whole = whole_inputs(objective.model, objective.inputs)
        if not whole:
            return None
        return (
            f"The inputs {', '.join(whole)} hold whole numbers, and {type(self).__name__} moves the "
            "input from its baseline by small steps, which ids cannot take. Explain the layer itself, by "
            f"integrated_gradients with at={objective.at!r} for example."
        )

    @property
    def linear(self) -> bool:
        return True

    @property
    def joins_sites(self) -> bool:
        return True
