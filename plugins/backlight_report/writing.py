"""The folder of a study: its page, its numbers and its pictures."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from backlight.errors import InputError
from backlight_report.directory import MARK, PAGE
from backlight_report.result import Report
from backlight_study.judging import Judgement
from backlight_study.order_record import CLASSES, order_sentences
from backlight_study.questions import Question
from backlight_study.result import Study


def write(
    studied: Study,
    judgement: Judgement,
    directory: str | os.PathLike[str],
    about: Mapping[str, Any],
    *,
    embed: bool = True,
    private: bool = False,
    panels: Sequence[Question] = (),
) -> Report:
    """Write the folder of a study: all of it, or nothing.

    Args:
        studied: the study.
        judgement: what was made of its cases.
        directory: where to.
        about: what the study does not know, see `study_record`.
        embed, private, panels: see `report`.

    Raises:
        InputError: the folder holds something else, or cannot be written; or no technique could explain
            any case.
    """
    from backlight_report.panels import panels as drawn
    from backlight_report.pictures import PictureFiles
    from backlight_report.replacing import replacing
    from backlight_report.study_page.page import study_page
    from backlight_report.study_page.private import private_study
    from backlight_study.record import study_record, written

    target = Path(directory)
    with replacing(target) as folder:
        files = PictureFiles(folder, studied.cases.model.channels, studied.cases.ends)
        record = study_record(studied, judgement, files, about)
        rows = [row for case in record["cases"] for row in case["explanations"]]
        if rows and all(row["error"] for row in rows):
            raise InputError(f"No technique could explain any case: {rows[0]['error']}")
        if panels and studied.cases.kind != "picture":
            raise InputError(
                "Panels are drawn of pictures only, and the examples are of the kind "
                f"{studied.cases.kind}: leave them out."
            )
        if panels and rows:
            record["panels"] = [
                files.panel(f"panel-{question}-{place:02}", content)
                for question in panels
                for place, content in enumerate(drawn(record, files.files, question), start=1)
            ]
        if private:
            files.remove()
        page = study_page(record, files.files, embed=embed, private=private)
        (folder / PAGE).write_text(page, encoding="utf-8")
        (folder / MARK).write_text(
            written(private_study(record) if private else record), encoding="utf-8"
        )
        if record["order"] and record["order"]["file"]:
            lines = record["order"]["names"]
            (folder / CLASSES).write_text("\n".join(lines) + "\n", encoding="utf-8")
    given = (*about.get("notes", ()), *judgement.notes)
    return Report(
        target,
        studied,
        once(f"{row['name']}: {row['error']}" for row in rows if row["error"]),
        (*given, *order_sentences(record, target)),
        once(
            f"{row['name']}: {warning}"
            for row in rows
            for one in row["targets"].values()
            for warning in one["warnings"]
        ),
        estimates(record["cases"]),
    )


def estimates(cases: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """A sentence for each technique that says how far its values may be off."""
    worst: dict[str, dict[str, float]] = {}
    for row in (row for case in cases for row in case["explanations"]):
        for one in row["targets"].values():
            for kind in ("error", "standard_error_of_sum"):
                if one[kind] is not None:
                    known = worst.setdefault(row["name"], {})
                    known[kind] = max(known.get(kind, 0.0), one[kind])
    said = []
    for name, known in worst.items():
        parts = [f"estimated error of a map up to {known['error']:.1%}"] if "error" in known else []
        if "standard_error_of_sum" in known:
            parts.append(
                f"standard error of a map's sum up to {known['standard_error_of_sum']:.3g}"
            )
        said.append(f"{name}: {', '.join(parts)}")
    return tuple(said)


def once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
