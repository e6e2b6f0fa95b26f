"""The PyTorch backend: state."""

import copy
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

import backlight
from backlight import Class
from backlight.errors import (
    ModelError,
)
from backlight.memory.identity import Identity, identity_of
from backlight.model.model import Model
from backlight_torch.engine.running import Overlap
from tests.backends.torch.model.nets import bound, convolutional, images, same


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
