"""Which ways derivatives can take through PyTorch nets, and where others are cut."""

import warnings
from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from torch import nn
from torch.nn import functional

import backlight
from backlight import Class, Function
from backlight.errors import BacklightWarning, NoGradientError
from backlight.graph.dependence.cuts import Connection, Cut
from backlight.scores.scores import Score
from backlight_methods import DeepLIFT, GradCAM, Gradient


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
    backlight.forget()


class Nothing(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @staticmethod
    def backward(context: Any, *grads: torch.Tensor) -> None:
        return None


class First(torch.autograd.Function):
    """Of two operands, only the first gets a gradient."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x * 2 + y

    @staticmethod
    def backward(context: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        return grads[0] * 2, None


class Net(nn.Module):
    def __init__(self, function: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.function = function
        self.emb, self.one, self.two = nn.Embedding(8, 4), nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.function(self, *inputs)


def unrecorded(net: Any, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        hidden = net.one(x).relu()
    return cast(torch.Tensor, net.two(hidden))


def filled(net: Any, x: torch.Tensor) -> torch.Tensor:
    board = torch.zeros(2, 4)
    board[:, :2] = x[:, :2]
    board[:, 2:] = x[:, 2:].detach()
    return cast(torch.Tensor, net.two(board))


def filled_unrecorded(net: Any, x: torch.Tensor) -> torch.Tensor:
    board = torch.zeros(2, 4)
    with torch.no_grad():
        board[:, :2] = x[:, :2]
    return cast(torch.Tensor, net.two(board))


def filled_with_integers(net: Any, x: torch.Tensor) -> torch.Tensor:
    board = torch.zeros(2, dtype=torch.int64)
    board[:] = x[:, 1]
    return cast(torch.Tensor, net.two(net.emb(board)))


def softmax(net: Any, x: torch.Tensor) -> torch.Tensor:
    size = (x - x.max(1, keepdim=True)[0].detach()).exp()
    return cast(torch.Tensor, net.two(size / size.sum(1, keepdim=True)))


def softmax_of_constant_maximum(net: Any, x: torch.Tensor) -> torch.Tensor:
    size = (x - x.detach().amax(1, keepdim=True)).exp()
    return cast(torch.Tensor, net.two(size / size.sum(1, keepdim=True)))


def read_out(net: Any, x: torch.Tensor) -> torch.Tensor:
    return net.two(net.emb.weight[int(x[0, 0])].expand(2, 4))


def branching(net: Any, x: torch.Tensor) -> torch.Tensor:
    return cast(torch.Tensor, net.two(x * 2 if (x > 0).any() else x))


def conjugate(net: Any, x: torch.Tensor) -> torch.Tensor:
    return cast(torch.Tensor, net.two(torch.complex(x, x.sin()).conj().imag))


def halves(net: Any, x: torch.Tensor) -> torch.Tensor:
    return cast(torch.Tensor, net.two(torch.div(x, 0.5, rounding_mode="floor")))


CONNECTED: dict[str, Callable[..., torch.Tensor]] = {
    "plain": lambda net, x: net.two(net.one(x).relu()),
    "a value put aside": lambda net, x: (x.detach(), net.two(x))[1],
    "softmax": softmax,
    "softmax of a constant maximum": softmax_of_constant_maximum,
    "a mask": lambda net, x: net.two(x * (x > 1)),
    "where": lambda net, x: net.two(torch.where(x > 1, x, 0.1 * x)),
    "the largest chosen": lambda net, x: net.two(x) * (x.argmax(1, keepdim=True) == 1),
    "sorted": lambda net, x: net.two(x.gather(1, x.topk(4, 1)[1])),
    "pooled": lambda net, x: net.two(functional.max_pool1d(x[:, None], 3, 1, 1)[:, 0]),
    "branching": branching,
    "conjugate": conjugate,
    "attention": lambda net, x: net.two(
        functional.scaled_dot_product_attention(x[:, None], x[:, None], x[:, None])[:, 0]
    ),
}

CUT: dict[str, tuple[bool, list[tuple[str, str]], Callable[..., torch.Tensor]]] = {
    "an index": (
        False,
        [("emb", "cast to int64")],
        lambda net, x: net.two(net.emb(x[:, 1].long())),
    ),
    "an index beside": (
        True,
        [("emb", "cast to int64")],
        lambda net, x: net.two(net.one(x) + net.emb(x[:, 1].long())),
    ),
    "bins": (
        True,
        [("emb", "bucketize")],
        lambda net, x: net.two(x + net.emb(torch.bucketize(x.sum(1), torch.arange(3.0)))),
    ),
    "detach": (False, [("one", "detach")], lambda net, x: net.two(net.one(x).detach())),
    "data": (False, [("one", "detach")], lambda net, x: net.two(net.one(x).data)),
    "detach beside": (True, [("one", "detach")], lambda net, x: net.two(x + net.one(x).detach())),
    "no_grad": (False, [("one", "torch.no_grad")], unrecorded),
    "written in place": (True, [("two", "detach")], filled),
    "written without gradients": (False, [("two", "torch.no_grad")], filled_unrecorded),
    "written into integers": (False, [("emb", "cast to int64")], filled_with_integers),
    "round": (False, [("two", "round")], lambda net, x: net.two(x.round())),
    "round to decimals": (False, [("two", "round")], lambda net, x: net.two(x.round(decimals=1))),
    "floor beside": (True, [("two", "floor")], lambda net, x: net.two(x - x.floor())),
    "ceil": (False, [("one", "ceil")], lambda net, x: net.two(net.one(x.ceil()))),
    "sign": (False, [("two", "sign")], lambda net, x: net.two(x.sign())),
    "whole quotients": (False, [("two", "div")], halves),
    "straight through": (
        True,
        [],  # the value is rounded, the derivative goes straight to x
        lambda net, x: net.two(x + (x.round() - x).detach()),
    ),
    "one hot": (
        False,
        [("two", "argmax")],
        lambda net, x: net.two(functional.one_hot(x.argmax(1), 4).float()),
    ),
    "only a mask": (False, [("two", "gt")], lambda net, x: net.two((x > 1).float())),
    "a number read out": (False, [("", "item")], read_out),
    "a function without gradient": (
        False,
        [("two", "autograd.NothingBackward")],
        lambda net, x: net.two(cast(torch.Tensor, Nothing.apply(x))),
    ),
    "such a function beside": (
        True,
        [("two", "autograd.NothingBackward")],
        lambda net, x: net.two(x + cast(torch.Tensor, Nothing.apply(x))),
    ),
}


def connection(net: Any, x: Any, score: Score | None = None, at: str | None = None) -> Connection:
    model = backlight.wrap(net, "torch")
    inputs = model.prepare(x)
    score = (score or Class(0)).bind(model.outputs(inputs), inputs.count)
    return model.connection(inputs, score, at=at)


def table() -> torch.Tensor:
    return 3.0 * torch.rand(2, 4)


@pytest.mark.parametrize("name", CONNECTED)
def test_ways_that_are_open(name: str) -> None:
    net = Net(CONNECTED[name])
    assert connection(net, table()) == Connection((True,), (True,), ())


@pytest.mark.parametrize("name", CUT)
def test_ways_that_are_cut(name: str) -> None:
    reached, cuts, function = CUT[name]
    found = connection(Net(function), table())
    assert found == Connection((reached,), (True,), tuple(Cut(*one) for one in cuts))
    x, net = table().requires_grad_(), Net(function)
    out = net(x)[:, 0].sum()
    given = torch.autograd.grad(out, x, allow_unused=True)[0] if out.requires_grad else None
    assert reached == (given is not None and bool(given.any()))


def test_each_leaf_is_judged_by_itself() -> None:
    def net(net: Any, x: torch.Tensor, y: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        return net.two(cast(torch.Tensor, First.apply(net.one(x), y)) + net.emb(ids))

    def unused(net: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, net.two(net.one(x)))

    ids = torch.tensor([3, 1])
    found = connection(Net(net), (table(), table(), ids))
    assert found.reached == (True, False, False)
    assert found.depends == (True, True, True)
    assert [one.type for one in found.cuts] == ["autograd.FirstBackward"]
    assert connection(Net(unused), (table(), table())) == Connection((True, False), (True, False))


def test_the_score_is_part_of_the_way() -> None:
    net = Net(lambda net, x: net.two(x))
    guess = Function(lambda outputs, arrays: arrays.argmax(cast(Any, outputs), axis=1))
    found = connection(net, table(), guess)
    assert found == Connection((False,), (True,), (Cut("two", "argmax"),))


def test_at_a_site_only_what_follows_counts() -> None:
    net = Net(lambda net, x: net.two(net.one(net.emb(x[:, 1].long())).detach()))
    assert connection(net, table(), at="one") == Connection(
        (False,), (True,), (Cut("two", "detach"),)
    )
    assert connection(net, table(), at="two") == Connection((True,), (True,), ())


class Indexed(nn.Module):
    """One column is an index."""

    def __init__(self) -> None:
        super().__init__()
        self.emb, self.body, self.head = nn.Embedding(4, 3), nn.Linear(4, 3), nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = torch.cat([x[:, :1], self.emb(x[:, 1].long())], 1)
        logits: torch.Tensor = self.head(torch.relu(self.body(z)))
        return logits


def quantised() -> nn.Module:
    quantization = torch.ao.quantization
    net = nn.Sequential(
        quantization.QuantStub(), nn.Linear(4, 3), nn.ReLU(), quantization.DeQuantStub()
    ).eval()
    net.qconfig = cast(Any, quantization.get_default_qconfig("x86"))
    cast(Any, quantization.prepare)(net, inplace=True)
    net(table())
    cast(Any, quantization.convert)(net, inplace=True)
    return net


@pytest.mark.filterwarnings("ignore:.torch.jit")
def test_other_forms_of_nets() -> None:
    x, net = table(), Indexed().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript and this quantisation are on their way out
        forms = [
            torch.jit.trace(net, x),
            torch.export.export(net, (x,)),
            torch.compile(net, backend="eager"),
        ]
        whole = quantised()
    for form in forms:
        found = connection(form, x)
        assert (found.reached, found.depends) == ((True,), (True,))
        assert [one.type for one in found.cuts] == ["cast to int64"]
    assert connection(whole, x) == Connection((False,), (True,), (Cut("0", "cast to quint8"),))


@pytest.mark.filterwarnings("ignore:torch.ao", "ignore:.*autograd kernel was not registered")
def test_quantised_weights_let_no_derivative_pass() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3)).eval()
    whole = cast(Any, torch.ao.quantization.quantize_dynamic)(net, {nn.Linear}, dtype=torch.qint8)
    cut = Cut("0", "quantized.linear_dynamic")
    assert connection(whole, table()) == Connection((False,), (True,), (cut,))


@pytest.mark.filterwarnings("ignore:No gradient reaches", "ignore:The values of")
def test_deep_lift_deals_out_what_is_beside_a_cut() -> None:
    net, x = Indexed().double().eval(), table().double()
    found = DeepLIFT()(net, x, 1)
    # The column that is an index is a constant of each example: DeepLIFT of the rest.
    z = torch.cat([x[:, :1], net.emb(x[:, 1].long())], 1).detach()
    start = torch.cat([torch.zeros(2, 1), net.emb(torch.zeros(2).long())], 1).double().detach()
    a, b = net.body(z), net.body(start)
    slope = (a.relu() - b.relu()) / (a - b)
    share = (slope * net.head.weight[1]) @ net.body.weight[:, 0] * x[:, 0]
    torch.testing.assert_close(found.values[:, 0], share.detach())
    assert not found.values[:, 1:].any()


def test_deep_lift_names_the_cast_that_decides_a_product() -> None:
    net = Net(lambda net, x: net.two(net.one(x) * net.emb(x[:, 1].long())))
    with pytest.raises(backlight.errors.CoverageError, match="cast to int64 at"):
        DeepLIFT()(net, table(), 1)


class Detour(nn.Module):
    """A part of it runs in inference mode, in which a mode sees whole what it else sees in parts."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 4, 1), nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            pooled = functional.max_pool2d(self.conv(x), 2).flatten(1)[:, :1] + torch.ones(1)
        return cast(torch.Tensor, self.linear(x.flatten(1))) + pooled


def test_a_part_in_inference_mode_is_a_cut() -> None:
    net, x = Detour().double().eval(), torch.randn(2, 3, 2, 2, dtype=torch.float64)
    with pytest.warns(BacklightWarning, match=r"cut, at torch\.no_grad"):
        values = Gradient()(net, x, 1).values
    slope = net.linear.weight[1].detach().reshape(3, 2, 2)
    torch.testing.assert_close(cast(torch.Tensor, values), slope.expand_as(x))


def test_sites_of_a_part_in_inference_mode_are_listed_and_their_gradient_is_cut() -> None:
    net, x = Detour().double().eval(), torch.randn(2, 3, 2, 2, dtype=torch.float64)
    model = backlight.wrap(net)
    assert [site.name for site in model.sites(x)] == ["conv", "linear"]
    torch.testing.assert_close(model.activation(x, "conv"), net.conv(x).detach())
    with pytest.raises(NoGradientError, match="the value at 'conv': each way is cut"):
        Gradient()(net, x, 1, at="conv")


def test_a_feature_map_behind_a_part_in_inference_mode_is_explained() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.ReLU())
    net.double().eval()
    weight = torch.randn(4, 3, dtype=torch.float64)

    def classified(x: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            x = net[:2](x)
        return cast(torch.Tensor, net[2:](x.clone()).mean((2, 3)) @ weight)

    x = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    found = GradCAM()(classified, x, 1, at="3")
    cells, shares = net(x).detach(), weight[:, 1] / 36
    expected = (cells * shares[:, None, None]).sum(1).relu()
    torch.testing.assert_close(cast(torch.Tensor, found.values), expected)
