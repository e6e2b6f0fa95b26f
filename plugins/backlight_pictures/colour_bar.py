"""The colour bar: a scale's colours with numbers beneath, as a picture of its own."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from backlight_pictures.colours import Colours, ramp
from backlight_pictures.scale import Scale, number

HEIGHT, MARGIN, TEXT = 14, 8, 13


def ticks(scale: Scale) -> list[str]:
    """The numbers at the left end, in the middle and at the right end."""
    left, right = scale.ends
    return [number(left), number((left + right) / 2), number(right)]


def colour_bar(scale: Scale, length: int = 224) -> Colours:
    """RGB, uint8: the scale's colours from end to end and its numbers in black on white."""
    canvas = Image.new("RGB", (length + 2 * MARGIN, HEIGHT + TEXT + 3 * MARGIN), "white")
    canvas.paste(Image.fromarray(ramp(scale, length, HEIGHT)), (MARGIN, MARGIN))
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(TEXT)
    beneath = HEIGHT + 1.5 * MARGIN
    places = (MARGIN, canvas.width / 2, canvas.width - MARGIN)
    for text, place, anchor in zip(ticks(scale), places, ("lt", "mt", "rt"), strict=True):
        plain = text.replace("\N{MINUS SIGN}", "-")  # the font has no other
        draw.text((place, beneath), plain, fill="black", font=font, anchor=anchor)
    return np.asarray(canvas)
