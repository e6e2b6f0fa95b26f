"""Masks that a net makes of ids, and writes in place."""

import pytest
import torch
from torch import nn

import backlight


class Masked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.top = nn.Linear(8, 3)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        padding, vectors = ids == 0, self.table(ids)
        seen, _ = self.attention(
            vectors, vectors, vectors, key_padding_mask=padding, need_weights=False
        )
        return self.top((seen * ~padding[..., None]).sum(1))


@pytest.mark.parametrize("method", ["lrp", "deep_lift"])
def test_an_example_alone_has_the_values_that_it_has_beside_another(method: str) -> None:
    torch.manual_seed(0)
    net, ids = Masked().eval(), torch.tensor([[3, 9, 10, 0, 0], [3, 4, 5, 6, 7]])
    together, alone = (backlight.explain(net, some, 1, method).values for some in (ids, ids[:1]))
    torch.testing.assert_close(alone, together[:1])
    assert (alone[0, 3:] == 0).all()
    assert (alone[0, :3] != 0).all()
