"""The nearest right examples, against brute force."""

from pathlib import Path

import numpy as np
import pytest
import torch

from backlight.errors import BacklightError
from backlight_study import neighbours
from backlight_study.neighbours import log_odds_space, nearest, nearest_of
from backlight_study.run import study
from tests.study.nets import examples, keras_net, torch_net

RNG = np.random.default_rng(5)
SPACE = RNG.normal(size=(40, 4))
RIGHT = RNG.random(40) < 0.5


def brute(row: int, most: int) -> list[int]:
    others = [n for n in range(40) if RIGHT[n] and n != row]
    return sorted(others, key=lambda n: (((SPACE[n] - SPACE[row]) ** 2).sum(), n))[:most]


@pytest.mark.parametrize("at_once", [1, 50, 2**24])
def test_they_are_those_of_brute_force(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(neighbours, "AT_ONCE", at_once)
    rows = np.array([3, 0, 39, 17])
    for row, found in zip(rows.tolist(), nearest(SPACE, rows, RIGHT, 4), strict=True):
        assert [one.row for one in found] == brute(row, 4)
        wanted = [np.linalg.norm(SPACE[one.row] - SPACE[row]) for one in found]
        np.testing.assert_allclose([one.distance for one in found], wanted, rtol=1e-12)


def test_there_may_be_fewer_than_asked_for() -> None:
    right = np.zeros(40, dtype=bool)
    right[[4, 9]] = True
    assert [len(one) for one in nearest(SPACE, np.array([4, 5]), right)] == [1, 2]
    assert nearest(SPACE, np.array([4]), np.zeros(40, dtype=bool)) == [()]


def test_equal_logits_are_one_place_and_a_probability_of_0_is_far_but_there() -> None:
    logits = RNG.normal(size=(3, 4))
    odds = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(
        log_odds_space(odds), logits - logits.mean(1, keepdims=True), atol=1e-12
    )
    assert np.isfinite(log_odds_space(np.array([[1.0, 0.0]]))).all()


def test_blocks_say_the_same_as_all_at_once() -> None:
    rows = np.array([3, 0, 39, 17])
    for length in (1, 7, 40):
        blocks = (
            (np.arange(40)[start : start + length], SPACE[start : start + length])
            for start in range(0, 40, length)
        )
        assert nearest_of(blocks, (rows, SPACE[rows]), RIGHT, 4) == nearest(SPACE, rows, RIGHT, 4)


def test_equals_come_by_their_number() -> None:
    space = np.zeros((6, 2))
    found = nearest(space, np.array([2]), np.ones(6, dtype=bool))
    assert [one.row for one in found[0]] == [0, 1, 3]


@pytest.mark.parametrize("site", ["relu", "head"])
def test_neighbours_at_a_site_are_those_of_brute_force(site: str, tmp_path: Path) -> None:
    """Channels averaged over places; a vector as it is. A second study asks the model nothing."""
    data, net = examples(), torch_net()
    kept: list[torch.Tensor] = []
    handle = getattr(net, site).register_forward_hook(lambda *call: kept.append(call[2]))
    with torch.no_grad():
        net(torch.tensor(data.x[:, None].astype(np.float32) / 255))
    handle.remove()
    space = kept[0].double().numpy()
    space = space.mean((2, 3)) if space.ndim == 4 else space
    told: list[tuple[str, int, int]] = []
    for _ in range(2):
        made = study(
            net, data, methods=["saliency"], limit=6, near=site, store=tmp_path, batch_size=16,
            progress=lambda *one: told.append(one),
        )  # fmt: skip
        for place, row in enumerate(made.rows.tolist()):
            others = [n for n in np.flatnonzero(~made.predictions.wrong).tolist() if n != row]
            far = {n: np.linalg.norm(space[n] - space[row]) for n in others}
            wanted = sorted(others, key=lambda n: (far[n], n))[:3]
            assert [one.row for one in made.neighbours[place]] == wanted
            distances = [one.distance for one in made.neighbours[place]]
            np.testing.assert_allclose(distances, [far[n] for n in wanted], rtol=1e-4)
    assert [one for one in told if one[0] == "Looking inside"].count(("Looking inside", 0, 90)) == 1
    with pytest.raises(BacklightError, match="relu"):
        study(net, data, methods=["saliency"], near="reluu")


def test_a_search_that_was_stopped_goes_on(tmp_path: Path) -> None:
    def stopping(what: str, done: int, total: int) -> None:
        if what == "Looking inside" and done >= 48:
            raise KeyboardInterrupt

    given = {
        "methods": ["saliency"],
        "limit": 6,
        "near": "relu",
        "store": tmp_path,
        "batch_size": 16,
    }
    with pytest.raises(KeyboardInterrupt):
        study(torch_net(), examples(), **given, progress=stopping)  # type: ignore[arg-type]
    asked: list[int] = []
    again = study(
        torch_net(), examples(), **given,  # type: ignore[arg-type]
        progress=lambda what, done, total: asked.append(done) if what == "Looking inside" else None,
    )  # fmt: skip
    assert len(asked) == 4  # three of six blocks were left, and the end
    whole = study(
        torch_net(), examples(), methods=["saliency"], limit=6, near="relu", batch_size=16
    )
    assert again.neighbours == whole.neighbours
    outputs = study(torch_net(), examples(), methods=["saliency"], limit=6)
    assert again.neighbours != outputs.neighbours


def test_channels_are_where_the_framework_has_them() -> None:
    net = keras_net()
    found = study(net, examples(), methods=["saliency"], limit=3, near=net.layers[0].name)
    like = study(torch_net(), examples(), methods=["saliency"], limit=3, near="relu")
    for one, other in zip(found.neighbours, like.neighbours, strict=True):
        assert [near.row for near in one] == [near.row for near in other]
