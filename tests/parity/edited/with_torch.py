"""Edits of PyTorch nets."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrize

from tests.parity.edited import settings
from tests.parity.edited.check import Case, X
from tests.parity.edited.scores import changing_scores


@dataclass
class Setting:
    scale: float = 1.0


def activate(x: torch.Tensor) -> torch.Tensor:
    return functional.relu(x)


def activate_smoothly(x: torch.Tensor) -> torch.Tensor:
    return functional.gelu(x)


class Net(nn.Module):
    """Two convolutions, a norm and a head, and every place where a user may keep something."""

    shared = 1.0

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.middle = nn.ReLU()
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.layers = nn.Sequential(nn.Identity(), nn.Softplus())
        self.head = nn.Linear(4, 3)
        self.norm.running_mean.copy_(torch.linspace(-1, 1, 4))  # type: ignore[union-attr]
        self.norm.running_var.copy_(torch.linspace(0.5, 2, 4))  # type: ignore[union-attr]
        self.register_buffer("shift", torch.zeros(3))
        self.scale = 1.0
        self.kept: dict[str, Any] = {"scale": 1.0, "listed": [1.0, 2.0]}
        self.setting = Setting()
        self.array = np.ones(3)
        self.tensor = torch.ones(3)
        self.act: Callable[[torch.Tensor], torch.Tensor] = functional.relu
        self.ending: Callable[[torch.Tensor], torch.Tensor] | None = None
        self.deep, self.order = False, "second layers"
        self.double().eval()
        self.tensor = self.tensor.double()

    def features(self, x: torch.Tensor) -> torch.Tensor:
        x = self.middle(self.norm(self.first(x)))
        if self.deep:
            x = functional.relu(functional.conv2d(x, self.second.weight, stride=2))
        if self.order == "layers second":
            return self.act(self.second(self.layers(x)))
        x = self.act(self.second(x))
        return x if self.order == "second" else self.layers(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = settings.activation(self.features(x) * self.scale * self.shared).mean((2, 3))
        z = self.head(h) * self.kept["scale"] * self.kept["listed"][0] * self.setting.scale
        z = z * torch.from_numpy(self.array) * self.tensor * settings.SCALE + self.shift
        return z if self.ending is None else self.ending(z)


def slope(net: Any) -> Callable[[torch.Tensor], Any]:
    def gradient(x: torch.Tensor) -> torch.Tensor:
        was = net.training if isinstance(net, nn.Module) else None
        if was:
            net.eval()
        x = x.clone().requires_grad_(True)
        (found,) = torch.autograd.grad(net(x)[:, 1].sum(), x)
        return found

    return gradient


def pictures() -> torch.Tensor:
    return torch.from_numpy(X.transpose(0, 3, 1, 2).copy())


def edited(edit: Callable[[Any], object], matters: bool = True) -> Callable[[], Case]:
    def make() -> Case:
        settings.reset()
        settings.activation = functional.relu
        net = Net()
        return Case(net, pictures(), lambda: edit(net), slope(net), matters)

    return make


def step(net: Net) -> None:
    optimiser = torch.optim.SGD(net.parameters(), lr=0.5)
    net(pictures())[:, 1].sum().backward()
    optimiser.step()
    optimiser.zero_grad()


def no_grad(edit: Callable[[Any], object]) -> Callable[[Any], None]:
    def quietly(net: Any) -> None:
        with torch.no_grad():
            edit(net)

    return quietly


class Doubled(nn.Module):
    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return 2 * weight


class Other(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) ** 2


def replace_forward(net: Net) -> None:
    own = net.forward
    net.forward = lambda x: own(x) * 3  # type: ignore[method-assign]


ATTRIBUTES: dict[str, Callable[[Any], object]] = {
    "attribute": lambda net: setattr(net, "scale", 2.0),
    "attribute_sign": lambda net: setattr(net, "scale", -1.0),
    "flag": lambda net: setattr(net, "deep", True),
    "layers_left_out": lambda net: setattr(net, "order", "second"),
    "layers_moved": lambda net: setattr(net, "order", "layers second"),
    "number_in_a_dict": lambda net: net.kept.update(scale=2.0),
    "number_in_a_list": lambda net: net.kept["listed"].__setitem__(0, 2.0),
    "number_in_a_dataclass": lambda net: setattr(net.setting, "scale", 2.0),
    "numpy_array_in_place": lambda net: net.array.__imul__(3),
    "tensor_in_place": lambda net: net.tensor.mul_(3),
    "global": lambda net: setattr(settings, "SCALE", 2.0),
    "function": lambda net: setattr(net, "act", functional.gelu),
    "function_that_pools": lambda net: setattr(net, "act", lambda x: functional.max_pool2d(x, 2)),
    "function_of_a_module": lambda net: setattr(settings, "activation", functional.gelu),
    "forward": replace_forward,
    "class": lambda net: setattr(net, "__class__", Other),
    "layer": lambda net: net.layers.__setitem__(1, nn.GELU()),
    "layer_added": lambda net: net.layers.append(nn.AvgPool2d(2)),
    "layer_twice": lambda net: setattr(net.layers, "0", nn.Sigmoid()),
    "stride": lambda net: setattr(net.second, "stride", (2, 2)),
    "padding": lambda net: setattr(net.first, "padding", (0, 0)),
    "dilation": lambda net: setattr(net.second, "dilation", (2, 2)),
    "eps": lambda net: setattr(net.norm, "eps", 0.5),
    "ending": lambda net: setattr(net, "ending", lambda z: z.softmax(1)),
    "ending_sigmoid": lambda net: setattr(net, "ending", torch.sigmoid),
    "weight_fill": lambda net: net.second.weight.data.fill_(0.1),
    "weight_data": lambda net: setattr(net.second.weight, "data", net.second.weight.data * 2),
    "weight_element": no_grad(lambda net: net.head.weight[1].mul_(-1)),
    "bias_add": no_grad(lambda net: net.first.bias.add_(0.5)),
    "weight_assigned": lambda net: setattr(
        net.second, "weight", nn.Parameter(torch.flip(net.second.weight.detach(), (0,)))
    ),
    "optimiser": step,
    "state_dict": lambda net: net.load_state_dict(
        {name: 0.5 * value for name, value in net.state_dict().items()}
    ),
    "buffer": lambda net: net.shift.add_(1.0),
    "running_mean": lambda net: net.norm.running_mean.add_(1.0),
    "forward_hook": lambda net: net.middle.register_forward_hook(lambda m, i, o: o * 2),
    "pre_hook": lambda net: net.second.register_forward_pre_hook(lambda m, i: (i[0] * 2,)),
    "parametrization": lambda net: parametrize.register_parametrization(
        net.second, "weight", Doubled()
    ),
    "bias_removed": lambda net: setattr(net.head, "bias", None),
}
HARMLESS: dict[str, Callable[[Any], object]] = {
    "train": lambda net: net.train(),
    "momentum": lambda net: setattr(net.norm, "momentum", 0.9),
    "requires_grad": lambda net: net.requires_grad_(False),
    "requires_grad_of_one": lambda net: net.first.weight.requires_grad_(False),
    "gradients_left": lambda net: net(pictures()).sum().backward(),
}


def closure(kind: str) -> Callable[[], Case]:
    """A plain function, with what it reads in one of the places that a function may keep it."""

    def make() -> Case:
        settings.reset()
        settings.activation = functional.relu
        body = Net()
        scale, act = 1.0, functional.relu
        held = {"scale": 1.0}

        def inner(x: torch.Tensor) -> torch.Tensor:
            return act(body.second(act(body.first(x)))) * scale

        def outer(x: torch.Tensor) -> torch.Tensor:
            return inner(x)

        def net(x: torch.Tensor, factor: float = 1.0) -> torch.Tensor:
            h = settings.activation(outer(x)).mean((2, 3))
            return body.head(h) * factor * held["scale"] * settings.SCALE

        def set_scale() -> None:
            nonlocal scale
            scale = 3.0

        def set_act() -> None:
            nonlocal act
            act = functional.gelu

        def set_body() -> None:
            nonlocal body
            body = Net()
            body.head.weight.data.mul_(2)

        partial = functools.partial(net, factor=1.0)
        edits: dict[str, Callable[[], object]] = {
            "cell": set_scale,
            "function_in_a_cell": set_act,
            "module_in_a_cell": set_body,
            "dict": lambda: held.update(scale=2.0),
            "default": lambda: setattr(net, "__defaults__", (2.0,)),
            "partial": lambda: partial.keywords.update(factor=2.0),
            "global": lambda: setattr(settings, "SCALE", 2.0),
            "function_of_a_module": lambda: setattr(settings, "activation", functional.gelu),
            "code": lambda: setattr(inner, "__code__", smooth.__code__),
        }

        def smooth(x: torch.Tensor) -> torch.Tensor:
            return act(body.second(act(body.first(x) * 2))) * scale

        called: Any = partial if kind == "partial" else net
        return Case(called, pictures(), edits[kind], slope(called))

    return make


CLOSURES = (
    "cell",
    "function_in_a_cell",
    "module_in_a_cell",
    "dict",
    "default",
    "partial",
    "global",
    "function_of_a_module",
    "code",
)


def score(kind: str) -> Callable[[], Case]:
    """A net that stays, and a score function that reads what changes."""

    def make() -> Case:
        settings.reset()
        settings.activation = functional.relu
        net = Net()
        array = np.array([0.0, 1.0, 0.0])
        tensor = torch.from_numpy(array.copy())

        scores = changing_scores() | {
            "array": (
                lambda outputs, arrays: (outputs * torch.from_numpy(array)).sum(1),
                lambda: array.__setitem__(0, -2.0),
            ),
            "tensor": (
                lambda outputs, arrays: (outputs * tensor).sum(1),
                lambda: tensor.__setitem__(0, -2.0),
            ),
        }
        target, edit = scores[kind]
        return Case(net, pictures(), edit, target=target)

    return make


SCORES = ("closure", "global", "attribute", "array", "tensor", "list")

EDITS: dict[str, Callable[[], Case]] = {
    **{name: edited(edit) for name, edit in ATTRIBUTES.items()},
    **{name: edited(edit, matters=False) for name, edit in HARMLESS.items()},
    **{f"closure_{kind}": closure(kind) for kind in CLOSURES},
    **{f"score_{kind}": score(kind) for kind in SCORES},
}
