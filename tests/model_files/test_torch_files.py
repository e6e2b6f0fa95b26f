"""Files that would run code as they are loaded, or when their graph runs: each kind is refused."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import backlight
from backlight.errors import ModelError
from backlight_methods import Gradient
from backlight_model_files.torch_files import load


class Touch:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


class Net(nn.Module):
    """What exported programs have: parameters, buffers kept and not kept, a constant, sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.norm = nn.BatchNorm1d(3)
        self.register_buffer("shift", torch.arange(3.0), persistent=False)
        self.scale = torch.full((3,), 2.0)

    def forward(self, x: torch.Tensor, more: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        z = self.norm(self.layer(x)) * self.scale + self.shift + more["bias"]
        if x.shape[0] % 2 == 0:
            z = z.reshape(x.shape[0] * 3).reshape(-1, 3)
        return {"logits": z}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    batch = torch.export.Dim.DYNAMIC
    path = tmp_path_factory.mktemp("exported") / "net.pt2"
    exported = torch.export.export(
        Net().eval(),
        (torch.ones(4, 4), {"bias": torch.ones(3)}),
        dynamic_shapes=({0: batch}, {"bias": None}),
    )
    torch.export.save(exported, path, extra_files={"notes.json": "(anything)"})
    return path


def rewritten(path: Path, to: Path, changes: dict[str, Callable[[bytes], bytes]]) -> Path:
    """A copy of an archive with some members changed, or added where they are not there."""
    left = dict(changes)
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(to, "w") as after:
        for name in before.namelist():
            root, _, inner = name.partition("/")
            change = left.pop(inner, bytes)
            after.writestr(name, change(before.read(name)))
        for inner, change in left.items():
            after.writestr(f"{root}/{inner}", change(b""))
    return to


def saved(found: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(found, buffer)
    return buffer.getvalue()


def test_an_ordinary_exported_program_loads(program: Path) -> None:
    net, x = load(program), torch.randn(6, 4)
    more = {"bias": torch.zeros(3)}
    with torch.no_grad():
        layer, norm = net.layer, net.norm  # type: ignore[attr-defined]
        z = torch.nn.functional.linear(x, layer.weight, layer.bias)
        z = (z - norm.running_mean) / torch.sqrt(norm.running_var + 1e-5)
        expected = (z * norm.weight + norm.bias) * 2 + torch.arange(3.0)
    found = net(x, more)["logits"]  # type: ignore[operator]
    torch.testing.assert_close(found, expected)


PICKLES = {
    "sample inputs": "data/sample_inputs/model.pt",
    "weights of before": "data/weights/model.pt",
    "constants of before": "data/constants/model.pt",
    "an object": "data/constants/opaque_obj_0",
    "a script object": "data/constants/custom_obj_0",
}


@pytest.mark.parametrize("kind", PICKLES)
@pytest.mark.parametrize("pickler", [saved, pickle.dumps])
def test_pickles_in_exported_programs(
    kind: str, pickler: Callable[[object], bytes], program: Path, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    stored = pickler((Touch(made),))
    changed = rewritten(program, tmp_path / "evil.pt2", {PICKLES[kind]: lambda _: stored})
    with pytest.raises(ModelError, match="unpickling needs the object's own code, and would run"):
        load(changed)
    assert not made.exists()


@pytest.mark.parametrize("folder", ["weights", "constants"])
def test_pickled_tensors_in_exported_programs(folder: str, program: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    config = f"data/{folder}/model_{folder}_config.json"
    number = "weight_0" if folder == "weights" else "tensor_0"

    def pickled(stored: bytes) -> bytes:
        known = json.loads(stored)
        for one in known["config"].values():
            one["use_pickle"] |= one["path_name"] == number
        return json.dumps(known).encode()

    def changed(found: object) -> Path:
        changes = {config: pickled, f"data/{folder}/{number}": lambda _: saved(found)}
        return rewritten(program, tmp_path / "changed.pt2", changes)

    with pytest.raises(ModelError, match=rf"pickled object \(data/{folder}/{number}\)"):
        load(changed(Touch(made)))
    assert not made.exists()
    load(changed(nn.Parameter(torch.ones(3, 4)) if folder == "weights" else torch.ones(3)))


@pytest.mark.parametrize("member", ["example_inputs.pt", "state_dict.pt", "constants.json"])
def test_pickles_in_exported_programs_of_before(member: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    with zipfile.ZipFile(tmp_path / "old.pt2", "w") as archive:
        archive.writestr("version", "8.0")
        archive.writestr(f"serialized_{member}", saved((Touch(made),)))
    with pytest.raises(ModelError):
        load(tmp_path / "old.pt2")
    assert not made.exists()


def inserted(model: Any, place: str, code: str) -> None:
    """Put text into a program where it would be run."""
    graph = model["graph_module"]["graph"]
    if place == "guard":
        model["guards_code"] = [code]
    elif place == "quoted guard":
        model["guards_code"] = [f"L['x'].size()[0] == L['''{chr(34)}+{code}+{chr(34)}''']"]
    elif place == "size":
        sizes = next(one["sizes"] for one in graph["tensor_values"].values() if one["sizes"])
        sizes[0] = {"as_expr": {"expr_str": code, "hint": {"as_int": 4}}}
    elif place == "text in a size":
        sizes = next(one["sizes"] for one in graph["tensor_values"].values() if one["sizes"])
        sizes[0] = {"as_expr": {"expr_str": f"Integer({code!r})", "hint": {"as_int": 4}}}
    elif place == "operator":
        graph["nodes"][0]["target"] = "torch.ops.aten.from_file.default"
    elif place == "any function":
        graph["nodes"][0]["inputs"][0]["arg"] = {"as_operator": "torch.hub.load"}
    elif place == "compiled operator":
        graph["nodes"][0]["target"] = "torch.ops.higher_order.aoti_call_delegate"
    elif place == "argument's name":
        one = model["graph_module"]["module_call_graph"][0]["signature"]
        one["forward_arg_names"] = [f"x={code}", "more"]
    elif place == "structure":
        one = model["graph_module"]["module_call_graph"][0]["signature"]
        kind = json.dumps({"__enum__": True, "fqn": "antigravity:Flying", "name": "UP"})
        child = {"type": "builtins.dict", "context": f"[{kind}]", "children_spec": []}
        one["in_spec"] = json.dumps([1, child])


PLACES = [
    "guard",
    "quoted guard",
    "size",
    "text in a size",
    "operator",
    "any function",
    "compiled operator",
    "argument's name",
    "structure",
]


@pytest.mark.parametrize("place", PLACES)
def test_code_in_exported_programs(place: str, program: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    code = f"__import__('pathlib').Path({str(made)!r}).touch()"

    def change(stored: bytes) -> bytes:
        model = json.loads(stored)
        inserted(model, place, code)
        return json.dumps(model).encode()

    changed = rewritten(program, tmp_path / "evil.pt2", {"models/model.json": change})
    with pytest.raises(ModelError, match="which is not loaded: it would be run as code"):
        load(changed)
    assert not made.exists()


def test_compiled_programs_are_not_loaded(program: Path, tmp_path: Path) -> None:
    member = "data/aotinductor/model/model.so"
    changed = rewritten(program, tmp_path / "compiled.pt2", {member: lambda _: b"\x7fELF"})
    with pytest.raises(ModelError, match=r"compiled code \(data/aotinductor/model/model.so\)"):
        load(changed)


class Writing(nn.Module):
    """It writes a file whenever it runs, and as a script already when it is loaded."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, self.path)
        return x

    @torch.jit.export
    def __getstate__(self) -> tuple[str, bool]:
        return self.path, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]) -> None:
        self.path = state[0]
        self.training = state[1]
        torch.save(torch.ones(1), self.path)


class Mapping(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.from_file("made", True, 1)


@pytest.mark.filterwarnings("ignore:`torch.jit")
@pytest.mark.parametrize("kind", ["save", "from_file"])
def test_scripts_that_write_files(kind: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    net = Writing(str(made)) if kind == "save" else Mapping()
    torch.jit.script(net).save(str(tmp_path / "script.pt"))
    made.unlink(missing_ok=True)
    with pytest.raises(ModelError, match=f"calls {kind} .* reads or writes files"):
        load(tmp_path / "script.pt")
    assert not made.exists()


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_an_ordinary_script_loads(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)).eval()
    torch.jit.script(net).save(str(tmp_path / "script.pt"))
    x = np.ones((2, 4), "float32")
    found = [Gradient()(one, x, 1).values for one in (load(tmp_path / "script.pt"), net)]
    np.testing.assert_allclose(*found, rtol=1e-6)
    backlight.forget()
