"""What a plugin may implement. Each hook is a function of this name in the plugin's module, marked
with `@backlight.hookimpl`; it may take any subset of the arguments."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import typer

    from backlight.attribution.attribution import Attribution
    from backlight.evaluating.metric import Metric
    from backlight.explaining.method import Method
    from backlight.features.features import Features
    from backlight.model.model import Model, Options
    from backlight.values.examples import Examples

hookspec = pluggy.HookspecMarker("backlight")
hookimpl = pluggy.HookimplMarker("backlight")


@hookspec(firstresult=True)
def backlight_wrap(
    net: object, inputs: object, framework: str | None, options: "Options"
) -> "Model | None":
    """Wrap `net` if it belongs to this backend; tell by its type, by its inputs' or by `framework`."""


@hookspec
def backlight_methods() -> "Mapping[str, Callable[..., Method]]":  # type: ignore[empty-body]
    """Techniques by name: classes, or functions that make one from hyper-parameters."""


@hookspec
def backlight_features() -> "Mapping[str, Callable[..., Features]]":  # type: ignore[empty-body]
    """Kinds of features by name: classes, or functions that make one; numbers come by position."""


# Core knows no plugin, so the types are said in words: a finder is a `backlight_findings.Finder`.
@hookspec
def backlight_findings() -> "Mapping[str, Callable[..., Sequence[object]]]":  # type: ignore[empty-body]
    """Finders by name: functions from `backlight_findings.Studied` to a list of its `Finding`."""


@hookspec
def backlight_metrics() -> "Mapping[str, Callable[..., Metric]]":  # type: ignore[empty-body]
    """Metrics by name: classes, or functions that make one from hyper-parameters."""


# As for finders: an engine is a `backlight_engines.Engine`.
@hookspec
def backlight_engines() -> "Mapping[str, Callable[..., object]]":  # type: ignore[empty-body]
    """Engines, which do a long run block by block, by name: classes, or functions that make one."""


@hookspec(firstresult=True)
def backlight_load_model(path: Path) -> object | None:
    """Load a model from a file or folder of a format that this plugin knows, or return None."""


@hookspec(firstresult=True)
def backlight_load_examples(path: Path) -> "Examples | None":
    """Load labelled examples from a file or folder that this plugin knows, or return None."""


# Core knows no `backlight_datasets.Source`. Examples that are loaded whole serve every command; a source
# is read a range at a time, and may be made of an object too.
@hookspec(firstresult=True)
def backlight_open_source(data: object) -> object | None:
    """Open a path, or an object of another library, as a `backlight_datasets.Source`, or return None."""


@hookspec(firstresult=True)
def backlight_render(attribution: "Attribution") -> str | None:
    """Draw an attribution as a piece of self-contained HTML, or return None."""


@hookspec
def backlight_commands(app: "typer.Typer") -> None:
    """Add commands to the command line."""


@hookspec(firstresult=True)
def backlight_function(name: str) -> object | None:
    """Give the function or module that this plugin adds to `backlight` under this name, or None."""
