"""docs/notebooks run, and show what they are about by name, without an error or a warning."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
SAID = {
    "picture": ("rather than", "right", "channel"),
    "series": ("sensor", "spare", "moments 0 to 119"),
    "table": ("worst radius", "benign", "input"),
    "text": ("gifted", "dull", "[PAD]"),
}


def test_each_kind_has_one() -> None:
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(SAID)


@pytest.mark.parametrize("kind", SAID)
def test_it_runs_and_shows_its_kind(kind: str) -> None:
    book = nbformat.read(FOLDER / f"{kind}.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in book.cells)  # what is shown is made anew
    NotebookClient(book, timeout=300, kernel_name="python3").execute()
    shown = [output for cell in book.cells for output in cell.get("outputs", ())]
    assert not [one for one in shown if one.output_type not in ("execute_result", "display_data")]
    pages = [one.data["text/html"] for one in shown if "text/html" in one.data]
    assert all(said in pages[0] + pages[-1] for said in SAID[kind])
    assert any("image/png" in one.data for one in shown)
