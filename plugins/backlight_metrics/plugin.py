"""What this plugin offers: the metrics of this package, by name, and the commands `backlight evaluate`
and `backlight metrics`."""

from collections.abc import Callable, Mapping

import typer

from backlight import Metric, hookimpl

backlight_api = 1


@hookimpl
def backlight_metrics() -> Mapping[str, Callable[..., Metric]]:
    from backlight_metrics import METRICS

    return METRICS


@hookimpl
def backlight_commands(app: typer.Typer) -> None:
    from backlight_metrics.command import evaluate_command, metrics_command

    app.command("evaluate")(evaluate_command)
    app.command("metrics")(metrics_command)
