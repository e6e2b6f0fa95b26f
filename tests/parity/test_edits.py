"""A net that is edited between two calls is explained as it is now, on each framework."""

import torch  # isort: skip  # noqa: F401  (before TensorFlow: the other order does not load)
import functools

import jax
import pytest

from tests.parity.edited import with_jax, with_torch
from tests.parity.edited.check import check

double = functools.partial(jax.enable_x64, True)


@pytest.mark.parametrize("edit", with_torch.EDITS)
def test_torch_nets(edit: str) -> None:
    check(with_torch.EDITS[edit])


@pytest.mark.parametrize("edit", ["attribute", "layers_moved", "weight_fill", "closure_cell"])
def test_torch_nets_that_saw_batches_of_several_sizes(edit: str) -> None:
    check(with_torch.EDITS[edit], sizes=(1, 8))


@pytest.mark.parametrize("edit", with_jax.EDITS)
def test_jax_nets(edit: str) -> None:
    check(with_jax.EDITS[edit], precision=double)
