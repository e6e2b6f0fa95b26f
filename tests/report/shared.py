"""What tests of the report share: pictures, the command line in this process, pages that are parsed."""

from html.parser import HTMLParser

import numpy as np
import pytest
from numpy.typing import NDArray

from backlight.command_line import main


def picture(left: int, right: int) -> NDArray[np.uint8]:
    """8x8, grey: a brightness for each half, and a spot so that maps are not flat."""
    made = np.empty((8, 8), dtype=np.uint8)
    made[:, :4], made[:, 4:] = left, right
    made[2, 2] = 255
    return made


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """The command line in this process: exit code, output, errors with the spaces evened."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    code = ended.value.code or 0
    assert isinstance(code, int), code
    return code, out, err


class Page(HTMLParser):
    """Checks that tags match; collects addresses, ids, texts."""

    VOID = ("meta", "img", "br", "link", "input", "hr")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.pictures: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [given[key] or "" for key in ("src", "href") if key in given]
        self.ids += [given["id"] or ""] if "id" in given else []
        if tag == "img":
            self.pictures.append(given)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag


def parsed(text: str) -> Page:
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    return page
