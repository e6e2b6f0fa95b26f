"""Nets that check their inputs in Python: what does no more than raise an error, or warn, decides nothing
else."""

import logging
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

import backlight
from backlight_methods import Gradient

W = torch.linspace(-1.0, 1.0, 15).reshape(5, 3)


def refuses_nan(x: torch.Tensor) -> torch.Tensor:
    if x.isnan().any():
        raise ValueError("not a number")
    return x.tanh() @ W


def ends_the_program(x: torch.Tensor) -> torch.Tensor:
    if x.isnan().any():
        raise SystemExit("not a number")
    return x.tanh() @ W


def asserts(x: torch.Tensor) -> torch.Tensor:
    assert x.min() >= -9, f"{x.min()} is too low"
    assert x.abs().max() > 0 and torch.isfinite(x).all()
    return x.tanh() @ W


def asserts_by_the_framework(x: torch.Tensor) -> torch.Tensor:
    torch._assert(x.min() >= -9, "too low")
    return x.tanh() @ W


def is_fine(x: torch.Tensor) -> bool:
    with torch.no_grad():
        return not torch.equal(x, torch.zeros_like(x)) and bool(x.isfinite().all().item())


def asks_another_function(x: torch.Tensor) -> torch.Tensor:
    try:
        if not is_fine(x):
            raise RuntimeError("nothing there")
    finally:
        x = x.tanh()
    return x @ W


def warns(x: torch.Tensor) -> torch.Tensor:
    if x.isnan().any():
        logging.getLogger(__name__).warning("not a number")
    return x.tanh() @ W


@pytest.mark.parametrize(
    "net",
    [
        refuses_nan,
        ends_the_program,
        asserts,
        asserts_by_the_framework,
        asks_another_function,
        warns,
    ],
)
def test_a_check_that_only_raises_or_warns_is_not_spoken_of(
    net: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    x = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    found = Gradient()(net, x, 1, batch_size=2)
    assert found.warnings == ()
    torch.testing.assert_close(found.values, (1 - x.tanh() ** 2) * W[:, 1])


def computes_otherwise(x: torch.Tensor) -> torch.Tensor:
    if x.isnan().any():
        return x.nan_to_num() @ W
    return x @ W


def fails_behind(x: torch.Tensor) -> torch.Tensor:
    """Where the truth is turned round PyTorch's own code raises an error, by a statement in Python."""
    mode = "linear" if (x > -9).all() else "bilinear"
    return functional.interpolate(x[:, None], 5, mode=mode)[:, 0] @ W


def looks_up(x: torch.Tensor) -> torch.Tensor:
    """Where the truth is turned round there is nothing to be found, and no statement says so."""
    return x * {True: 2.0}[bool((x > -9).all())] @ W


def scales(x: torch.Tensor) -> torch.Tensor:
    """The operations are the same, their numbers are not."""
    return x * (2.0 if (x > -9).all() else 3.0) @ W


def catches(x: torch.Tensor) -> torch.Tensor:
    try:
        refuses_nan(x)
    except ValueError:
        return x.nan_to_num() @ W
    return x @ W


def reads_a_number(x: torch.Tensor) -> torch.Tensor:
    assert x.min().item() >= -9
    return x @ W


@pytest.mark.parametrize(
    "net", [computes_otherwise, fails_behind, looks_up, scales, catches, reads_a_number]
)
@pytest.mark.filterwarnings("ignore::backlight.BacklightWarning")
def test_what_may_go_on_otherwise_is_spoken_of(net: Callable[[torch.Tensor], torch.Tensor]) -> None:
    found = Gradient()(net, torch.randn(6, 5), 1)
    assert any("Python reads" in note for note in found.warnings)


class Checked(nn.Module):
    """Checks what it is given once, and branches by it once."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.isnan().any():
            raise ValueError("not a number")
        y: torch.Tensor = self.layer(x)
        return y * 2 if y.sum() > 0 else y * 3


@pytest.mark.filterwarnings("ignore::backlight.BacklightWarning")
def test_a_branch_beside_a_check_is_all_that_is_named() -> None:
    graph = backlight.wrap(Checked()).graph(torch.randn(4, 5))
    assert graph is not None
    (node,) = [one for one in graph.nodes if one.primitive == "read_out"]
    assert graph.nodes[[*graph.nodes].index(node) - 1].primitive == "gt"
