"""What reads a store: reports, exports, means over a data set, findings, the command line."""

import torch  # isort: skip  (before TensorFlow: the other order does not load)

import json
import re
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backlight
from backlight.command_line import main
from backlight.errors import InputError
from backlight_attribute import Attributions, attribute_dataset
from backlight_attribute.answered import StoredAnswers
from backlight_attribute.exporting import export
from backlight_attribute.summaries import findings, mean_sizes, mean_sizes_figure
from backlight_datasets import StoreError, open_source
from tests.study.nets import Net, examples

DATA = examples(40)
NET = """
import torch
from tests.study.nets import Net


def net():
    return Net().eval()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and data with names, and a store of them."""
    place = tmp_path_factory.mktemp("named")
    (place / "net.py").write_text(NET)
    np.savez(place / "data.npz", x=DATA.x, y=DATA.labels, classes=np.array(DATA.classes))
    command(
        "attribute",
        f"{place}/net.py:net",
        f"{place}/data.npz",
        *("-m", "input_x_gradient", "-m", "occlusion:window=4,stride=4"),
        *("--target", "predicted", "--target", "true", "--target", "contrast"),
        *("--block-length", "16", "--dtype", "float32", "-o", f"{place}/store"),
    )
    return place


@pytest.fixture(scope="module")
def found(folder: Path) -> Attributions:
    return Attributions.open(folder / "store")


def command(*arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code in (0, None)


def test_a_study_asks_nothing_again(found: Attributions) -> None:
    source = open_source(found.origin.data or "")
    asked = backlight.study(
        Net().eval(), source, methods=list(found.origin.methods), limit=40, batch_size=None
    )
    calls = 0

    class Counted(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            nonlocal calls
            calls += len(x)
            return super().forward(x)

    read = backlight.study(Counted().eval(), source, answered=StoredAnswers(found), limit=40)
    assert calls < len(DATA.x)  # to look at the net and to tell it from others
    assert (read.passes.forward, read.passes.backward) == (0, 0)
    np.testing.assert_array_equal(read.rows, asked.rows)
    np.testing.assert_allclose(read.predictions.probabilities, asked.predictions.probabilities)
    for technique in found.techniques:
        for question in ("predicted", "true", "contrast"):
            np.testing.assert_allclose(
                read.values(technique, question), asked.values(technique, question), atol=1e-5
            )
        assert read.layout(technique) == asked.layout(technique)


def test_right_examples_are_asked_about_again(found: Attributions) -> None:
    """A study asks of them for the class that comes second, and the store for their label."""
    source = open_source(found.origin.data or "")
    both: list[Any] = [
        backlight.study(
            Net().eval(), source, methods=found.origin.methods, only="correct", answered=answered
        )
        for answered in (None, StoredAnswers(found))
    ]
    for technique in found.techniques:
        one, other = (study.values(technique, "true") for study in both)
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_another_model_is_refused(found: Attributions) -> None:
    net = Net().eval()
    with torch.no_grad():
        net.head.weight += 0.1
    source = open_source(found.origin.data or "")
    with pytest.raises(StoreError, match="is of another model"):
        backlight.study(net, source, answered=StoredAnswers(found))


def test_a_report_by_the_command(folder: Path) -> None:
    command("report", "--store", f"{folder}/store", "-o", f"{folder}/report", "--metric", "none")
    record = json.loads((folder / "report" / "study.json").read_text())
    assert record["passes"]["forward"] == record["passes"]["backward"] == 0
    assert [one["name"] for one in record["methods"]] == ["input_x_gradient", "occlusion"]
    assert (folder / "report" / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("gone", ["data.npz", "net.py"])
def test_a_report_of_what_has_moved(
    gone: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(folder / "store", tmp_path / "store")
    origin = tmp_path / "store" / "origin.json"
    origin.write_text(origin.read_text().replace(f"{folder}/{gone}", f"{tmp_path}/{gone}"))
    with pytest.raises(SystemExit) as ended:
        main(["report", "--store", str(tmp_path / "store"), "-o", str(tmp_path / "report")])
    assert ended.value.code == 2
    assert re.search(f"The (model|data) .*/{gone}.* is not there any more", capsys.readouterr().err)


def test_a_report_of_what_has_no_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options: Any = {"methods": ["gradient"], "targets": ["contrast"]}
    attribute_dataset(Net().eval(), DATA, store=tmp_path / "store", **options)
    with pytest.raises(SystemExit) as ended:
        main(["report", "--store", str(tmp_path / "store"), "-o", str(tmp_path / "report")])
    assert ended.value.code == 2
    assert "Name MODEL and DATA" in re.sub(r"\s+", " ", capsys.readouterr().err)
    command("store", "plot", str(tmp_path / "store"), "-o", str(tmp_path / "of contrast.png"))


def test_commands_about_a_store(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = f"{folder}/store"
    command("attribute", f"{folder}/net.py:net", f"{folder}/data.npz", "-o", store, "--status")
    assert "40 of 40 examples explained, 0 skipped; 3 of 3 blocks" in capsys.readouterr().out
    command("store", "info", store)
    told = capsys.readouterr().out
    assert re.search(rf"model +{folder}/net.py:net \(weights [0-9a-f]{{12}}\)\n", told)
    assert "input_x_gradient: InputXGradient()\n" in told
    assert "occlusion/{predicted,true,contrast}/values float32 (1, 8, 8)\n" in told
    assert max(map(len, told.splitlines())) < 200
    command("store", "verify", store)
    command("store", "plot", store, "-o", f"{folder}/mean.png")
    assert (folder / "mean.png").read_bytes()[:4] == b"\x89PNG"
    command("store", "findings", store)
    command("store", "export", store, "-o", f"{folder}/all.npz", "--column", "predicted")
    with np.load(folder / "all.npz") as exported:
        assert sorted(exported.files) == ["ids", "predicted"]


def test_damage_is_said_with_an_exit_code(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(folder / "store", tmp_path / "store")
    block = tmp_path / "store" / "block-000001.npz"
    content = bytearray(block.read_bytes())
    content[len(content) // 2] ^= 255
    block.write_bytes(content)
    with pytest.warns(backlight.BacklightWarning, match="counts as missing"):
        status = Attributions.open(tmp_path / "store").status(quick=False)
    assert status.missing == (1,) and status.explained == 24
    with warnings.catch_warnings(), pytest.raises(SystemExit) as ended:
        warnings.simplefilter("always")  # the command line shows them
        main(["store", "verify", str(tmp_path / "store")])
    assert ended.value.code == 1
    told = capsys.readouterr()
    assert "2 of 3 blocks" in told.out and "counts as missing" in told.err


def test_an_archive_of_all_columns(found: Attributions, tmp_path: Path) -> None:
    export(found, tmp_path / "all.npz")
    with np.load(tmp_path / "all.npz") as exported:
        assert set(exported.files) == {"ids", *found.store.columns()}
        for name in found.store.columns():
            np.testing.assert_array_equal(exported[name], found.column(name)[1])


@pytest.mark.parametrize("ending", ["csv", "txt", ""])
def test_formats_that_there_are_not(ending: str, found: Attributions, tmp_path: Path) -> None:
    with pytest.raises(backlight.BacklightError, match="npz, parquet, zarr"):
        export(found, tmp_path / f"all.{ending}")


def test_an_incomplete_store_is_not_exported(folder: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(folder / "store", tmp_path / "store")
    (tmp_path / "store" / "block-000000.npz").unlink()
    with pytest.raises(InputError, match="1 of 3 blocks are missing"):
        export(Attributions.open(tmp_path / "store"), tmp_path / "all.npz")
    assert not (tmp_path / "all.npz").exists()


def test_mean_sizes(found: Attributions) -> None:
    values = np.abs(found.values("occlusion", "predicted")[1].astype(np.float64))
    predicted, labels = found.column("predicted")[1], found.column("labels")[1]
    sizes = mean_sizes(found, "occlusion")
    np.testing.assert_allclose(sizes.all, values.mean(axis=0))
    assert sizes.count == 40 and sum(sizes.counts.values()) == 40
    for k, mean in sizes.by_class.items():
        np.testing.assert_allclose(mean, values[predicted == k].mean(axis=0))
    by_label = mean_sizes(found, "occlusion", by="labels")
    for k, mean in by_label.by_class.items():
        np.testing.assert_allclose(mean, values[labels == k].mean(axis=0))


def test_the_picture_has_a_row_for_each_technique(found: Attributions) -> None:
    figure = mean_sizes_figure(found, "contrast")
    maps = [axis for axis in figure.axes if axis.images]
    assert [axis.get_ylabel() for axis in maps if axis.get_ylabel()] == list(found.techniques)
    count = len(maps) // len(found.techniques)
    for row, bar in enumerate(axis for axis in figure.axes if not axis.images):
        assert bar.get_ylabel() == "mean |value|"
        line = [axis.images[0] for axis in maps[row * count : (row + 1) * count]]
        most = max(np.asarray(image.get_array()).max() for image in line)
        assert {image.get_clim() for image in line} == {(0.0, most)}
    assert figure.axes[0].get_title() == "all 40"
    assert figure.get_suptitle() == "target: contrast"


def test_findings_of_a_planted_cue(tmp_path: Path) -> None:
    """A quarter of class 0 has one bright corner, a quarter another, which the net takes for class 1."""
    rng = np.random.default_rng(0)
    count = 240
    x = rng.uniform(0, 0.2, (count, 1, 8, 8)).astype(np.float32)
    labels = np.repeat([0, 1], count // 2)
    x[labels == 1, :, 2:6, 2:6] += 0.6
    x[: count // 8, :, :2, :2] = 1.0
    x[count // 8 : count // 4, :, 6:, 6:] = 1.0

    class Fooled(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            places = x[:, 0, 2:6, 2:6], x[:, 0, :2, :2], x[:, 0, 6:, 6:]
            says = sum(10 * torch.relu(place.mean((1, 2)) - 0.5) for place in places)
            return torch.stack([torch.full_like(says, 1.0), says], dim=1)

    found = attribute_dataset(
        Fooled(),
        backlight.Examples(x, labels, ("a", "b")),
        store=tmp_path,
        methods=["input_x_gradient"],
        targets=["contrast"],
    )
    clusters = [one for one in findings(found) if one.kind == "clusters"]
    corners = {frozenset(range(count // 8)), frozenset(range(count // 8, count // 4))}
    assert {frozenset(one.rows) for one in clusters} == corners
