"""Engines by name."""

from collections.abc import Callable, Mapping

from backlight.plugins.catalogue import Catalogue
from backlight_engines.engine import Engine

ENGINES: Catalogue[Engine] = Catalogue(
    "backlight_engines",
    "engine",
    Engine,  # type: ignore[type-abstract]
    "Processes(workers=2)",
)


def engines() -> Mapping[str, Callable[..., Engine]]:
    """Every installed engine by name, alphabetical; see `backlight.methods` for what is left out."""
    return ENGINES.all()


def make_engine(engine: str | Engine, options: Mapping[str, object]) -> Engine:
    """An engine from its name and options, `make_engine("processes", {"workers": 2})`, or as it is.

    Raises:
        UnknownNameError, HyperParameterError, PluginError: no such engine, or not with these; see
            `Catalogue.make`.
    """
    return ENGINES.make(engine, options)
