"""What the channels of a layer hold, beside the input, with what each of them speaks for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight import Attribution, Method, wrap
from backlight.attribution.described import NO_WORD, DescribedInput
from backlight.errors import InputError
from backlight.explaining.describing import Names
from backlight.explaining.registry import make_method
from backlight.explaining.targets import Target
from backlight.values.arrays import shape_of
from backlight.values.inputs import Extra
from backlight.values.tree import leaves
from backlight_pictures.captions import caption, heading, left_out, unit_of_values
from backlight_pictures.drawing import SHOWN
from backlight_pictures.drawings import channels_first, drawings
from backlight_pictures.fragments.picture import coloured, strip
from backlight_pictures.fragments.series import line
from backlight_pictures.fragments.style import styled
from backlight_pictures.fragments.table import bars
from backlight_pictures.fragments.text import tokens
from backlight_pictures.fragments.tint import legend, tint
from backlight_pictures.scale import PERCENTILE, Scale, number, scale_of

CHANNELS = 12
"""How many channels of an example are drawn."""


@final
@dataclass(frozen=True, eq=False)
class Activations:
    """A layer's activations, as a notebook shows them: those channels that speak most for the score and
    against it, in this order, beside the input.

    Attributes:
        activation: of the layer, channels first, (N, C, ...).
        values: of each of these numbers, in the same order of axes.
        at_layer: the attribution that the values are from.
        at_input: the same technique at the input.
        channel_names: of the C channels; none where they have only numbers.
    """

    activation: NDArray[Any]
    values: NDArray[Any]
    at_layer: Attribution[Any]
    at_input: Attribution[Any]
    channel_names: tuple[str, ...] = ()

    @cached_property
    def channels(self) -> NDArray[np.float64]:
        """How much each channel speaks for the score, (N, C): the sum of its values over its places."""
        values = self.values.reshape(*self.values.shape[:2], -1)
        return np.asarray(values.sum(axis=2, dtype=np.float64))

    def __repr__(self) -> str:
        return f"Activations({self.activation.shape}, {self.at_layer!r})"

    def _repr_html_(self) -> str:
        count = min(SHOWN, len(self.activation))
        inputs = drawings(self.at_input) or ()
        scales = [one.scale for one in inputs]
        rows = []
        for row in range(count):
            own = "".join(
                one.beside[row] if one.beside else one.draw(row, scale)
                for one, scale in zip(inputs, scales, strict=True)
            )
            rows.append(
                f'<div class="layer"><div>{own}</div><div class="channels">{self.drawn(row)}</div></div>'
                f'<div class="soft">{caption(self.at_layer, row)}{self.rest(row)}</div>'
            )
        more = left_out(count, len(self.activation))
        return styled(f"{heading(self.at_layer)}{''.join(rows)}{self.legends()}{more}")

    @property
    def text(self) -> DescribedInput | None:
        """The input, where the layer's places are its tokens."""
        for one in self.at_input.inputs[:1]:
            if self.values.ndim == 3 and {*map(len, one.tokens)} == {self.values.shape[2]}:
                return one
        return None

    @property
    def over_places(self) -> bool:
        """Whether each channel is drawn by itself, over a picture's places or a text's tokens."""
        return self.values.ndim == 4 or self.text is not None

    def legends(self) -> str:
        whose = {2: "unit", 3: "moment"}.get(self.values.ndim, "")
        whose = "channel, all its places together," if self.over_places else whose
        unit = unit_of_values(self.at_layer)
        found = legend(self.colours, unit, [f"how much a {whose} speaks for the score"])
        if self.over_places:
            held = ["activations of all channels", f"{100 - PERCENTILE:g} % beyond"]
            found += legend(self.held, "", held, strip(self.held, overlaid=False))
        return found

    @cached_property
    def held(self) -> Scale:
        """Of activations: one for all channels and examples."""
        return scale_of([self.activation[:SHOWN]])

    @cached_property
    def colours(self) -> Scale:
        """Of what speaks for the score: channels, or the moments of a series."""
        if self.values.ndim == 3 and not self.over_places:
            return scale_of([self.values[:SHOWN]])
        return scale_of([self.channels[:SHOWN]], 100)

    def drawn(self, row: int) -> str:
        """One example's channels."""
        of_channels = self.channels[row]
        if self.values.ndim == 2:
            held = self.activation[row]
            return bars(of_channels, self.channel_names, held, self.colours, "unit", "activation")
        if not self.over_places:
            return line(self.values[row], self.activation[row], self.channel_names, self.colours)
        figures = (
            f"<figure>{self.over_input(row, k)}<figcaption>"
            f"<span{tint(of_channels[k], self.colours)}>{escape(self.named(k))}: "
            f"{number(of_channels[k])}</span></figcaption></figure>"
            for k in sorted(self.largest(row)[:CHANNELS].tolist(), key=lambda k: -of_channels[k])
        )
        return "".join(figures)

    def over_input(self, row: int, k: int) -> str:
        """One channel's activations at the input's places, or at its tokens, each by itself."""
        held = self.activation[row, k]
        if self.text is None:
            return coloured(held, None, self.held)
        own = self.text.words[row] if self.text.words else range(len(held))
        alone = [NO_WORD if word == NO_WORD else at for at, word in enumerate(own)]
        return tokens(held, self.text.tokens[row], alone, self.held)

    def rest(self, row: int) -> str:
        """Of a layer over places: what is said of the channels that are not drawn."""
        rest = self.channels[row][self.largest(row)[CHANNELS:]]
        if not self.over_places or not rest.size:
            return ""
        return f"; and {rest.size} channels with less, together {number(rest.sum())}"

    def largest(self, row: int) -> NDArray[np.int64]:
        """One example's channels, those first that speak most, for or against."""
        return np.argsort(-np.abs(self.channels[row]), kind="stable")

    def named(self, k: int) -> str:
        return self.channel_names[k] if self.channel_names else f"channel {k}"


def activations(
    model: object,
    x: object,
    at: str,
    target: Target = None,
    method: str | Method = "conductance",
    *,
    channel_names: Sequence[str] = (),
    class_names: Sequence[str] | None = None,
    batch_size: int | None = None,
    extra: Extra = (),
    names: Names = None,
    **hyper_parameters: object,
) -> Activations:
    """What a layer's channels hold for these examples, and how much each speaks for the score.

    Args:
        at: the layer, as of `backlight.explain`: units (N, C), or channels along a series, over a picture
            or at the tokens of a text.
        method: whose values say how much a channel speaks for the score: one that gives a value to each
            number of the layer, such as "conductance" or "input_x_gradient".
        channel_names: of the layer's channels, in their order.
        model, x, target, class_names, batch_size, extra, names, **hyper_parameters: as of
            `backlight.explain`.

    Raises:
        BacklightError: there is no such layer, it has other axes, there are not as many names as
            channels, or the technique gives other values.

    >>> backlight.activations(net, pictures, "layer4", target=3)
    """
    # With a place among several: which overload that is takes mypy too many unions to find out.
    technique: Callable[..., Any] = make_method(method, hyper_parameters)
    at_layer, at_input = technique(
        model,
        x,
        target,
        at=[at, None],
        class_names=class_names,
        batch_size=batch_size,
        extra=extra,
        names=names,
    )
    wrapped = wrap(model, inputs=x)
    site = at_layer.at or at
    held = wrapped.to_numpy(wrapped.array_at(wrapped.prepare(x, extra), site))
    (values,) = leaves(at_layer.numpy())
    (layout,) = at_layer.layouts
    if values.shape != held.shape:
        raise InputError(
            f"{at_layer.method} gives values of shape {values.shape} for the layer {site!r}, whose "
            f"activations have shape {held.shape}: take a technique with a value for each number, such "
            "as 'conductance'."
        )
    if layout is not None:
        values, held = (channels_first(one, layout) for one in (values, held))
    if values.ndim != (2 if layout is None else 2 + len(layout.grid)) or values.ndim > 4:
        raise InputError(
            f"The layer {site!r} gives {shape_of(held)}, of which no channels are drawn: choose one that "
            "gives units (N, C), or channels along a series or over a picture."
        )
    if channel_names and len(channel_names) != values.shape[1]:
        raise InputError(
            f"channel_names must be {values.shape[1]} texts, one for each channel of {site!r}; got "
            f"{len(channel_names)}."
        )
    return Activations(held, values, at_layer, at_input, tuple(channel_names))
