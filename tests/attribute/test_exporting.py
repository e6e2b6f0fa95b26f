"""Stores as files of other kinds: equal values, whole or not at all; and opened where no framework is."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import zarr
from numpy.typing import NDArray

from backlight.command_line import main
from backlight.errors import InputError, PluginError
from backlight_attribute import Attributions, attribute_dataset
from backlight_attribute.exporting import export
from backlight_attribute.results import text
from backlight_attribute.summaries import mean_sizes_figure
from tests.study.nets import Net, examples

COUNT = 30
NAMES = tuple("é" * (k // 8) + str(k) for k in range(COUNT))
"""Longer in each block than in the one before it."""


@pytest.fixture(scope="module")
def found() -> Attributions:
    """At a URL; one example cannot be explained."""
    x = (examples(COUNT).x / 255).astype("float32")[:, None]
    x[13] = np.nan
    return attribute_dataset(
        Net().eval(),
        replace(examples(COUNT), x=x, names=NAMES),
        store="memory://exporting/store",
        methods=["gradient", "occlusion:window=4,stride=4"],
        targets=["predicted", "contrast"],
        block_length=8,
    )


def of_npz(path: Path) -> tuple[dict[str, NDArray[Any]], Mapping[str, Any]]:
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return {name: texts(one) if one.dtype.kind == "S" else one for name, one in arrays.items()}, {}


def of_parquet(path: Path) -> tuple[dict[str, NDArray[Any]], Mapping[str, Any]]:
    table = pyarrow.parquet.read_table(path)
    about = table.schema.metadata
    shapes = json.loads(about[b"shapes"])
    arrays = {}
    for name in table.column_names:
        rows = np.array(table[name].to_pylist())
        arrays["ids" if name == "id" else name] = rows.reshape(len(rows), *shapes.get(name, ()))
    return arrays, json.loads(about[b"plan"])


def of_zarr(path: Path) -> tuple[dict[str, NDArray[Any]], Mapping[str, Any]]:
    group = zarr.open_group(str(path), mode="r")
    arrays = {name: one[:] for name, one in group.members(None) if isinstance(one, zarr.Array)}
    return {
        name: one.astype(object) if one.dtype.kind == "T" else one for name, one in arrays.items()
    }, group.attrs["plan"]


READERS: dict[str, Callable[[Path], tuple[dict[str, NDArray[Any]], Mapping[str, Any]]]] = {
    "npz": of_npz,
    "parquet": of_parquet,
    "zarr": of_zarr,
}


def texts(stored: NDArray[Any]) -> NDArray[np.str_]:
    return np.array([text(one) for one in stored])


@pytest.mark.parametrize("kind", READERS)
def test_what_is_exported_is_read_again(kind: str, found: Attributions, tmp_path: Path) -> None:
    export(found, tmp_path / f"all.{kind}")
    assert [path.name for path in tmp_path.iterdir()] == [f"all.{kind}"]
    arrays, plan = READERS[kind](tmp_path / f"all.{kind}")
    ids, _ = found.column("predicted")
    assert ids.tolist() == [k for k in range(COUNT) if k != 13]
    assert arrays.keys() == {"ids", *found.store.columns()}
    np.testing.assert_array_equal(arrays["ids"], ids)
    assert arrays["names"].tolist() == [NAMES[k] for k in ids]
    for name in found.store.columns():
        stored = found.column(name)[1]
        wanted = texts(stored) if stored.dtype.kind == "S" else stored
        np.testing.assert_array_equal(arrays[name], wanted)
        assert arrays[name].shape == wanted.shape
    if plan:
        assert plan["techniques"] == list(found.store.plan.techniques)


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_export_that_ends_in_the_midst_leaves_nothing(
    kind: str, error: BaseException, found: Attributions, tmp_path: Path
) -> None:
    def ending(what: str, done: int, total: int) -> None:
        if done == 2:
            raise error

    path = tmp_path / f"all.{kind}"
    with pytest.raises(
        (KeyboardInterrupt, InputError), match=r"^$|could not be written: .*No space"
    ):
        export(found, path, progress=ending)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", READERS)
def test_what_a_killed_export_left_is_removed(
    kind: str, found: Attributions, tmp_path: Path
) -> None:
    code = """
import os, sys
from pathlib import Path
from backlight_datasets import committing
def write(where):
    where.mkdir()
    os.kill(os.getpid(), 9)
committing.commit_folder(Path(sys.argv[1]), write)
"""
    path = tmp_path / f"all.{kind}"
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    export(found, path, columns=["predicted"])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("module", "extra"), [("pyarrow", "parquet"), ("zarr", "zarr"), ("matplotlib", "plot")]
)
def test_what_is_not_installed_is_named(
    module: str, extra: str, found: Attributions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(PluginError, match=rf"needs? {module}.*'backlight\[{extra}\]'"):
        if extra == "plot":
            mean_sizes_figure(found)
        else:
            export(found, tmp_path / f"all.{extra}")


def test_commands_take_urls(
    found: Attributions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.py").write_text("from tests.study.nets import Net\nnet = Net().eval()\n")
    data = examples(COUNT)
    np.savez(tmp_path / "data.npz", x=data.x, y=data.labels, classes=np.array(data.classes))
    asked = ["attribute", f"{tmp_path}/net.py:net", f"{tmp_path}/data.npz", "-m", "gradient"]
    for command, said in (
        ([*asked, "-o", "memory://exporting/by_command"], "30 of 30 examples explained"),
        ([*asked, "-o", "memory://exporting/by_command", "--status"], "1 of 1 blocks in memory://"),
        (["store", "verify", "memory://exporting/by_command"], "0 skipped"),
        (["store", "info", str(found.store.folder)], "29 of 30 examples explained, 1 skipped"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(command)
        assert ended.value.code in (0, None)
        assert said in capsys.readouterr().out
    assert Attributions.open("memory://exporting/by_command").origin.methods == ("gradient",)


def test_a_store_opens_where_no_framework_can_be_imported(tmp_path: Path) -> None:
    made = attribute_dataset(
        Net().eval(), examples(COUNT), store=tmp_path, methods=["gradient"], block_length=8
    )
    code = """
import sys

FRAMEWORKS = {"torch", "tensorflow", "keras", "jax", "mlx"}


class NoFramework:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in FRAMEWORKS:
            raise ImportError(name)


sys.meta_path.insert(0, NoFramework())
from backlight_attribute import Attributions

found = Attributions.open(sys.argv[1])
assert found.status(quick=False).complete
one = found.attribution(9, "gradient", "predicted")
print(one.framework, float(one.score[0]), float(abs(one.values).sum()))
assert not FRAMEWORKS & sys.modules.keys()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    one = made.attribution(9, "gradient", "predicted")
    assert done.stdout.split() == [
        "torch",
        str(float(one.score[0])),
        str(float(abs(one.values).sum())),
    ]
    with np.load(tmp_path / "block-000001.npz") as block:  # NumPy alone
        values = block["gradient/predicted/values"].astype(np.float32)
        scale = block["scale/gradient/predicted/values"]
        np.testing.assert_array_equal(values[1] * scale[1], one.values[0])
