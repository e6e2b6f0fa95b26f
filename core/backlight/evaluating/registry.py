"""Metrics by name."""

from collections.abc import Callable, Mapping

from backlight.evaluating.metric import Metric
from backlight.plugins.catalogue import Catalogue

METRICS: Catalogue[Metric] = Catalogue("backlight_metrics", "metric", Metric, "SRG()")  # type: ignore[type-abstract]


def metrics() -> Mapping[str, Callable[..., Metric]]:
    """Every installed metric by name, alphabetical; see `backlight.methods` for what is left out."""
    return METRICS.all()
