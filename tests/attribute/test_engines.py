"""Whoever does the blocks, the bytes are the same; what other processes cannot do is said."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import backlight
from backlight_attribute import attribute_dataset
from backlight_attribute.work import AttributionWork
from backlight_datasets import StoreError
from backlight_engines import Processes
from tests.attribute.test_resume import contents
from tests.study.nets import Net, examples

DATA = examples(40)
NET = """
import torch
from tests.study.nets import Net

torch.set_num_threads(1)


def net():
    return Net().eval()


def unseeded():
    torch.manual_seed(torch.seed())
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3)).eval()
"""
OPTIONS: dict[str, Any] = {
    "methods": ["gradient", "input_x_gradient"],
    "targets": ["predicted", "contrast"],
    "block_length": 8,
}
TWO = Processes(workers=2, threads=1)


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and data with names."""
    folder = tmp_path_factory.mktemp("named")
    (folder / "net.py").write_text(NET)
    x = DATA.x.copy().astype(np.float32) / 255
    x[13] = np.nan
    np.savez(folder / "data.npz", x=x[:, None], y=DATA.labels, classes=np.array(DATA.classes))
    return folder


def test_processes_write_the_same_bytes(named: Path, tmp_path: Path) -> None:
    given = f"{named}/net.py:net", f"{named}/data.npz"
    for engine in ("in-process", TWO):
        name = "alone" if engine == "in-process" else "together"
        found = attribute_dataset(*given, store=tmp_path / name, engine=engine, **OPTIONS)
        assert [one.id for one in found.status().skipped] == [13]
    assert contents(tmp_path / "alone") == contents(tmp_path / "together")


def test_a_model_that_is_another_in_each_worker(named: Path, tmp_path: Path) -> None:
    with pytest.raises(backlight.BacklightError, match="other weights than the one"):
        attribute_dataset(
            f"{named}/net.py:unseeded",
            f"{named}/data.npz",
            store=tmp_path,
            engine=TWO,
            **OPTIONS,
        )


def test_a_model_that_cannot_be_sent(tmp_path: Path) -> None:
    net = Net().eval()
    model = backlight.wrap(lambda x: net(x), "torch")
    with pytest.raises(backlight.BacklightError, match=r"net\.py:model|module:function"):
        attribute_dataset(model, DATA, store=tmp_path, engine=TWO, **OPTIONS)


def test_named_work_is_small_and_gives_way_before_a_block_is_done(
    named: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[AttributionWork] = []

    def run(self: Processes, work: Any, blocks: Any) -> Any:
        seen.append(work)
        raise KeyError

    monkeypatch.setattr(Processes, "run", run)
    with pytest.raises(KeyError):
        attribute_dataset(
            f"{named}/net.py:net", f"{named}/data.npz", store=tmp_path, engine=TWO, **OPTIONS
        )
    assert len(pickle.dumps(seen)) < 4000
    assert torch.get_num_threads() == 1
    # No block was done: the command may be mended, and what is still at work on the other one ends.
    mended = OPTIONS | {"targets": ["predicted"]}
    with pytest.warns(backlight.BacklightWarning, match="this one takes its place"):
        attribute_dataset(f"{named}/net.py:net", f"{named}/data.npz", store=tmp_path, **mended)
    with pytest.raises(StoreError, match="Another run was begun"):
        seen[0].start()
