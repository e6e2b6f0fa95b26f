"""Code as users write it, to be looked at by a type checker and never run."""

from typing import Any, assert_type

import jax
import numpy as np
import torch
from numpy.typing import NDArray

import backlight
from backlight_methods import LRP, GradCAM, IntegratedGradients

net = torch.nn.Linear(3, 2)
x = torch.ones(2, 3)
pixels = np.zeros((2, 3), np.uint8)
series = jax.numpy.ones((2, 3))

heat = backlight.explain(net, x, method="saliency")
assert_type(heat, backlight.Attribution[torch.Tensor])
assert_type(heat.values.sum(), torch.Tensor)
assert_type(IntegratedGradients(steps=8)(net, x).values, torch.Tensor)
assert_type(GradCAM()(net, x, at="0").values, torch.Tensor)
assert_type(backlight.explain(net, series).values, jax.Array)
assert_type(backlight.explain(net, pixels).values, NDArray[np.floating])
assert_type(backlight.explain(net, (x, x)).values, tuple[torch.Tensor, torch.Tensor])
assert_type(backlight.explain(net, {"a": x}).values, dict[str, torch.Tensor])
assert_type(backlight.explain(net, {"a": x}, at="0").values, torch.Tensor)
IntegratedGradients(baseline=x)(net, x, target=torch.tensor([0, 1]))
backlight.explain(net, x, target=lambda outputs, arrays: outputs[:, 0] - outputs[:, 1])
backlight.explain(net, x, target=backlight.Function(lambda outputs, arrays: outputs[:, 0]))

margin, *rest = backlight.explain(net, x, [backlight.Logit(1), backlight.Margin(1, versus=0)])
assert_type(margin, backlight.Attribution[torch.Tensor])
assert_type(IntegratedGradients()(net, x, backlight.Top(2))[0].values, torch.Tensor)

early, late = backlight.explain(net, x, 1, at=["0", "1"])
assert_type(early, backlight.Attribution[Any])
both = backlight.explain(net, x, [backlight.Logit(1)], at=("0", None))
assert_type(both[0][1], backlight.Attribution[Any])

predicted: torch.Tensor = backlight.wrap(net).predict(x)
backlight.wrap(net).score(pixels, backlight.Logit(1))


def strongest(model: backlight.Model[torch.Tensor], given: backlight.Attribution) -> float:
    found = model.gradient(x, backlight.Logit(1))
    assert_type(found, backlight.Gradient[torch.Tensor])
    assert_type(model.array_at(x, "0"), torch.Tensor)
    return float(given.score.max())


# What is misspelt is found: each of these lines has exactly one error, of this kind.
IntegratedGradients(stepz=8)  # expect: call-arg
LRP(composite="epsilom")  # expect: arg-type
GradCAM(upsample="placd")  # expect: arg-type
backlight.explain(net, "saliency")  # expect: call-overload
print(heat.valeus)  # expect: attr-defined
backlight.Attribution.load(3)  # expect: arg-type
