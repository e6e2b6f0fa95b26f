"""The PyTorch backend: exported."""

import copy
import functools
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn

import backlight
from backlight import Class, Output, Shared
from backlight.errors import (
    ModelError,
    UnknownNameError,
)
from backlight.plugins.entry_points import plugins
from backlight_methods import DeepLIFT
from tests.backends.torch.model.nets import AT, bound, convolutional, images, names_of, same


def exported(rows: int | None) -> Any:
    dynamic = None if rows else ({0: torch.export.Dim.DYNAMIC},)
    net = convolutional().eval()
    return net, torch.export.export(net, (images(rows or 2),), dynamic_shapes=dynamic)


@pytest.mark.parametrize("rows", [None, 2, 8])
def test_exported_programs(rows: int | None, tmp_path: Any) -> None:
    net, program = exported(rows)
    torch.export.save(program, tmp_path / "net.pt2")
    loaded = plugins().manager.hook.backlight_load_model(path=tmp_path / "net.pt2")
    x = images(5)
    eager = backlight.wrap(net)
    for model in (backlight.wrap(program), backlight.wrap(loaded)):
        score = bound(model, x, Class([1, 2, 3, 0, 1]))
        assert model.outputs(x) == eager.outputs(x)
        same(model.predict(x), eager.predict(x))
        same(model.gradient(x, score).gradient, eager.gradient(x, score).gradient)
        expected = [(site.name, site.shape, site.kind, site.pooled) for site in eager.sites(x)]
        found = [(site.name, site.shape, site.kind, site.pooled) for site in model.sites(x)]
        assert found == expected
        for at in AT:
            value = model.activation(x, at)
            same(value, eager.activation(x, at))
            one, other = (m.gradient(x, score, at=at) for m in (model, eager))
            same([one.gradient, one.value, one.score], [other.gradient, other.value, other.score])
            moved = cast(Any, value) * 1.1
            same(
                model.gradient(x, score, at=at, value=moved).gradient,
                eager.gradient(x, score, at=at, value=moved).gradient,
            )
            same(*(np.asarray(DeepLIFT()(one, x, 1, at=at).values) for one in (model, eager)))


def test_an_exported_value_that_goes_several_ways() -> None:
    class Ways(nn.Module):
        class Split(nn.Module):
            def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
                return x * 2, x * 3

        def __init__(self) -> None:
            super().__init__()
            self.split, self.curve = self.Split(), nn.Tanh()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            left, right = self.split(self.curve(x))
            return left * right + left.exp()

    x = torch.randn(2, 3, dtype=torch.float64)
    eager, model = (backlight.wrap(net) for net in (Ways(), torch.export.export(Ways(), (x,))))
    score = bound(eager, x, Class(1))
    assert names_of(model, x) == names_of(eager, x) == ["curve", "split[0]", "split[1]"]
    for at in names_of(eager, x):
        found, expected = (one.gradient(x, score, at=at) for one in (model, eager))
        same([found.value, found.gradient], [expected.value, expected.gradient])
    y = torch.tanh(x)
    left = torch.zeros_like(x)
    left[:, 1] = (3 * y + (2 * y).exp())[:, 1]
    same(model.gradient(x, score, at="split[0]").gradient, left)


def test_rows_are_cut_and_filled_up_with_extra_arguments() -> None:
    class Masked(nn.Module):
        def forward(self, x: torch.Tensor, mask: torch.Tensor, shared: torch.Tensor) -> Any:
            return {"y": (x * mask) @ shared}

    shared = torch.randn(4, 4)
    program = torch.export.export(Masked(), (torch.ones(4, 4), torch.ones(4, 4), shared))
    model = backlight.wrap(program)
    x, mask = torch.randn(7, 4), torch.randn(7, 4)
    inputs = model.prepare(x, extra=(mask, Shared(shared)))
    classes = np.arange(7) % 4
    assert cast(Any, model.outputs(inputs))["y"].shape == (7, 4)
    same(cast(Any, model.predict(inputs))["y"], (x * mask) @ shared, rtol=1e-5, atol=1e-6)
    found = model.gradient(inputs, bound(model, inputs, Class(classes, path="y")))
    same(found.gradient, mask * shared.T[classes], rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_torchscript(tmp_path: Any) -> None:
    net, x = convolutional(), images()
    scripted = torch.jit.script(net)
    scripted.save(str(tmp_path / "net.pt"))
    eager = backlight.wrap(net)
    score = bound(eager, x, Class([1, 2, 3]))
    expected = eager.gradient(x, score).gradient
    loaded = plugins().manager.hook.backlight_load_model(path=tmp_path / "net.pt")
    traced = torch.jit.trace(copy.deepcopy(net).eval(), x)
    for module in (scripted, loaded, traced):
        model = backlight.wrap(module)
        for _ in range(3):  # the second call and later ones run another way
            same(model.gradient(x, score).gradient, expected)
        assert model.sites(x) == ()
        with pytest.raises(UnknownNameError, match="outside of TorchScript"):
            model.gradient(x, score, at="curve")
    assert all(module.training for module in scripted.modules())
    ending = backlight.wrap(torch.jit.script(nn.Sequential(net, nn.Softmax(1))))
    assert cast(Any, ending.outputs(x)).kind == "probabilities"
    function = torch.jit.script(doubled)
    same(backlight.wrap(function).gradient(x, bound(eager, x, Output())).gradient, 2 + 0 * x)


def doubled(x: torch.Tensor) -> torch.Tensor:
    return (x * 2).flatten(1)


def test_files_that_hold_no_model(tmp_path: Any) -> None:
    load = functools.partial(plugins().manager.hook.backlight_load_model)
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "weights.pth")
    torch.save(nn.Linear(2, 2), tmp_path / "module.pt")
    (tmp_path / "noise.pt").write_bytes(b"no such thing")
    (tmp_path / "noise.pt2").write_bytes(b"no such thing")
    for name, why in {
        "weights.pth": r"weights only.*file\.py:name",
        "module.pt": r"would run any code.*file\.py:name",
        "noise.pt": "not a file of PyTorch's|pickled",
        "noise.pt2": "exported program",
    }.items():
        with pytest.raises(ModelError, match=why):
            load(path=tmp_path / name)
    assert load(path=tmp_path / "model.other") is None


# The compiler reads the `grad` of every array it meets, also where torch warns about that.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_compiled_modules_are_explained_as_they_were() -> None:
    net, x = convolutional().eval(), images()
    eager = backlight.wrap(net)
    score = bound(eager, x, Class([1, 2, 3]))
    expected = eager.gradient(x, score, at="curve").gradient
    inside = copy.deepcopy(net)
    inside.features = cast(Any, torch.compile(inside.features, backend="eager"))
    itself = copy.deepcopy(net)
    itself.compile(backend="eager")
    for compiled in (torch.compile(net, backend="eager"), inside, itself):
        compiled(x)  # compiled before any hook is there
        model = backlight.wrap(compiled)
        assert names_of(model, x) == names_of(eager, x)
        same(model.gradient(x, score, at="curve").gradient, expected)
        same(model.activation(x, "features.0"), eager.activation(x, "features.0"))
        same(model.gradient(x, score).gradient, eager.gradient(x, score).gradient)
