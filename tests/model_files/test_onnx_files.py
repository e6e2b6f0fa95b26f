"""ONNX files: what runs them, that it is said, and that nothing in them is run as code."""

import pickle
import sys
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
import torch

import backlight
from backlight.errors import BacklightWarning, ModelError
from backlight_loading import load_model
from backlight_methods import Gradient, Occlusion
from backlight_model_files import onnx_files
from tests.backends.numpy import onnx_nets

WEIGHT = np.random.default_rng(0).normal(size=(4, 3))
X = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path, onnx_nets.dense(WEIGHT))


def written(folder: Path, file: bytes) -> Path:
    path = folder / "net.onnx"
    path.write_bytes(file)
    return path


def installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """As if of what runs ONNX files these were installed and no others."""
    every = ("onnx2torch", "onnxruntime", "torch")

    def find_spec(name: str) -> object:
        return (name in names or None) if name in every else util.find_spec(name)

    monkeypatch.setattr(onnx_files, "find_spec", find_spec)


def test_onnx_runtime_runs_it_without_gradients(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, "onnxruntime", "torch")
    with pytest.warns(
        BacklightWarning, match=r"runs in ONNX Runtime, which has no gradients;.*need"
    ):
        net = load_model(str(path))
    assert backlight.wrap(net).framework == "numpy"
    assert np.allclose(Occlusion()(net, X, 1).values, WEIGHT[:, 1] * X, atol=1e-5)


class Converter(ModuleType):
    """What onnx2torch offers, for a file with one dense layer."""

    def __init__(self, fails: bool = False) -> None:
        super().__init__("onnx2torch")
        self.calls, self.fails = 0, fails

    def convert(self, path: str) -> torch.nn.Module:
        self.calls += 1
        if self.fails:
            raise NotImplementedError("Converter is not registered (MatMul).")
        net = torch.nn.Linear(4, 3, bias=False)
        (weight,) = onnx.load(path).graph.initializer
        net.weight.data = torch.tensor(onnx.numpy_helper.to_array(weight).T)
        return net.train()


def converter(monkeypatch: pytest.MonkeyPatch, fails: bool = False) -> Converter:
    installed(monkeypatch, "onnx2torch", "onnxruntime", "torch")
    made = Converter(fails)
    monkeypatch.setitem(sys.modules, "onnx2torch", made)
    return made


def test_what_onnx2torch_converts_has_gradients(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    converter(monkeypatch)
    with pytest.warns(
        BacklightWarning, match="converted by onnx2torch: it runs in PyTorch, with gr"
    ):
        net: Any = load_model(str(path))
    assert not net.training
    assert np.allclose(Gradient()(net, X, 2).values, WEIGHT[:, 2], atol=1e-6)


def test_what_onnx2torch_cannot_convert_runs_in_onnx_runtime(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    converter(monkeypatch, fails=True)
    told = (
        r"no gradients: onnx2torch could not convert it \(Converter is not registered \(MatMul\)\)"
    )
    with pytest.warns(BacklightWarning, match=told):
        net = load_model(str(path))
    assert backlight.wrap(net).framework == "numpy"


@pytest.mark.parametrize("name", ['a"), open("touched", "w"), getattr(self, "b', "a\nb", "a\\"])
def test_a_name_that_would_be_run_as_code_is_not_converted(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = converter(monkeypatch)
    bad = written(tmp_path, onnx_nets.dense(WEIGHT, name=name))
    with pytest.raises(ModelError, match="the name would be run as code"):
        load_model(str(bad))
    assert made.calls == 0


def test_numbers_outside_of_the_files_folder_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, "onnxruntime")
    (tmp_path / "secret.bin").write_bytes(bytes(WEIGHT.astype(np.float32)))
    made = onnx.load_from_string(onnx_nets.dense(WEIGHT))
    (weight,) = made.graph.initializer
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../secret.bin")
    folder = tmp_path / "models"
    folder.mkdir()
    with pytest.raises(ModelError, match=r"could not load .*escapes model directory"):
        load_model(str(written(folder, made.SerializeToString())))


def test_a_broken_file_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"no model")
    for names, who in (
        (("onnxruntime",), "ONNX Runtime could not load"),
        (("onnx2torch", "torch"), "could not be loaded as an ONNX model"),
    ):
        installed(monkeypatch, *names)
        with pytest.raises(ModelError, match=who):
            load_model(str(path))


def test_what_to_install_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "torch")
    with pytest.raises(ModelError, match=r"pip install 'backlight\[onnx\]'"):
        load_model(str(path))


@pytest.mark.parametrize("suffix", [".pkl", ".pickle", ".joblib"])
def test_a_pickled_estimator_is_not_loaded(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(ModelError, match=r"would run any code.* name that as file\.py:function"):
        load_model(str(path))
