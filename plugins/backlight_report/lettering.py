"""Lines of text on a picture, which fit into their width."""

from functools import cache
from typing import Final, TypeAlias

from PIL import ImageDraw, ImageFont

INK = "#1b1e24"
"""The colour of text, where none is said."""

SMALLEST = 14
"""Of the letters, in pixels, before a text is shortened."""

UNICODE_FONTS: Final = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial Unicode.ttf")
"""Fonts for what Pillow's own, of Latin letters alone, has not."""

Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


def text(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    said: str,
    size: int,
    width: int,
    colour: str = INK,
    anchor: str = "lt",
) -> int:
    """Draw a line, smaller and then shortened in its middle where it is too long.

    Args:
        place: of its anchor, in pixels from the left and the top.
        size: of its letters, in pixels.
        width: that it may have, in pixels.
        anchor: as Pillow says it: "lt" for the left upper corner.

    Returns: its length in pixels.
    """
    line = " ".join(said.replace("\N{MINUS SIGN}", "-").replace("\N{EN DASH}", "-").split())
    line = "".join(sign for sign in line if sign.isprintable())
    sizes = list(range(size, SMALLEST - 1, -1)) or [size]
    fonts = [font_for(line.isascii(), one) for one in sizes]
    font = next((one for one in fonts if one.getlength(line) <= width), fonts[-1])
    shown = shortened(line, font, width)
    draw.text(place, shown, fill=colour, font=font, anchor=anchor)
    return round(font.getlength(shown))


def shortened(line: str, font: Font, width: int) -> str:
    if font.getlength(line) <= width:
        return line
    for kept in range(len(line) - 1, 1, -1):
        head, tail = (kept + 1) // 2, kept // 2
        made = f"{line[:head].rstrip()}...{line[len(line) - tail :].lstrip()}"
        if font.getlength(made) <= width:
            return made
    return line[:1]


@cache
def font_for(latin: bool, size: int) -> Font:
    for name in () if latin else UNICODE_FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:  # not on this machine
            continue
    return ImageFont.load_default(size)
