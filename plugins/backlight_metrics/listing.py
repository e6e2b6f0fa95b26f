"""The installed metrics in words."""

import inspect

from backlight import metrics
from backlight.errors import reason
from backlight.evaluating.registry import METRICS
from backlight.evaluating.text import heading


def listing() -> str:
    """For each metric: its name and hyper-parameters, what it measures, its unit, direction and range."""
    lines = []
    for name, make in metrics().items():
        told = ", ".join(
            str(one.replace(annotation=inspect.Parameter.empty)) for one in parameters(make)
        )
        lines.append(f"{name}  {told}".rstrip())
        try:
            metric = METRICS.make(name, {})
        except Exception as error:  # it needs hyper-parameters
            lines.append(f"    {reason(error)}")
            continue
        low, high = metric.range
        masks = "; asks for masks" if metric.needs_masks else ""
        lines.append(f"    {metric.sentence()}")
        lines.append(f"    {heading(metric)}; from {low:g} to {high:g}{masks}")
    return "\n".join(lines)


def parameters(make: object) -> list[inspect.Parameter]:
    return [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for one in inspect.signature(make).parameters.values()  # type: ignore[arg-type]
    ]
