"""Pages in files, each made once, and one browser to open them in."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from backlight_report.study_page import study_page
from tests.pages import made_up_study

Record = dict[str, Any]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="session")
def made(folder: Path) -> Callable[[str], tuple[Path, Record]]:
    """The page of a made-up study, by its name, and its record."""

    @cache
    def make(name: str) -> tuple[Path, Record]:
        study, pictures = getattr(made_up_study, name)()
        path = folder / f"{name}.html"
        path.write_text(study_page(study, pictures), encoding="utf-8")
        return path, study

    return make


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from tests.pages.browser import Browser

    found = Browser()
    yield found
    found.close()


@pytest.fixture(scope="session")
def small(made: Callable[[str], tuple[Path, Record]]) -> tuple[Path, Record]:
    return made("small")
