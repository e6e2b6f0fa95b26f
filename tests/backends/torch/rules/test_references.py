"""Rules in the PyTorch backend: references."""

import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from torch import nn

import backlight
import backlight_methods
from backlight import Class
from backlight.rules.operations import Kind
from backlight.testing.rules import (
    COMPLETE,
)
from tests.backends.torch.rules.nets import kinds, same, tensor


def test_extra_arguments_and_several_inputs() -> None:
    def net(x: torch.Tensor, z: torch.Tensor, mask: torch.Tensor, scale: float) -> torch.Tensor:
        return torch.relu(x * mask - z).cumsum(1) * scale * x

    arrays = {name: torch.randn(3, 4, dtype=torch.float64) for name in ("x", "z")}
    mask = torch.rand(3, 4, dtype=torch.float64)
    model = backlight.wrap(net, framework="torch")
    inputs = model.prepare(cast(Any, arrays), extra={"mask": mask, "scale": 2.0})
    score = Class([0, 1, 2]).bind(model.outputs(inputs), 3)
    reference = {name: torch.randn(1, 4, dtype=torch.float64) for name in ("x", "z")}
    found = model.gradient(inputs, score, rules=COMPLETE, reference=cast(Any, reference))
    gradient = cast(dict[str, torch.Tensor], found.gradient)
    parts = sum((arrays[k] - reference[k]) * gradient[k] for k in arrays)
    change = tensor(found.score) - tensor(found.reference_score)
    same(cast(torch.Tensor, parts).sum(1), change)
    assert kinds(found.operations) == [
        Kind.SCALE,
        Kind.ADD,
        Kind.RELU,
        Kind.SUM,
        Kind.SCALE,
        Kind.MUL,
    ]


def test_keras_on_torch_has_the_same_operations() -> None:
    program = """
        import os
        os.environ["KERAS_BACKEND"] = "torch"
        import torch
        import keras, numpy as np, backlight
        from backlight import Class
        from backlight.testing.rules import EPSILON_FOLDED, NATIVE, by_kind
        from tests.backends.torch.rules.nets import DEEP, bound
        keras.utils.set_random_seed(0)
        start = keras.Input((6, 6, 2))
        y = keras.layers.Conv2D(3, 3, name="conv")(start)
        y = keras.layers.BatchNormalization(name="norm")(y)
        y = keras.layers.Activation("relu", name="act")(y)
        y = keras.layers.Conv2D(4, 2, name="two", activation="silu")(y)
        y = keras.layers.MaxPooling2D(name="pool", padding="same")(y)
        y = keras.layers.LayerNormalization(name="layer")(y)
        y = keras.layers.Reshape((4, 4))(y)
        y = y + keras.layers.MultiHeadAttention(2, 2, name="attention")(y, y)
        y = keras.layers.Flatten(name="flat")(y)
        net = keras.Model(start, keras.layers.Dense(4, activation="softmax", name="end")(y))
        for weight in net.get_layer("norm").weights:
            weight.assign(np.random.rand(3) + 0.5)
        x = torch.randn(3, 6, 6, 2)
        model = backlight.wrap(net)
        score = bound(model, x, Class([0, 1, 2]))
        plain = model.gradient(x, score)
        native = model.gradient(x, score, rules=NATIVE)
        torch.testing.assert_close(native.gradient, plain.gradient, rtol=1e-3, atol=1e-7)
        found = model.gradient(x, score, rules=DEEP, reference=x[:1] * 0)
        change = found.score - found.reference_score
        torch.testing.assert_close((x * found.gradient).sum((1, 2, 3)), change, rtol=1e-4, atol=1e-6)
        for one in model.operations(x, score=score, rules=EPSILON_FOLDED):
            print(one.kind.value, one.name)
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n")
    assert lines[:5] == [
        "convolution conv",
        "relu act",
        "convolution two",
        "silu two",
        "max_pool pool",
    ]
    assert lines[-3:] == ["dense end", "softmax end", ""]
    assert not [line for line in lines if line.startswith("other")]


def convolutions_taken_back(explain: Callable[[], object]) -> int:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
        explain()
    # The kernel on a CPU in float64: what is left out is called, but does not come that far.
    return sum(one.count for one in seen.key_averages() if one.key == "aten::_slow_conv2d_backward")


@pytest.mark.parametrize("normalised", [False, True])
def test_a_derivative_that_a_rule_replaces_is_not_taken(normalised: bool) -> None:
    behind = [nn.BatchNorm2d(4)] if normalised else []
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), *behind, nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(64, 3)
    )
    net.double().eval()
    x, method = torch.rand(2, 3, 8, 8, dtype=torch.float64), backlight_methods.LRP()
    model = backlight.wrap(net)
    method(model, x, 1)
    assert convolutions_taken_back(lambda: method(model, x, 1)) == 3
    assert torch._C._len_torch_dispatch_stack() == 0


class Tokens(nn.Module):
    """Layers over tokens, which PyTorch multiplies with examples and tokens as one axis."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis
        self.inner, self.keys, self.head = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 3)
        self.rows: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.rows.append(len(x))
        x = torch.tanh(self.inner(x.transpose(0, self.axis)))
        own = (x * self.keys(x)).sum(-1, keepdim=True).softmax(1 - self.axis)
        return cast(torch.Tensor, self.head(own * x).mean(1 - self.axis))


@pytest.mark.parametrize("axis", [0, 1], ids=["examples first", "tokens first"])
def test_a_shared_reference_runs_alone_where_examples_are_the_first_factor(axis: int) -> None:
    torch.manual_seed(0)
    net = Tokens(axis).double().eval()
    x, baseline = torch.randn(4, 5, 8).double(), torch.randn(5, 8).double()
    explain = backlight_methods.DeepLIFT(baseline=baseline)
    explain(net, x, 1)
    net.rows.clear()
    found = explain(net, x, 1)
    assert (1 in net.rows) is (axis == 0)
    assert found.gap is not None
    assert found.gap.max() < 1e-14
    alone = [explain(net, x[row : row + 1], 1).values for row in range(4)]
    torch.testing.assert_close(found.values, torch.cat(alone), rtol=1e-10, atol=1e-14)
