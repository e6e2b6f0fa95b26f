"""Tokens at an embedding, rows that look at each other, whole numbers, class activation maps."""

from functools import partial

import numpy as np
import pytest
import torch

import backlight
from backlight_methods import GradCAM, InputXGradient, Occlusion
from backlight_metrics import SRG, DecisionFlip, Deletion, Infidelity, Insertion, RandomTarget

IDS = np.random.default_rng(0).integers(1, 20, size=(4, 7))


class Bag(torch.nn.Module):
    """Logits that are sums over tokens: contributions at the embedding are exact."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(20, 5, padding_idx=0)
        self.head = torch.nn.Linear(5, 3, bias=False)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.embedding(ids).sum(1))


@pytest.fixture(scope="module")
def bag() -> Bag:
    torch.manual_seed(0)
    return Bag().double().eval()


def by_token(bag: Bag) -> np.ndarray:
    """What each token gives to class 1, (4, 7)."""
    return (bag.embedding(torch.from_numpy(IDS)) @ bag.head.weight[1]).detach().numpy()


def ranked(c: np.ndarray) -> np.ndarray:
    n = c.shape[1]
    return (-np.sort(-c, axis=1) * (n - 1 - 2 * np.arange(n)) / n).sum(axis=1)


def test_tokens_are_the_places_of_an_embedding(bag: Bag) -> None:
    found = backlight.evaluate(bag, IDS, InputXGradient(), SRG(), 1, at="embedding")
    np.testing.assert_allclose(found["InputXGradient", "SRG"].values, ranked(by_token(bag)))
    assert found.controls == ("random", "uniform")
    perfect = backlight.evaluate(bag, IDS, InputXGradient(), Infidelity(), 1, at="embedding")
    np.testing.assert_allclose(perfect["InputXGradient", "Infidelity"].values, 0, atol=1e-20)


def test_tokens_are_replaced_by_the_padding(bag: Bag) -> None:
    """The padding's embedding is nothing, so that removal of ids is that of their embeddings."""
    found = backlight.evaluate(bag, IDS, by_token(bag), SRG(baseline=0), 1)
    np.testing.assert_allclose(found["map", "SRG"].values, ranked(by_token(bag)))
    occluded = backlight.evaluate(bag, IDS, Occlusion(baseline=0), SRG(baseline=0), 1)
    np.testing.assert_allclose(occluded["Occlusion", "SRG"].values, ranked(by_token(bag)))


def test_blur_and_mean_of_token_ids_are_refused(bag: Bag) -> None:
    found = backlight.evaluate(bag, IDS, by_token(bag), Deletion(baseline="mean"), 1)
    assert "floating-point" in (found["map", "Deletion"].error or "")


def test_a_decision_at_an_inner_value_is_told_by_a_contrast(bag: Bag) -> None:
    def flips(target: object) -> backlight.Cell:
        found = backlight.evaluate(
            bag, IDS, InputXGradient(), DecisionFlip(), target, at="embedding"
        )
        return found["InputXGradient", "DecisionFlip"]

    assert "say target=" in " ".join((flips(1).error or "").split())
    assert flips(backlight.Margin(1, versus=0)).error is None


class Mixing(torch.nn.Module):
    """A net whose rows look at each other: each is held against the batch's mean."""

    def __init__(self) -> None:
        super().__init__()
        self.head = torch.nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = x.flatten(1)
        return self.head(torch.tanh(flat - flat.mean(0, keepdim=True)))


def test_rows_that_look_at_each_other_run_together() -> None:
    torch.manual_seed(0)
    net, x = Mixing().double().eval(), np.random.default_rng(1).normal(size=(5, 1, 4, 4))
    whole, small = (
        backlight.evaluate(net, x, InputXGradient(), [SRG(), Infidelity()], 1, batch_size=size)
        for size in (64, 2)
    )
    for metric in ("SRG", "Infidelity"):
        np.testing.assert_allclose(
            small["InputXGradient", metric].values, whole["InputXGradient", metric].values
        )


def test_class_activation_maps_are_judged_at_the_inputs_places() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3),
        torch.nn.ReLU(),
        torch.nn.AvgPool2d(2),
        torch.nn.Conv2d(4, 3, 3),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(12, 3),
    )
    x = np.random.default_rng(1).normal(size=(3, 1, 10, 10)).astype("float32")
    given = {
        "last": GradCAM(),
        "first": partial(GradCAM(), at="1"),
        "coarse": GradCAM(upsample="none"),
    }
    found = backlight.evaluate(net, x, given, [SRG(), RandomTarget()], 1)
    assert found["last", "SRG"].n == 3
    assert (found["last", "SRG"].values != found["first", "SRG"].values).any()
    assert "Upsample it" in found.errors["coarse"]
    assert found["first", "RandomTarget"].error is None


class Coats(torch.nn.Module):
    """A score that is a sum over two ids and three numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds = torch.nn.Embedding.from_pretrained(torch.tensor([[0.0], [2.0], [-3.0]]))

    def forward(self, kinds: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        return self.kinds(kinds).sum((1, 2)) + numbers.sum(1)


def test_places_run_across_several_inputs() -> None:
    x = torch.tensor([[1, 2], [2, 2]]), torch.tensor([[0.5, -1.0, 4.0], [1.5, 2.5, -0.25]])
    shares = np.array([[2, -3, 0.5, -1, 4], [-3, -3, 1.5, 2.5, -0.25]])
    methods = ["feature_ablation", "integrated_gradients"]
    metrics = {
        "infidelity": Infidelity(),
        "deletion": Deletion(steps=5),
        "insertion": Insertion(steps=5, baseline=0.0),
    }
    found = backlight.evaluate(Coats(), x, methods, metrics)
    # The score that is left as the largest goes first, of both inputs together; and as it comes first.
    order = np.sort(shares, axis=1)[:, ::-1]
    there = np.pad(np.cumsum(order, axis=1), ((0, 0), (1, 0)))
    left = there[:, -1:] - there

    def area(curves: np.ndarray) -> np.ndarray:
        return np.asarray((curves[:, 1:] + curves[:, :-1]).mean(axis=1) / 2)

    for method in methods:
        np.testing.assert_allclose(found[method, "infidelity"].values, 0, atol=1e-6)
        np.testing.assert_allclose(found[method, "deletion"].values, area(left), rtol=1e-5)
        np.testing.assert_allclose(found[method, "insertion"].values, area(there), rtol=1e-5)
