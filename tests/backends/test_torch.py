"""The PyTorch backend: its verbs against closed forms and float64 central differences."""

import copy
import functools
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, cast, final

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.modules.module import register_module_forward_hook

import backlight
from backlight import Class, Function, LogProbability, Margin, Neuron, Output, Probability, Shared
from backlight.errors import (
    InputTypeError,
    ModelError,
    NoBackendError,
    SiteError,
    UnknownNameError,
)
from backlight.memory.identity import Identity, identity_of
from backlight.model.model import Model
from backlight.plugins.entry_points import plugins
from backlight.values.arrays import Arrays, shape_of
from backlight.values.outputs import OutputSpec
from backlight_methods import DeepLIFT
from backlight_torch.engine.running import Overlap
from tests.ids import shown

EXACT = {"rtol": 1e-9, "atol": 1e-11}
DIFFERENCES = {"rtol": 1e-5, "atol": 1e-8}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
    backlight.forget()


class Convolutional(nn.Module):
    """Modules, a function, an operation in place, a module used twice, dropout, batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.SiLU(inplace=True), nn.AvgPool2d(2)
        )
        self.curve = nn.Tanh()
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(12, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.curve(self.features(x)) * 1.5
        y = functional.softplus(self.curve(y))
        logits: torch.Tensor = self.head(self.drop(y.flatten(1)))
        return logits


def convolutional() -> Convolutional:
    net = Convolutional().double()
    net.features(torch.randn(16, 2, 6, 6, dtype=torch.float64))  # batch norm's running statistics
    return net


def images(count: int = 3) -> torch.Tensor:
    return torch.randn(count, 2, 6, 6, dtype=torch.float64)


def central(score: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """d score / dx by central differences, one number of all examples at a time."""
    step, x = 1e-5, x.detach()
    found = torch.zeros_like(x).flatten(1)
    for i in range(found.shape[1]):
        way = torch.zeros_like(found)
        way[:, i] = step
        way = way.reshape(x.shape)
        found[:, i] = (score(x + way) - score(x - way)) / (2 * step)
    return found.reshape(x.shape)


def bound(model: Model, x: Any, score: Any) -> Any:
    inputs = model.prepare(x)
    if score.site is None:
        return score.bind(model.outputs(inputs), inputs.count)
    return score.bind(OutputSpec(model.site(inputs, score.site).shape), inputs.count)


def same(found: Any, expected: Any, **tolerance: float) -> None:
    torch.testing.assert_close(found, expected, **(tolerance or EXACT))


SCORES = [
    Class([1, 3, 0]),
    Probability(2),
    LogProbability([0, 1, 2]),
    Margin(1, versus=[0, 2, 3]),
    Output(index=2),
    Function(lambda outputs, arrays: arrays.sum(outputs * outputs, axis=1)),
]


@pytest.mark.parametrize("score", SCORES, ids=shown)
def test_gradient_agrees_with_central_differences(score: Any) -> None:
    net, x = convolutional(), images()
    model = backlight.wrap(net)
    score = bound(model, x, score)
    found = model.gradient(x, score)
    same(found.gradient, central(lambda p: model.score(p, score), x), **DIFFERENCES)
    same(found.score, model.score(x, score))
    assert found.value is x
    assert not cast(Any, found.score).requires_grad


def test_scores_have_their_closed_forms() -> None:
    net = nn.Linear(5, 4).double()
    x = torch.randn(3, 5, dtype=torch.float64)
    model = backlight.wrap(net)
    y, rows = net(x).detach(), torch.arange(3)
    k = torch.tensor([1, 3, 0])
    found = model.gradient(x, bound(model, x, Class(k.numpy())))
    same(found.gradient, net.weight.detach()[k])
    same(found.score, y[rows, k])
    p = torch.softmax(y, 1)
    found = model.gradient(x, bound(model, x, Probability(k.numpy())))
    same(found.score, p[rows, k])
    weight = net.weight.detach()
    same(found.gradient, p[rows, k][:, None] * (weight[k] - p @ weight))


def test_numpy_takes_the_dtype_of_the_weights() -> None:
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        model = backlight.wrap(nn.Linear(5, 4).to(dtype))
        x = np.ones((2, 5))
        gradient = cast(Any, model.gradient(x, bound(model, x, Class(1))).gradient)
        assert gradient.dtype == dtype
        assert model.to_numpy(gradient).shape == (2, 5)


def test_asarray_copies_whatever_numpy_holds() -> None:
    model = backlight.wrap(nn.Linear(2, 2))
    source = np.arange(6.0)
    source.flags.writeable = False
    for array in (source, source[::-1], source.astype(">f8"), source.reshape(2, 3).T):
        found = cast(Any, model.asarray(array))
        assert found.dtype == torch.float32
        np.testing.assert_array_equal(found.numpy(), array)
    assert cast(Any, model.asarray(np.array([1, 2], dtype=np.int16))).dtype == torch.int16
    assert cast(Any, model.asarray(np.array([True]))).dtype == torch.bool
    like = cast(Any, torch.zeros(1, dtype=torch.float64))
    assert cast(Any, model.asarray(source, like=like)).dtype == torch.float64
    own = source.copy()
    cast(Any, model.asarray(own.astype(np.float32))).add_(1)
    np.testing.assert_array_equal(own, source)
    with pytest.raises(InputTypeError, match="dtype <U1"):
        model.asarray(np.array(["a"]))


def test_arrays_of_the_standard_work_inside_a_graph() -> None:
    xp = backlight.wrap(nn.Linear(1, 1)).arrays
    x = cast(Any, torch.randn(3, 4, dtype=torch.float64).abs().requires_grad_())
    index = cast(Any, torch.tensor([2, 0, 1]))
    results = {
        "abs": xp.abs(x),
        "sqrt": xp.sqrt(x),
        "exp": xp.exp(x),
        "log": xp.log(x),
        "maximum": xp.maximum(x, x * 2),
        "where": xp.where(x > 1, x, -x),
        "sum": xp.sum(x, axis=(0, 1), keepdims=True),
        "mean": xp.mean(x, axis=1, keepdims=True),
        "max": xp.max(x, axis=(0, 1)),
        "min": xp.min(x, axis=1, keepdims=True),
        "reshape": xp.reshape(x, (2, 6)),
        "permute_dims": xp.permute_dims(x, (1, 0)),
        "expand_dims": xp.expand_dims(x, axis=0),
        "broadcast_to": xp.broadcast_to(x, (2, 3, 4)),
        "concat": xp.concat([x, x], axis=1),
        "take": xp.take(x, index, axis=0),
        "take_along_axis": xp.take_along_axis(x, index[:, None], axis=1),
    }
    shapes = {name: shape_of(value) for name, value in results.items()}
    assert shapes["max"] == () and shapes["sum"] == (1, 1) and shapes["mean"] == (3, 1)
    assert shapes["concat"] == (3, 8) and shapes["take_along_axis"] == (3, 1)
    assert all(cast(Any, value).requires_grad for value in results.values())
    same(results["take_along_axis"], x[range(3), [2, 0, 1]][:, None])
    constants = {"argmax", "zeros_like", "isfinite", "all"}
    assert shape_of(xp.argmax(x, axis=1)) == (3,)
    assert bool(cast(Any, xp.all(xp.isfinite(xp.zeros_like(x)), axis=(0, 1))))
    listed = {name for name in vars(Arrays) if not name.startswith("_")}
    assert set(results) | constants == listed


class Several(nn.Module):
    def forward(
        self, a: torch.Tensor, b: torch.Tensor, mask: torch.Tensor, scale: float = 1.0
    ) -> dict[str, Any]:
        first = (a * mask).sum(1) * scale
        return {"out": torch.stack([first, first**2], 1), "more": [b.sum(1), None]}


def test_several_inputs_and_extra_arguments() -> None:
    a, b, mask = (torch.randn(3, 4, dtype=torch.float64) for _ in range(3))
    model = backlight.wrap(Several())
    inputs = model.prepare((a, b), extra=(mask, 2.0))
    outputs = cast(Any, model.outputs(inputs))
    assert outputs["out"].shape == (3, 2) and outputs["more"] == (OutputSpec((3,)), ())
    found = model.gradient(inputs, bound(model, inputs, Class(1, path="out")))
    first = (a * mask).sum(1) * 2
    same(cast(Any, found.gradient)[0], 2 * first[:, None] * mask * 2)
    same(cast(Any, found.gradient)[1], torch.zeros_like(b))  # not used by the score
    named = model.prepare({"b": b, "a": a}, extra={"mask": mask, "scale": Shared(3.0)})
    found = model.gradient(named, bound(model, named, Class(0, path="out")))
    assert list(cast(Any, found.gradient)) == ["b", "a"]
    same(cast(Any, found.gradient)["a"], 3 * mask)
    predicted = cast(Any, model.predict(named))
    assert isinstance(predicted, dict) and isinstance(predicted["more"], list)


def test_a_constant_score_and_integer_inputs_have_gradient_zero() -> None:
    model = backlight.wrap(lambda x, ids: torch.ones(len(x), 2), "torch")
    x, ids = torch.randn(3, 4), torch.zeros(3, dtype=torch.int64)
    found = cast(Any, model.gradient((x, ids), bound(model, (x, ids), Class(1))))
    same(found.gradient[0], torch.zeros(3, 4))
    same(found.gradient[1], ids)
    same(found.score, torch.ones(3))


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_callers_gradient_mode_does_not_matter(mode: Any) -> None:
    net, x = convolutional(), images()
    model = backlight.wrap(net)
    score = bound(model, x, Class(1))
    expected = model.gradient(x, score)
    with mode():
        own = x + 0  # in inference mode, an array that no graph takes
        extra = backlight.wrap(lambda a, b: (a * b).flatten(1), "torch").prepare(own, (own + 0,))
        found = model.gradient(own, score)
        inner = model.gradient(own, score, at="curve")
        assert torch.is_grad_enabled() is False
        assert torch.is_inference_mode_enabled() is (mode is torch.inference_mode)
        product = backlight.wrap(lambda a, b: (a * b).flatten(1), "torch")
        same(product.gradient(extra, bound(product, extra, Output())).gradient, own.clone())
    same(found.gradient, expected.gradient)
    assert cast(Any, inner.gradient).abs().sum() > 0


def test_weights_made_in_inference_mode_are_refused() -> None:
    with torch.inference_mode():
        net = nn.Linear(4, 2)
    model = backlight.wrap(net)
    x = torch.randn(3, 4)
    with pytest.raises(ModelError, match=r"made inside torch.inference_mode"):
        model.gradient(x, bound(model, x, Class(1)))


def test_inputs_are_never_written_to() -> None:
    def writes(x: torch.Tensor, extra: list[torch.Tensor]) -> torch.Tensor:
        extra[0].zero_()
        return x.mul_(2).pow(2)

    x, mask = torch.randn(3, 4), torch.ones(3, 4)
    before = x.clone()
    model = backlight.wrap(writes, "torch")
    inputs = model.prepare(x, extra=([mask],))
    score = bound(model, inputs, Class(1))
    model.predict(inputs)
    model.score(inputs, score)
    found = model.gradient(inputs, score)
    same(x, before)
    same(mask, torch.ones(3, 4))
    expected = torch.zeros(3, 4)
    expected[:, 1] = 8 * x[:, 1]
    same(found.gradient, expected, rtol=1e-6, atol=1e-6)


def everything(net: nn.Module) -> list[Any]:
    """All there is to see of a net."""
    return [
        (name, module.training, sorted(module.__dict__), len(module._forward_hooks))
        for name, module in net.named_modules()
    ] + [
        (name, value.clone(), value.requires_grad, value.grad, value._version)
        for name, value in net.state_dict(keep_vars=True).items()
    ]


@pytest.mark.parametrize("fails", [False, True])
def test_the_net_comes_back_as_it_was(fails: bool) -> None:
    net, x = convolutional(), images()
    net.features[1].eval()
    net.head.weight.requires_grad_(False)
    model = backlight.wrap(net)
    score = bound(model, x, Class(1))
    before, state = everything(net), torch.get_rng_state()
    net.features[0].training = True
    given = images() if not fails else torch.randn(3, 2, 3, 3, dtype=torch.float64)
    torch.set_rng_state(state)
    verbs: list[Callable[[], object]] = [
        lambda: model.predict(given),
        lambda: model.score(given, score),
        lambda: model.gradient(given, score),
        lambda: model.gradient(given, score, at="curve:2"),
        lambda: model.activation(given, "features"),
        lambda: model.sites(given),
        lambda: model.outputs(given),
    ]
    for verb in verbs:
        if fails:
            with pytest.raises(ModelError):
                verb()
        else:
            verb()
        for found, expected in zip(everything(net), before, strict=True):
            assert str(found) == str(expected)
    assert torch.equal(torch.get_rng_state(), state)


def test_threads_at_once_get_their_own_results() -> None:
    net = convolutional().train()
    model = backlight.wrap(net)
    batches = [images(n % 3 + 1) for n in range(24)]
    quiet = copy.deepcopy(net).eval()
    reference = backlight.wrap(quiet)

    def job(n: int, model: Model) -> list[Any]:
        x = batches[n]
        score = bound(model, x, Class(n % 4))
        at = ("curve", "curve:2", "features.0")[n % 3]
        inner = model.gradient(x, score, at=at)
        again = model.gradient(x, score, at=at, value=inner.value)
        return [
            model.gradient(x, score).gradient,
            inner.gradient,
            again.gradient,
            model.activation(x, at),
            model.predict(x),
            [site.shape for site in model.sites(x)],
        ]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: job(n, model), range(24)))
    for n in range(24):
        same(found[n], job(n, reference))
    assert all(module.training for module in net.modules())
    assert not any(module._forward_hooks for module in net.modules())


def test_calls_in_other_threads_are_no_edit() -> None:
    net = convolutional()
    model = backlight.wrap(net)
    x = images()
    net.features[1].register_forward_hook(lambda module, inputs, value: value + 1)
    before = identity_of(net)
    seen: list[Identity] = []
    look = register_module_forward_hook(lambda module, inputs, value: seen.append(identity_of(net)))
    with look:
        model.sites(x)
        model.gradient(x, bound(model, x, Class(0)), at="features.0")
    assert len(seen) > 1
    assert all(each == before for each in seen)
    net.features[1].register_forward_hook(lambda module, inputs, value: value + 1)
    assert identity_of(net) != before


def test_training_flags_wait_for_the_last_thread() -> None:
    first_inside, second_done = threading.Event(), threading.Event()

    class Slow(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if threading.current_thread().name == "first":
                first_inside.set()
                assert second_done.wait(10)
            assert not self.training
            return x

    net = Slow()
    model = backlight.wrap(net)
    x = torch.randn(2, 3)
    first = threading.Thread(target=lambda: model.predict(x), name="first")
    first.start()
    assert first_inside.wait(10)
    model.predict(x)
    assert not net.training
    second_done.set()
    first.join()
    assert net.training


def test_a_process_wide_setting_is_undone_once_by_the_last() -> None:
    from contextlib import contextmanager

    log: list[str] = []

    @contextmanager
    def setting() -> Any:
        log.append("on")
        yield
        log.append("off")

    overlap = Overlap(setting)
    first, second = overlap(), overlap()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert log == ["on"]
    second.__exit__(None, None, None)
    assert log == ["on", "off"]
    with overlap():
        assert log == ["on", "off", "on"]


def names_of(model: Model, x: Any) -> list[str]:
    return [site.name for site in model.sites(x)]


def test_sites_in_the_order_of_computation() -> None:
    model, x = backlight.wrap(convolutional()), images()
    sites = model.sites(x)
    assert [site.name for site in sites] == [
        *(f"features.{n}" for n in range(4)),
        *("features", "curve", "curve:2", "drop", "head"),
    ]
    assert [site.name for site in sites if site.pooled] == ["features.3", "features"]
    assert sites[0].shape == (3, 3, 4, 4) and sites[0].kind == "Conv2d"
    assert model.site(x, "head").shape == (3, 4)


def test_pooled_by_a_function_or_followed_by_something() -> None:
    class Stage(nn.Module):
        def __init__(self, then: nn.Module) -> None:
            super().__init__()
            self.conv, self.then = nn.Conv2d(2, 2, 3), then

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return cast(torch.Tensor, self.then(functional.max_pool2d(self.conv(x), 2)))

    def pooled(then: nn.Module) -> dict[str, bool]:
        net = nn.Sequential(Stage(then)).double()
        return {site.name: site.pooled for site in backlight.wrap(net).sites(images())}

    assert pooled(nn.Dropout()) == {"0.conv": False, "0.then": True, "0": True}
    assert pooled(nn.ReLU(inplace=True)) == {"0.conv": False, "0.then": False, "0": False}
    layers = nn.Sequential(nn.MaxPool2d(2), nn.ReLU(inplace=True)).double()
    assert [site.pooled for site in backlight.wrap(layers).sites(images())] == [True, False]
    assert pooled(nn.MaxPool2d(1)) == {"0.conv": False, "0.then": True, "0": True}


class Pair(NamedTuple):
    left: torch.Tensor
    right: torch.Tensor


class Results(nn.Module):
    """Modules that return several arrays, in all kinds of structures."""

    class Split(nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, Any]:
            return {"pair": Pair(x * 2, x * 3), "count": len(x)}

    def __init__(self) -> None:
        super().__init__()
        self.split = self.Split()
        self.lstm = nn.LSTM(4, 3, batch_first=True).double()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        split = self.split(x)
        assert isinstance(split["pair"], Pair) and split["count"] == len(x)
        sequence, _ = self.lstm((split["pair"].left * split["pair"].right)[:, None])
        return cast(torch.Tensor, sequence[:, 0])


def test_sites_of_modules_with_several_results() -> None:
    model, x = backlight.wrap(Results()), torch.randn(5, 4, dtype=torch.float64)
    assert names_of(model, x) == ["split['pair'][left]", "split['pair'][right]", "lstm[0]"]
    score = bound(model, x, Class(1))
    whole = cast(Any, model.gradient(x, score).gradient)
    left = cast(Any, model.gradient(x, score, at="split['pair'][left]").gradient)
    right = cast(Any, model.gradient(x, score, at="split['pair'][right]").gradient)
    same(2 * left + 3 * right, whole)
    with pytest.raises(SiteError, match=r"shape \(1, 5, 3\).*the 5 examples on axis 0"):
        model.gradient(x, score, at="lstm[1][0]")
    with pytest.raises(UnknownNameError, match=r"lstm\[0\]"):
        model.gradient(x, score, at="lstm[7]")


def test_sites_and_outputs_are_found_once_for_each_signature() -> None:
    net, calls = convolutional(), 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    net.register_forward_hook(count)
    model = backlight.wrap(net)
    for _ in range(3):
        model.sites(images())
        model.outputs(images())
    assert calls == 1
    model.outputs(images(2))
    assert calls == 2


AT = ["features.0", "features.1", "features", "curve", "curve:2", "drop", "head"]


@pytest.mark.parametrize("at", AT)
def test_gradient_at_a_site_agrees_with_central_differences(at: str) -> None:
    net, x = convolutional(), images(2)
    model = backlight.wrap(net)
    score = bound(model, x, Probability([1, 2]))
    found = model.gradient(x, score, at=at)
    value = cast(torch.Tensor, found.value)
    same(model.activation(x, at), value)
    same(found.score, model.score(x, score))
    differences = central(lambda v: cast(Any, model.score(x, score, at=at, value=v)), value)
    same(found.gradient, differences, **DIFFERENCES)
    assert differences.abs().max() > 1e-4
    moved = value + 0.1 * torch.randn_like(value)
    kept = moved.clone()
    other = model.gradient(x, score, at=at, value=cast(Any, moved))
    same(moved, kept)
    same(other.value, moved)
    same(other.score, model.score(x, score, at=at, value=cast(Any, moved)))
    differences = central(lambda v: cast(Any, model.score(x, score, at=at, value=v)), moved)
    same(other.gradient, differences, **DIFFERENCES)


def test_an_activation_is_safe_from_operations_in_place() -> None:
    net = nn.Sequential(nn.Identity(), nn.ReLU(inplace=True)).eval()
    x = torch.tensor([[-1.0, 2.0]])
    model = backlight.wrap(net)
    score = bound(model, x, Output())
    same(model.activation(x, "0"), x)
    same(model.gradient(x, score, at="0").value, x)
    same(model.gradient(x, bound(model, x, Neuron("0"))).score, torch.tensor([1.0]))

    class Aliased(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.site = nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = x * 2
            z = self.site(y) * 3
            return z + y.zero_()  # the memory of the site's value, by another name

    model = backlight.wrap(Aliased())
    same(model.activation(x, "site"), 2 * x)
    found = model.gradient(x, score, at="site")
    same([found.value, found.gradient], [2 * x, torch.full((1, 2), 3.0)])


def test_one_pass_and_no_graph_before_the_site() -> None:
    seen: list[tuple[str, bool]] = []

    class Watch(nn.Linear):
        label = ""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = super().forward(x)
            seen.append((self.label, y.requires_grad))
            return y

    net = nn.Sequential(*(Watch(3, 3) for _ in range(3)))
    for n, layer in enumerate(net):
        cast(Any, layer).label = str(n)
    model, x = backlight.wrap(net), torch.randn(2, 3)
    score = bound(model, x, Class(1))
    seen.clear()
    model.gradient(x, score, at="1")
    assert seen == [("0", False), ("1", False), ("2", True)]


def test_a_site_inside_a_block_with_its_own_gradient_mode() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.outer = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.enable_grad():
                y = self.inner(x)
                z = y * 2
            return cast(torch.Tensor, self.outer(y) + z)

    net = Block().double()
    model, x = backlight.wrap(net), torch.randn(2, 3, dtype=torch.float64)
    found = model.gradient(x, bound(model, x, Class(1)), at="inner")
    expected = net.outer.weight.detach()[1] + 2 * torch.tensor([0, 1, 0])
    same(found.gradient, expected.expand(2, 3))


def test_neurons() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)).double()
    x = torch.randn(5, 4, dtype=torch.float64)
    model = backlight.wrap(net)
    score = bound(model, x, Neuron("1", index=2))
    hidden = torch.tanh(net[0](x)).detach()
    found = model.gradient(x, score)
    same(found.score, hidden[:, 2])
    same(found.gradient, (1 - hidden[:, 2:] ** 2) * net[0].weight.detach()[2])
    same(model.score(x, score), hidden[:, 2])
    unit = torch.tensor([0.0, 0, 1], dtype=torch.float64).expand(5, 3)
    same(model.gradient(x, score, at="1").gradient, unit)
    same(model.gradient(x, score, at="0").gradient, unit * (1 - hidden**2))
    same(model.gradient(x, score, at="2").gradient, torch.zeros(5, 2, dtype=torch.float64))
    moved = cast(Any, hidden * 3)
    same(model.score(x, score, at="1", value=moved), 3 * hidden[:, 2])
    with pytest.raises(UnknownNameError, match="'3'"):
        model.gradient(x, Neuron("3", rows=5))


class Reader(nn.Module):
    """Token ids through an embedding and a transformer layer with frozen weights."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), 1, enable_nested_tensor=True
        )
        self.head = nn.Linear(8, 3)
        self.double().requires_grad_(False)

    def forward(self, ids: torch.Tensor, padding: torch.Tensor | None = None) -> torch.Tensor:
        y = self.encoder(self.embedding(ids), src_key_padding_mask=padding)
        return cast(torch.Tensor, self.head(y.mean(1)))


def test_token_ids_at_the_embedding() -> None:
    model, ids = backlight.wrap(Reader()), torch.randint(0, 11, (3, 5))
    # All layers inside, though a frozen encoder has a fused path that calls none of them.
    assert {"embedding", "encoder.layers.0.linear1", "encoder.layers.0"} < set(names_of(model, ids))
    score = bound(model, ids, Class([0, 1, 2]))
    for at in ("embedding", "encoder.layers.0.linear1"):
        found = model.gradient(ids, score, at=at)
        differences = central(
            lambda v, at=at: cast(Any, model.score(ids, score, at=at, value=v)),
            cast(torch.Tensor, found.value),
        )
        same(found.gradient, differences, **DIFFERENCES)
        assert differences.abs().max() > 1e-4


def test_forward_only_gives_the_score_of_the_backward_pass() -> None:
    # With padding, the fused path of transformer layers has other values at the padded places.
    model, ids = backlight.wrap(Reader()), torch.randint(0, 11, (3, 5))
    padding = torch.tensor([[False] * 5, [False] * 3 + [True] * 2, [False] * 4 + [True]])
    inputs = model.prepare(ids, extra=(padding,))
    score = bound(model, inputs, Class([0, 1, 2]))
    expected = model.gradient(inputs, score, at="embedding").score
    same(model.score(inputs, score), expected)
    same(cast(Any, model.predict(inputs))[range(3), [0, 1, 2]], expected)


class Ends(nn.Module):
    def __init__(self, end: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.end, self.drop = end, nn.Dropout()

    def forward(self, x: torch.Tensor) -> Any:
        return self.end(x * 2)


def overwritten(y: torch.Tensor) -> torch.Tensor:
    y = y.softmax(1)
    y += 1
    return y


KINDS = {
    "module": (nn.Softmax(dim=1), "probabilities"),
    "method": (lambda y: y.softmax(-1), "probabilities"),
    "log": (lambda y: functional.log_softmax(y, dim=1), "log_probabilities"),
    "cast": (lambda y: functional.softmax(y, 1, dtype=torch.float64).float(), "probabilities"),
    "identity": (
        nn.Sequential(nn.Softmax(1), nn.Dropout(), nn.Identity()),
        "probabilities",
    ),
    "copied": (lambda y: y.softmax(1).clone().contiguous().detach()[:], "probabilities"),
    "scaled": (lambda y: y.softmax(1) * 2, "logits"),
    "overwritten": (overwritten, "logits"),
    "batch": (lambda y: y.softmax(0), "logits"),
    "folded": (lambda y: y.softmax(1).reshape(len(y), 2, 2), "logits"),
    "inner": (lambda y: y.softmax(1) @ torch.ones(4, 4), "logits"),
    "none": (lambda y: y, "logits"),
}


@pytest.mark.parametrize("case", KINDS)
def test_what_the_outputs_hold(case: str) -> None:
    end, kind = KINDS[case]
    x = torch.randn(3, 4)
    model = backlight.wrap(Ends(cast(Any, end)))
    assert cast(Any, model.outputs(x)).kind == kind
    assert cast(Any, backlight.wrap(Ends(cast(Any, end)), outputs="logits").outputs(x)).kind == (
        "logits"
    )


@dataclass(frozen=True)
class Fields:
    raw: torch.Tensor
    p: torch.Tensor


def test_what_nested_and_dense_outputs_hold() -> None:
    def both(y: torch.Tensor) -> Any:
        return {"p": y.softmax(1), "raw": (y, y.log_softmax(1)), "last": y[:, :, None].softmax(2)}

    outputs = cast(Any, backlight.wrap(Ends(both)).outputs(torch.randn(3, 4)))
    assert outputs == {
        "p": OutputSpec((3, 4), "probabilities"),
        "raw": (OutputSpec((3, 4)), OutputSpec((3, 4), "log_probabilities")),
        "last": OutputSpec((3, 4, 1)),
    }
    fields = backlight.wrap(Ends(lambda y: Fields(y, y.softmax(1)))).outputs(torch.randn(3, 4))
    assert fields == {"raw": OutputSpec((3, 4)), "p": OutputSpec((3, 4), "probabilities")}
    ids = torch.randint(0, 11, (2, 5))
    frozen = nn.Sequential(Reader(), nn.Softmax(1))
    assert cast(Any, backlight.wrap(frozen).outputs(ids)).kind == "probabilities"


def test_errors_of_the_net_say_what_it_got() -> None:
    model = backlight.wrap(nn.Sequential(nn.Flatten(), nn.Linear(8, 2)))
    with pytest.raises(ModelError, match=r"float32 \(3, 5\).*in_features=8.*shapes cannot") as info:
        model.predict(torch.randn(3, 5))
    assert isinstance(info.value.__cause__, RuntimeError)
    with pytest.raises(ModelError, match=r"float64 \(3, 8\).*weights are float32"):
        model.predict(torch.randn(3, 8, dtype=torch.float64))
    with pytest.raises(InputTypeError, match=r"builtins\.list"):
        model.predict([1.0])  # type: ignore[arg-type]


def test_errors_of_the_backward_pass_say_so() -> None:
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            raise ArithmeticError("no way back")

    model, x = backlight.wrap(lambda x: Once.apply(x), "torch"), torch.randn(2, 3)
    with pytest.raises(ModelError, match="backward pass raised ArithmeticError: no way back"):
        model.gradient(x, bound(model, x, Class(1)))


def test_unknown_sites_name_the_nearest() -> None:
    model, x = backlight.wrap(convolutional()), images()
    score = bound(model, x, Class(1))
    for verb in (
        lambda: model.gradient(x, score, at="curv"),
        lambda: model.activation(x, "curv"),
        lambda: model.site(x, "curv"),
        lambda: model.score(x, score, at="curv", value=cast(Any, x)),
    ):
        with pytest.raises(UnknownNameError, match="Nearest: curve"):
            verb()
    with pytest.raises(UnknownNameError, match="'curve:3'"):
        model.gradient(x, score, at="curve:3")
    with pytest.raises(SiteError, match=r"\(3, 3, 2, 2\), got \(3, 2, 6, 6\)"):
        model.gradient(x, score, at="curve", value=cast(Any, x))


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


NET = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Dropout(0.5)).double()


def through_global(x: torch.Tensor) -> torch.Tensor:
    return cast(torch.Tensor, NET(x)).exp()


class Holder:
    def __init__(self) -> None:
        self.net = NET

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, self.net(x)).exp()

    def method(self, x: torch.Tensor) -> torch.Tensor:
        return self(x)


@pytest.mark.parametrize("style", ["closure", "global", "partial", "object", "method", "bound"])
def test_functions_show_the_modules_they_call(style: str) -> None:
    net = NET
    function: Any = {
        "closure": lambda x: net(x).exp(),
        "global": through_global,
        "partial": functools.partial(lambda inner, x: inner(x).exp(), NET),
        "object": Holder(),
        "method": Holder().method,
        "bound": NET.forward,
    }[style]
    x = np.random.default_rng(0).normal(size=(2, 4))
    assert NET.training
    model = backlight.wrap(function, inputs=x)  # NumPy arrays do not tell the framework
    assert {"0", "1", "2"} <= set(names_of(model, x))
    hidden = np.tanh(x @ NET[0].weight.detach().numpy().T + NET[0].bias.detach().numpy())
    after = hidden if style == "bound" else np.exp(hidden)
    np.testing.assert_allclose(model.to_numpy(cast(Any, model.predict(x))), after, rtol=1e-12)
    found = cast(Any, model.gradient(x, bound(model, x, Class(1)), at="1").gradient)
    expected = np.zeros((2, 3))
    expected[:, 1] = 1 if style == "bound" else after[:, 1]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)
    assert NET.training


def test_a_function_of_two_modules_names_them_by_its_variables() -> None:
    first, second = nn.Sequential(nn.Linear(4, 3)), nn.Linear(3, 2)
    model = backlight.wrap(lambda x: second(first(x)), "torch")
    assert names_of(model, torch.randn(2, 4)) == ["first.0", "first", "second"]


def test_whose_a_net_is() -> None:
    assert backlight.wrap(lambda x: x * 2, inputs=torch.ones(1)).framework == "torch"
    assert backlight.wrap(lambda x: x * 2, inputs={"x": torch.ones(1)}).framework == "torch"
    with pytest.raises(NoBackendError):
        backlight.wrap(lambda x: x * 2, inputs=np.ones(1))
    with pytest.raises(NoBackendError):
        backlight.wrap(nn.Linear(1, 1), framework="other")
    assert backlight.wrap(nn.Conv2d(1, 1, 1)).channels == "first"
    assert backlight.wrap(nn.Linear(1, 1), channels="last").channels == "last"


def run(code: str) -> str:
    environment = {"KERAS_BACKEND": "torch", "TF_CPP_MIN_LOG_LEVEL": "3", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_plugin_imports_no_framework() -> None:
    run(
        """
        import sys
        import backlight_torch.plugin as plugin
        from backlight.model.model import Options
        assert plugin.backlight_wrap(lambda x: x, None, None, Options()) is None
        assert not {"torch", "keras", "tensorflow", "jax"} & set(sys.modules)
        """
    )


def test_keras_on_torch() -> None:
    output = run(
        """
        import torch
        torch.set_num_threads(1)
        import keras, numpy as np, backlight
        keras.utils.set_random_seed(0)
        start = keras.Input((6, 6, 2))
        y = keras.layers.Conv2D(3, 3, name="conv")(start)
        y = keras.layers.BatchNormalization(name="norm")(y)
        curve = keras.layers.Dense(3, activation="tanh", name="curve")
        y = curve(curve(y))
        y = keras.layers.MaxPooling2D(name="pool")(y)
        y = keras.layers.Dropout(0.5, name="drop")(keras.layers.Flatten(name="flat")(y))
        end = keras.layers.Dense(4, activation="softmax", name="end")(y)
        net = keras.Model(start, end)
        before = {layer.name: sorted(layer.__dict__) for layer in net.layers}
        model = backlight.wrap(net)
        assert (model.framework, model.channels) == ("torch", "last")
        x = np.random.default_rng(0).normal(size=(3, 6, 6, 2)).astype("float32")
        outputs = model.outputs(x)
        assert (outputs.shape, outputs.kind) == ((3, 4), "probabilities")
        sites = model.sites(x)
        names = ["conv", "norm", "curve", "curve:2", "pool", "flat", "drop", "end"]
        assert [site.name for site in sites] == names, sites
        assert [site.name for site in sites if site.pooled] == ["pool"]
        score = backlight.Probability([1, 2, 3]).bind(outputs, 3)
        assert isinstance(model.predict(x), torch.Tensor)
        expected = net.predict(x, verbose=0)[range(3), [1, 2, 3]]
        np.testing.assert_allclose(model.score(x, score), expected, rtol=1e-5)
        g = model.gradient(x, score).gradient.numpy().astype("float64")
        at = model.gradient(x, score, at="curve")
        step = 1e-2
        for gradient, move in [
            (g, lambda d: model.score((x + step * d).astype("float32"), score)),
            (at.gradient.numpy(), lambda d: model.score(
                x, score, at="curve", value=at.value + step * torch.tensor(d))),
        ]:
            way = (np.sign(gradient) * np.abs(gradient).mean()).astype("float32")
            way /= np.abs(way).max()
            change = (move(way) - move(-way)).numpy() / (2 * step)
            wanted = (gradient * way).reshape(3, -1).sum(1)
            np.testing.assert_allclose(change, wanted, rtol=2e-2)
            assert np.abs(wanted).min() > 1e-4
        again = model.gradient(x, score, at="curve", value=at.value)
        np.testing.assert_array_equal(again.gradient.numpy(), at.gradient.numpy())
        try:
            model.predict(x[..., :1])
        except backlight.BacklightError as error:
            assert "(None, 6, 6, 2)" in str(error) and "(3, 6, 6, 1)" in str(error), error
        else:
            raise AssertionError
        assert before == {layer.name: sorted(layer.__dict__) for layer in net.layers}
        assert not any(layer._forward_hooks for layer in net.layers)
        a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
        both = keras.layers.Concatenate()([a, b])
        net = keras.Model({"a": a, "b": b}, keras.layers.Dense(1, name="end")(both))
        kernel = net.get_layer("end").kernel.value.detach().numpy()[:, 0]
        model = backlight.wrap(net)
        x = {"a": np.ones((2, 3)), "b": np.ones((2, 2))}
        found = model.gradient(x, backlight.Output().bind(model.outputs(x), 2)).gradient
        np.testing.assert_array_equal(found["b"].numpy(), [kernel[3:]] * 2)
        pair = keras.Model([a, b], keras.layers.Dense(1)(both))
        x = (np.ones((2, 3)), np.ones((2, 2)))
        assert backlight.wrap(pair).outputs(x).shape == (2, 1)
        function = backlight.wrap(lambda one, two: pair([one, two]), inputs=x)
        names = [site.name for site in function.sites(x)]
        assert names[-1] == "pair" and len(names) == 3, names
        print("all")
        """
    )
    assert output.split() == ["all"]


@final
@dataclass(frozen=True, kw_only=True)
class Line(backlight.Method):
    """The mean gradient on the line from zero, times the value: a technique in small."""

    steps: int = 4

    def attribute(self, objective: backlight.Objective) -> backlight.Result:
        (value,) = [cast(Any, objective.value)]
        total = objective.arrays.zeros_like(value)
        for part in objective.chunks(self.steps):
            numbers = (np.array(part) + 0.5) / self.steps
            points = objective.column(numbers, value) * value[None]
            found = objective.gradient(points)
            total = total + objective.arrays.sum(cast(Any, found.gradient), axis=0)
        return backlight.Result(total * value / self.steps)


def test_a_technique_runs_at_the_input_and_inside() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2, bias=False)).double()
    x = np.random.default_rng(0).normal(size=(5, 4))
    weights = [layer.weight.detach().numpy() for layer in net]
    hidden = x @ weights[0].T + net[0].bias.detach().numpy()
    for batch_size in (None, 2):
        found = Line()(net, x, 1, batch_size=batch_size)
        np.testing.assert_allclose(found.values, x * (weights[1] @ weights[0])[1], rtol=1e-12)
        found = Line()(net, x, 1, at="0", batch_size=batch_size)
        np.testing.assert_allclose(found.values, hidden * weights[1][1], rtol=1e-12)


def test_an_edited_net_is_explained_as_it_is_now() -> None:
    net = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 4))
    x = torch.randn(3, 6)
    logits = backlight.explain(net, x, Probability(1), "gradient")
    np.testing.assert_allclose(logits.score, net(x).softmax(1)[:, 1].detach(), rtol=1e-5)
    net.append(nn.Softmax(1))
    ended = backlight.explain(net, x, Probability(1), "gradient")
    np.testing.assert_allclose(ended.score, net(x)[:, 1].detach(), rtol=1e-5)
    net[1], net[2] = nn.Linear(5, 10), nn.Identity()
    assert backlight.explain(net, x, 8, "gradient").target == "Class(8)"


@pytest.mark.parametrize(
    "ending",
    [
        lambda z: z[:, :, None].softmax(1).flatten(1),
        lambda z: z.softmax(1).clamp(1e-7, 1),
        lambda z: (z.softmax(1) + (2 * z).softmax(1)) / 2,
    ],
)
def test_probabilities_are_told_by_their_values_where_operations_hide_them(
    ending: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    layer = nn.Linear(6, 4).double()
    x = torch.randn(5, 6, dtype=torch.float64)
    p = ending(layer(x)).detach()
    found = backlight.explain(lambda x: ending(layer(x)), x, Probability(2), "gradient")
    np.testing.assert_allclose(found.score, p[:, 2], rtol=1e-12)
    margin = backlight.explain(lambda x: ending(layer(x)), x, Margin(2, versus=0), "gradient")
    np.testing.assert_allclose(margin.score, (p[:, 2] / p[:, 0]).log(), rtol=1e-10)


def test_modules_that_a_function_hides_run_in_evaluation_mode() -> None:
    nets = [nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Dropout(0.5)) for _ in range(2)]
    hidden = {"first": nets[0], "rest": nets[1:]}

    def logits(x: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, hidden["first"](x) + hidden["rest"][0](x))  # type: ignore[operator, index]

    def net(x: torch.Tensor) -> torch.Tensor:
        return logits(x)[:, :3]

    x = torch.randn(4, 6)
    before = [copy.deepcopy(one.state_dict()) for one in nets]
    scores = [backlight.explain(net, x, 1, "gradient").score for _ in range(2)]
    np.testing.assert_array_equal(*scores)
    for one, state in zip(nets, before, strict=True):
        assert all(module.training for module in one.modules())
        assert all(torch.equal(one.state_dict()[name], state[name]) for name in state)


def test_results_stand_outside_of_the_users_own_graph() -> None:
    x = torch.randn(3, 6, requires_grad=True)
    for name in ("gradient", "input_x_gradient", "integrated_gradients"):
        values = backlight.explain(nn.Linear(6, 4), x, 1, name).values
        assert not cast(torch.Tensor, values).requires_grad
    with torch.inference_mode():
        made = torch.randn(3, 6)
        net = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4))
    with torch.inference_mode(False):
        net = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4))
    with torch.inference_mode():
        found = backlight.explain(net, made, 1, "integrated_gradients", at="1")
    assert found.relative_gap is not None and found.relative_gap.max() < 1e-4


def test_a_recurrent_net_has_its_features_last() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.head = nn.LSTM(8, 5, batch_first=True), nn.Linear(5, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return cast(torch.Tensor, self.head(self.cell(x)[0][:, -1]))

    found = backlight.explain(
        Recurrent(), torch.randn(3, 20, 8), 1, "occlusion", window=1, stride=1
    )
    values = cast(torch.Tensor, found.values)
    assert torch.equal(values[:, :, 0], values[:, :, 7])  # the same for all features of a step
    assert bool((values[:, 1:, 0] != values[:, :-1, 0]).any())


def test_sigmoids_are_independent_probabilities() -> None:
    layer = nn.Linear(6, 4).double()
    x = torch.randn(5, 6, dtype=torch.float64)
    net, z = nn.Sequential(layer, nn.Sigmoid()), layer(x).detach()
    for target, expected in (
        (Probability(2), z.sigmoid()[:, 2]),
        (LogProbability(2), z.sigmoid()[:, 2].log()),
        (Margin(2, versus=0), z[:, 2] - z[:, 0]),
    ):
        found = backlight.explain(net, x, target, "gradient")
        np.testing.assert_allclose(found.score, expected, rtol=1e-9)
