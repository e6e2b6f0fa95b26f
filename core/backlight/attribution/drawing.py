"""The way from an attribution to the plugin that draws it: core knows no drawing library."""

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, cast

from backlight.errors import PluginError
from backlight.plugins.entry_points import plugins

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

    from backlight.attribution.attribution import Attribution

PlotKind: TypeAlias = Literal["picture", "text", "waterfall", "bars", "line", "slices"]
"""How one example is drawn."""


class Plots(Protocol):
    """What is asked of `backlight.plots`; see `Attribution.plot` and `Attribution.to_image`."""

    def plot(
        self,
        attribution: "Attribution[Any]",
        example: int,
        ax: "Axes | None",
        *,
        kind: PlotKind | None,
        input: str | None,
    ) -> "Axes": ...

    def image(
        self, attribution: "Attribution[Any]", example: int, size: int | None, *, input: str | None
    ) -> "Image": ...


def plots() -> Plots:
    """
    Raises:
        PluginError: no plugin draws.
    """
    found = plugins().first("backlight_function", object, name="plots")
    if found is None:
        why = " ".join(plugins().left_out("backlight_function"))
        raise PluginError(
            f"No plugin adds backlight.plots, which draws attributions. {why}".rstrip()
        )
    return cast(Plots, found)
