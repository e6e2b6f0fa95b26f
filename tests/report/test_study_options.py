"""What `backlight report` offers of a study: cells, slices, privacy, and what a stop leaves."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backlight.errors import InputError
from backlight_datasets import StoreError
from backlight_report.unfinished import unfinished
from tests.report.shared import parsed, run

FAST = ("-m", "gradient", "-m", "occlusion:window=4,stride=4")


def reported(
    capsys: pytest.CaptureFixture[str], place: Path, out: Path, *options: str
) -> tuple[dict[str, Any], str, str]:
    code, _, err = run(
        capsys, "report", f"{place}/net.py:net", place / "pictures", "-o", out, *FAST, *options
    )
    assert code == 0, err
    page = (out / "report.html").read_text(encoding="utf-8")
    parsed(page)
    return json.loads((out / "study.json").read_text(encoding="utf-8")), page, err


def test_cells_and_right_ones_beside(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, page, _ = reported(
        capsys, place, tmp_path / "out", "--cell", "left:right", "--right", "2", "--limit", "1"
    )
    assert [case["wrong"] for case in record["cases"]] == [True, False, False]
    assert record["selection"]["cells"] == ["left:right"]
    assert (record["selection"]["found"], record["selection"]["left_out"]) == (2, 1)
    assert "All examples of left called right" in page
    assert record["passes"]["forward"] == record["passes"]["predicted_forward"] > 0
    assert record["call"].startswith("backlight")


def test_techniques_are_judged_beside_controls(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, page, _ = reported(capsys, place, tmp_path / "out", "--metric", "srg")
    rows = {row["name"]: row for row in record["metrics"]["rows"]}
    assert set(rows) == {"gradient", "occlusion", "random", "uniform", "centre", "edges"}
    assert rows["random"]["control"] and not rows["gradient"]["control"]
    assert all(row["values"]["srg"]["n"] == 3 for row in rows.values())
    assert record["findings_failed"] == []
    record, page, _ = reported(capsys, place, tmp_path / "out", "--metric", "none")
    assert record["metrics"] is None
    assert "No metrics were measured" in page


def test_a_private_report_has_no_pictures_and_no_names(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    record, page, _ = reported(capsys, place, out, "--private")
    assert sorted(entry.name for entry in out.iterdir()) == ["report.html", "study.json"]
    text = json.dumps(record) + page
    for secret in (str(place), "b.png", "f.png", "net.py"):
        assert secret not in text, secret
    assert "data:image/webp" not in page
    reported(capsys, place, out)  # a private one is a report too, and may be replaced
    assert (out / "pictures").is_dir()


def test_a_page_without_its_pictures(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, page, _ = reported(capsys, place, tmp_path / "out", "--no-embed")
    file = record["cases"][0]["explanations"][0]["targets"]["contrast"]["file"]
    assert file in page
    assert (tmp_path / "out" / file).is_file()


def test_a_slice_by_a_file_beside(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [
        path.relative_to(place / "pictures").as_posix()
        for path in sorted((place / "pictures").rglob("*.png"))
    ]
    lines = [f"{name},{'dark' if number % 2 else 'day'}" for number, name in enumerate(names)]
    (tmp_path / "beside.csv").write_text("\n".join(["name,light", *lines]) + "\n")
    record, _, _ = reported(
        capsys, place, tmp_path / "out", "--metadata", str(tmp_path / "beside.csv"), "--where",
        "light=dark", "--only", "all",
    )  # fmt: skip
    assert {case["name"] for case in record["cases"]} == set(names[1::2])
    assert "with light=dark" in record["selection"]["rule"]


def test_a_baseline_is_named(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, page, _ = reported(capsys, place, tmp_path / "out", "--baseline", "white")
    assert record["baseline"] == "white"
    assert "white" in page


def test_nothing_is_left_beside_a_report(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reported(capsys, place, tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
    reported(capsys, place, tmp_path / "out", "--store", str(tmp_path / "kept"))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["kept", "out"]
    record, _, _ = reported(capsys, place, tmp_path / "out", "--store", str(tmp_path / "kept"))
    assert (record["passes"]["forward"], record["passes"]["backward"]) == (0, 0)


@pytest.mark.parametrize(
    ("error", "stays"),
    [(KeyboardInterrupt(), True), (StoreError("full"), True), (InputError("bad"), False)],
)
def test_what_a_stop_leaves(
    error: BaseException, stays: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(type(error)), unfinished(tmp_path / "out", None) as kept:
        assert kept is not None
        kept.mkdir()
        (kept / "block-000000.npz").write_bytes(b"")
        raise error
    assert (tmp_path / "out.unfinished").exists() == stays
    told = "the same command goes on" in capsys.readouterr().err.replace("\n", " ")
    assert told == isinstance(error, KeyboardInterrupt)


def test_a_stop_before_anything_was_computed_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), unfinished(tmp_path / "out", None) as kept:
        assert kept is not None
        kept.mkdir()
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_an_error_takes_nothing_away_that_was_there_before(tmp_path: Path) -> None:
    (tmp_path / "out.unfinished").mkdir()
    (tmp_path / "out.unfinished" / "block-000000.npz").write_bytes(b"")
    with pytest.raises(InputError), unfinished(tmp_path / "out", None):
        raise InputError("bad")
    assert (tmp_path / "out.unfinished" / "block-000000.npz").exists()


def test_several_labels_numbers_masks_and_panels(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command with all that nets without classes need: what is said reaches the study."""
    data, rng = np.load(place / "data.npz"), np.random.default_rng(0)
    count = len(data["x"])
    has = rng.integers(0, 2, (count, 2))
    np.savez(tmp_path / "labels.npz", x=data["x"], y=has)
    np.savez(tmp_path / "numbers.npz", x=data["x"], y=rng.normal(size=(count, 2)))
    np.save(tmp_path / "masks.npy", rng.random((count, 8, 8)) < 0.5)
    (tmp_path / "names.txt").write_text("left\nright\n")
    shared = ["-m", "saliency", "--classes", tmp_path / "names.txt"]
    net, out = f"{place}/net.py:net", tmp_path / "report"
    code, _, err = run(capsys, "report", net, tmp_path / "labels.npz", *shared, "-o", out)
    assert code == 2
    assert "--task multi-label or --task regression" in err
    code, told, _ = run(
        capsys, "report", net, tmp_path / "labels.npz", *shared, "-o", out, "--task", "multi-label",
        "--cell", "right:*", "--masks", tmp_path / "masks.npy", "--metric", "mass_accuracy",
        "--panels", "label", "--near", "conv",
    )  # fmt: skip
    assert code == 0
    record = json.loads((out / "study.json").read_text())
    assert record["task"] == "multi-label"
    assert record["selection"]["cells"] == ["right:*"]
    assert {case["label"]["name"] for case in record["cases"]} == {"right"}
    assert record["near"] == "conv"
    assert [row["name"] for row in record["metrics"]["columns"]] == ["mass_accuracy"]
    assert all((out / path).is_file() for path in record["panels"])
    mistakes = sum(one["missed"] + one["invented"] for one in record["performance"]["labels"])
    assert f"{mistakes} mistakes in {2 * count} labels" in told
    code, told, _ = run(
        capsys, "report", net, tmp_path / "numbers.npz", *shared, "-o", out, "--order", "under",
        "--metric", "none",
    )  # fmt: skip
    assert code == 0
    record = json.loads((out / "study.json").read_text())
    assert record["task"] == "regression"
    assert all(case["kind"] == "under" for case in record["cases"])
    assert "Mean absolute errors: left" in told
    assert not list((out / "pictures").glob("panel*"))
