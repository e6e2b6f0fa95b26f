"""The PyTorch backend: sites."""

from typing import Any, NamedTuple, cast

import pytest
import torch
from torch import nn
from torch.nn import functional

import backlight
from backlight import Class, Neuron, Output, Probability
from backlight.errors import (
    SiteError,
    UnknownNameError,
)
from tests.backends.torch.model.nets import (
    AT,
    DIFFERENCES,
    Reader,
    bound,
    central,
    convolutional,
    images,
    names_of,
    same,
)


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
        model.gradient(x, Neuron("3"))


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
