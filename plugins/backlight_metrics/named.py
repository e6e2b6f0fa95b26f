"""Metrics as the command line names them."""

import inspect

from backlight import Metric, metrics
from backlight.evaluating.registry import METRICS
from backlight.plugins.choices import normalised
from backlight_loading.techniques import pairs, value_of


def metric(said: str) -> Metric:
    """From `NAME` or `NAME:key=value,key=value`; values as for techniques.

    Raises:
        UnknownNameError, HyperParameterError: no such metric, or not with these.
    """
    name, _, rest = said.partition(":")
    make = metrics().get(normalised(name))
    accepted = inspect.signature(make).parameters if make else {}
    given = {
        key: value_of(text, accepted[key].annotation if key in accepted else None)
        for key, text in pairs(rest, said).items()
    }
    return METRICS.make(name, given)
