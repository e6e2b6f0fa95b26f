"""Panels for a slide: cases by techniques, 1920 x 1080 pixels, all on one colour bar."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from backlight.errors import InputError
from backlight_pictures.colours import overlay, ramp
from backlight_pictures.layers import SMALL, read_map
from backlight_pictures.scale import PERCENTILE, Scale, number
from backlight_report.lettering import INK, text
from backlight_report.study_page.about import ABOUT
from backlight_report.study_page.cases import SHARES, adds_up, questions_asked
from backlight_report.study_page.record import QUESTIONS, StudyRecord, task_of

WIDTH, HEIGHT = 1920, 1080
MARGIN, TOP, BOTTOM, GAP = 48, 158, 116, 12
COLUMNS, ROWS = 2, 3
"""How the cases of a panel are laid out."""
CASE = (WIDTH - 2 * MARGIN - 3 * GAP) // COLUMNS, (HEIGHT - TOP - BOTTOM) // ROWS
"""The width and height of a case."""
ABOVE, BELOW = 36, 32
"""The room of a case for what it is, and for the numbers below its maps."""
LONGEST = 34
"""Signs of a class's name."""

SOFT, WRONG, RIGHT, LINE = "#565d69", "#a32c0a", "#1d55c4", "#d8dbe0"


def tile_of(techniques: int) -> int:
    """The side of a picture beside so many maps, in pixels."""
    width, height = CASE
    return min((width + GAP) // (techniques + 1) - GAP, height - ABOVE - BELOW)


def panels(study: StudyRecord, files: Mapping[str, bytes], question: str) -> list[bytes]:
    """PNG files of a study's cases for one question, so many cases each.

    Args:
        study: what `study.json` holds.
        files: pictures by the paths that it tells.
        question: one of those that were asked.

    Raises:
        InputError: it was not asked.
    """
    asked = questions_asked(study)
    if question not in asked:
        raise InputError(
            f"Panels can be drawn for {', '.join(asked) or 'no question'}, which were asked; got "
            f"{question!r}."
        )
    cases = study["cases"]
    most = COLUMNS * ROWS
    parts = [cases[start : start + most] for start in range(0, len(cases), most)]
    return [
        drawn(study, part, files, question, f"{place} of {len(parts)}")
        for place, part in enumerate(parts, start=1)
    ]


def drawn(
    study: StudyRecord,
    cases: Sequence[StudyRecord],
    files: Mapping[str, bytes],
    question: str,
    place: str,
) -> bytes:
    names = [method["name"] for method in study["methods"]]
    tile = tile_of(len(names))
    canvas = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(canvas)
    text(draw, (MARGIN, 30), title(study, question), 40, WIDTH - 2 * MARGIN - 160)
    text(draw, (WIDTH - MARGIN, 42), place, 22, 150, SOFT, "rt")
    for turn, case in enumerate(cases):
        left = MARGIN + turn % COLUMNS * (CASE[0] + 3 * GAP)
        top = TOP + turn // COLUMNS * CASE[1]
        if turn < COLUMNS:
            for column, name in enumerate(names, start=1):
                at = left + column * (tile + GAP)
                text(draw, (at, TOP - 52), name.replace("_", " "), 21, tile)
                text(draw, (at, TOP - 26), unit_of(study, name), 15, tile, SOFT)
        draw_case(canvas, draw, (left, top), case, study, files, question, tile)
    colour_bar(canvas, draw, question)
    file = io.BytesIO()
    canvas.save(file, "PNG", optimize=True)
    return file.getvalue()


def title(study: StudyRecord, question: str) -> str:
    words = {
        "contrast": "Why the class that is said, rather than the other",
        "predicted": "Why the class that is said",
        "true": "Why the right class",
    }
    return words.get(question, QUESTIONS.get(question, question))


def unit_of(study: StudyRecord, name: str) -> str:
    rows = (row for case in study["cases"] for row in case["explanations"] if row["name"] == name)
    return SHARES if any(adds_up(row) for row in rows) else "its own unit"


def draw_case(
    canvas: Image.Image,
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    case: StudyRecord,
    study: StudyRecord,
    files: Mapping[str, bytes],
    question: str,
    tile: int,
) -> None:
    left, top = corner
    at, end = left, left + CASE[0] - GAP
    for said, colour in verdict(case, study):
        at += text(draw, (at, top + 6), said, 22, end - at, colour) + 8
    if end - at > 80:
        text(draw, (end, top + 9), case["name"] or case["id"], 16, end - at, SOFT, "rt")
    top += ABOVE
    picture = Image.open(io.BytesIO(files[case["input"]])).convert("RGB")
    size = fitted(picture.size, tile)
    shown = picture.resize(size, resampling(min(picture.size), min(size)))
    canvas.paste(shown, (left, top))
    rows = {row["name"]: row for row in case["explanations"]}
    for method in study["methods"]:
        left += tile + GAP
        row = rows.get(method["name"], {"targets": {}})
        target = row["targets"].get(question)
        read = None if target is None else read_map(files[target["file"]])
        if read is None:
            draw.rectangle((left, top, left + size[0] - 1, top + size[1] - 1), outline=LINE)
            why = "no map" if row.get("error") else "not asked"
            text(draw, (left + 8, top + 8), why, 16, tile - 16, SOFT)
            continue
        grey, scale = read
        canvas.paste(Image.fromarray(over(grey, scale, shown)), (left, top))
        below = f"limit {number(scale.limit)}"
        text(draw, (left, top + size[1] + 4), below, 15, tile, SOFT)


def over(grey: NDArray[np.uint8], scale: Scale, picture: Image.Image) -> NDArray[np.uint8]:
    """A map over its picture, in the colours of both signs whether it has both or not."""
    found = Image.fromarray(grey).resize(
        picture.size, resampling(max(grey.shape), max(picture.size))
    )
    values = np.asarray(found).astype(np.float64)
    shares = (values - 128) / 127 if scale.signed else values / 255
    return overlay(shares, Scale(1.0, True), np.asarray(picture))


def resampling(source: int, size: int) -> Image.Resampling:
    """Small ones keep their pixels as squares."""
    if source <= SMALL and size >= source:
        return Image.Resampling.NEAREST
    return Image.Resampling.BILINEAR if size >= source else Image.Resampling.LANCZOS


def fitted(size: tuple[int, int], most: int) -> tuple[int, int]:
    width, height = size
    scale = most / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def verdict(case: StudyRecord, study: StudyRecord) -> list[tuple[str, str]]:
    """What stands above a case: words and their colours."""
    about = ABOUT[task_of(study)](case, study)
    colour = WRONG if case["wrong"] else RIGHT
    match task_of(study):
        case "multi-label":
            label = about["label"]
            return [
                (brief(label["short"]), INK),
                (label["probability"], SOFT),
                (about["second"]["name"], colour),
            ]
        case "regression":
            which = f"{brief(about['number'])}: " if about["number"] else ""
            return [
                (f"{which}said {about['value']}, true {about['target']}:", INK),
                (f"{about['error']}, {about['kind']}", colour),
            ]
        case _:
            predicted, true = about["predicted"], about["true"]
            called = (f"{brief(predicted['short'])} {predicted['probability']}", colour)
            if not case["wrong"]:
                return [("rightly called", SOFT), called]
            is_it = (f"{brief(true['short'])} {true['probability']}", INK)
            return [("called", SOFT), called, ("but it is", SOFT), is_it]


def brief(name: str) -> str:
    half = LONGEST // 2
    return name if len(name) <= LONGEST else f"{name[:half].rstrip()}...{name[-half:].lstrip()}"


def colour_bar(canvas: Image.Image, draw: ImageDraw.ImageDraw, question: str) -> None:
    """One for all maps: the strongest colours stand for each map's own limit."""
    length, top = 520, HEIGHT - BOTTOM + 30
    left = WIDTH - MARGIN - length
    canvas.paste(Image.fromarray(ramp(Scale(1.0, True), length, 22)), (left, top))
    for said, at, anchor in (
        ("-limit", left, "lt"),
        ("0", left + length // 2, "mt"),
        ("+limit", left + length, "rt"),
    ):
        text(draw, (at, top + 28), said, 18, length, INK, anchor)
    first = {
        "contrast": "Red speaks for the class that is said, blue for the other one.",
        "label": "Red speaks for the label, blue against it.",
        "value": "Red makes the number higher, blue lower.",
    }.get(question, "Red speaks for the class, blue against it.")
    width = left - MARGIN - 60
    text(draw, (MARGIN, top - 4), first, 22, width)
    told = f"limit: below each map, in its technique's unit; {PERCENTILE:g} % of its values stay within."
    text(draw, (MARGIN, top + 28), told, 18, width, SOFT)
