"""The PyTorch backend: gradients."""

from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn

import backlight
from backlight import Class, Function, LogProbability, Margin, Output, Probability, Shared
from backlight.errors import (
    InputTypeError,
    ModelError,
)
from backlight.values.arrays import Arrays, shape_of
from backlight.values.outputs import OutputSpec
from tests.backends.torch.model.nets import DIFFERENCES, bound, central, convolutional, images, same
from tests.ids import shown

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
        "astype": xp.astype(x, xp.float32),
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
    assert cast(Any, results["astype"]).dtype is torch.float32
    constants = {"argmax", "zeros_like", "isfinite", "all", "float32"}
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
