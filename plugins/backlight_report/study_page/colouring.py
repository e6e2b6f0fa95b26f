"""What colours the grey maps on the page: filters of the browser, and the bars that go with them."""

from functools import cache
from typing import Final

from backlight_pictures.colours import ramp
from backlight_pictures.layers import Signs, filter_tables
from backlight_pictures.png import data_uri, png
from backlight_pictures.scale import Scale
from backlight_report.study_page.record import StudyRecord

SIGNS: Final[tuple[Signs, ...]] = ("both", "positive", "negative")


@cache
def filters() -> tuple[StudyRecord, ...]:
    """A filter for each kind of map and each choice of signs."""
    return tuple(
        {
            "id": f"{kind}-{signs}",
            "tables": {
                channel: " ".join(f"{value:g}" for value in table)
                for channel, table in filter_tables(kind == "signed", signs).items()
            },
        }
        for kind in ("signed", "unsigned")
        for signs in SIGNS
    )


@cache
def ramps() -> dict[str, str]:
    """The colours of the bars, from one end of a scale to the other."""
    return {
        kind: data_uri(png(ramp(Scale(1.0, kind == "signed"), 256, 1)))
        for kind in ("signed", "unsigned")
    }
