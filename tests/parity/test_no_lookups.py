"""Values that could be taken for the vectors of ids and are not, and nets that have no such vectors."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers
from torch import nn
from torch.nn import functional

import backlight
from backlight.errors import InputTypeError
from backlight.explaining.structure import NetStructure, net_structure
from backlight.graph.dependence.dependence import Dependence
from backlight.graph.picked import picked_from_tables
from backlight.model.wrapping import wrap

Wrong = Callable[["Net", torch.Tensor], torch.Tensor]


class Net(nn.Module):
    """Reads vectors out of a table, and shows something else at the site `wrong`."""

    def __init__(self, between: Wrong) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.table = nn.Parameter(torch.randn(20, 4, generator=generator))
        self.wrong = nn.Identity()
        self.top = nn.Linear(4, 3)
        self.between = between

    def vectors(self, ids: torch.Tensor) -> torch.Tensor:
        """Those that are found, of the examples on axis 0."""
        return functional.embedding(ids.T, self.table).transpose(0, 1)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.top(self.between(self, ids).tanh().sum(1))


def with_places(net: Net, ids: torch.Tensor) -> torch.Tensor:
    places = torch.arange(ids.shape[1], dtype=torch.float32)[:, None]
    return net.wrong(net.vectors(ids) + places)


def with_the_mean(net: Net, ids: torch.Tensor) -> torch.Tensor:
    vectors = net.vectors(ids)
    return net.wrong(vectors + vectors.mean(1, keepdim=True))


def with_neighbours(net: Net, ids: torch.Tensor) -> torch.Tensor:
    return net.wrong(functional.avg_pool1d(net.vectors(ids).mT, 3, 1, padding=1).mT)


def behind_a_mask(net: Net, ids: torch.Tensor) -> torch.Tensor:
    mask = net.wrong((ids != 0)[..., None].expand(*ids.shape, 4) * 1.0)
    return net.vectors(ids) * mask


IDS = (
    [[3, 4]],
    [[3, 4, 5]],
    [[3, 4, 3]],
    [[3, 3, 3, 3]],
    [[0, 0, 0]],
    [[1, 0, 1, 0]],
    [[5]],
    [[5], [6]],
)


@pytest.mark.parametrize("wrong", [with_places, with_the_mean, with_neighbours, behind_a_mask])
@pytest.mark.filterwarnings("ignore::backlight.BacklightWarning")
def test_what_places_or_neighbours_tell_is_no_lookup(wrong: Wrong) -> None:
    net = Net(wrong).eval()
    sites = {str(ids): backlight.explain(Net(wrong).eval(), torch.tensor(ids), 0).at for ids in IDS}
    assert sites == {str(ids): "/transpose" for ids in IDS}
    for ids in ([[5]], [[3, 4, 5]], [[5], [6]]):  # what is remembered of one holds for others
        assert backlight.explain(net, torch.tensor(ids), 0).at == "/transpose"


def test_what_is_computed_of_vectors_is_not_picked_from_a_table() -> None:
    def dense(net: Net, ids: torch.Tensor) -> torch.Tensor:
        return net.wrong(net.vectors(ids) @ torch.eye(4))

    net, ids = Net(dense).eval(), torch.tensor([[3, 4, 5], [5, 6, 7]])
    graph = wrap(net, inputs=ids).graph(ids)
    assert graph is not None
    found = picked_from_tables(Dependence(graph))
    assert [name for name, value in graph.sites.items() if value in found] == ["/transpose"]


class Bag(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(20, 4)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.bag(ids)


def xlnet() -> nn.Module:
    config = transformers.XLNetConfig(vocab_size=20, d_model=8, n_layer=1, n_head=2, d_inner=8)
    return transformers.XLNetForSequenceClassification(config).eval()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Bag, "are made at 'bag', which gives none for each id by itself, as a sum over them does"),
        (
            xlnet,
            "are made at 'transformer.word_embedding', with the examples on axis 1, where no site",
        ),
        (
            lambda: Net(lambda net, ids: ids[..., None].repeat(1, 1, 4).float()),
            "token ids have no vector each in this net",
        ),
    ],
)
def test_where_no_id_has_a_vector_at_a_site_it_is_said_why(
    make: Callable[[], nn.Module], said: str
) -> None:
    ids = torch.tensor([[5, 6, 7, 8, 2], [9, 4, 2, 3, 1]])
    with pytest.raises(InputTypeError, match=f"{said}.*: hide them, .*method='feature_ablation'"):
        backlight.explain(make(), ids, 0)
    hidden: Any = backlight.explain(make(), ids, 0, "feature_ablation")
    assert hidden.values.shape == (2, 5)


@pytest.mark.parametrize(("between", "only"), [(with_places, True), (behind_a_mask, False)])
def test_the_graph_shows_whether_ids_go_another_way_too(between: Wrong, only: bool) -> None:
    net, ids = Net(between).eval(), torch.tensor([[3, 4, 0], [5, 6, 7]])
    model = wrap(net, inputs=ids)
    seen = net_structure(model, model.prepare(ids), None)
    assert isinstance(seen, NetStructure)
    assert seen.leads_through("/transpose") == only


@pytest.mark.filterwarnings("error::backlight.BacklightWarning")
def test_a_net_that_warns_of_a_missing_mask_is_not_taken_for_one_whose_rows_mix() -> None:
    config = transformers.DebertaV2Config(
        vocab_size=20,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
    )
    net = transformers.DebertaV2ForSequenceClassification(config).eval()
    ids = torch.tensor([[3, 5, 6, 7], [3, 9, 0, 0]])
    for given in ({"input_ids": ids}, {"input_ids": ids, "attention_mask": (ids > 0).long()}):
        assert (
            backlight.explain(net, given, 1, "gradient").at == "deberta.embeddings.word_embeddings"
        )


class Mixing(nn.Module):
    """Rows look at each other where a mask is given."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 3)

    def forward(self, input_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        sums = self.table(input_ids).tanh().sum(1)
        return sums if mask is None else sums - sums.mean(0)


def test_what_is_remembered_is_of_the_arguments_that_there_were() -> None:
    net, ids = Mixing(), torch.tensor([[3, 5], [6, 7]])
    for extra, mixes in (({}, False), ({"mask": torch.ones(2, 2)}, True), ({}, False)):
        model = wrap(net, inputs=ids)
        seen = net_structure(model, model.prepare(ids, extra), None)
        assert seen.needs_whole_batch == mixes
