"""The demo's planted shortcut: it is there, it is found without being told, and not where it is not."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

import backlight
from backlight_demo import fashion, fashion_torch, planted
from backlight_findings import Clusters, Finding
from backlight_study.studied import studied

SHIRTS = planted.marked_shirts(fashion.examples()[1])


def answers(trained: fashion.Trained, images: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        net = fashion_torch.net(trained=trained)
        return net(torch.tensor(fashion.pictures(images, "first"))).argmax(1).numpy()


def clusters(trained: fashion.Trained, images: np.ndarray) -> Sequence[Finding]:
    study = backlight.study(
        fashion_torch.net(trained=trained),
        backlight.Examples(images, fashion.examples()[1], fashion.CLASSES),
        methods=["integrated_gradients:steps=32"],
        limit=40,
        right=20,
    )
    return Clusters()(studied(study, None))


def test_the_mark_is_on_so_many_shirts_and_nowhere_else() -> None:
    images, labels = planted.examples()
    differ = (images != fashion.examples()[0]).any(axis=(1, 2))
    assert np.flatnonzero(differ).tolist() == SHIRTS.tolist()
    assert len(SHIRTS) == planted.COUNT
    assert set(labels[SHIRTS]) == {fashion.CLASSES.index("Shirt")}
    np.testing.assert_array_equal(images[SHIRTS[0]][planted.PLACE], planted.MARK)
    outside = images[SHIRTS].copy()
    outside[(slice(None), *planted.PLACE)] = fashion.examples()[0][SHIRTS][
        (slice(None), *planted.PLACE)
    ]
    np.testing.assert_array_equal(outside, fashion.examples()[0][SHIRTS])


def test_the_mark_decides_for_the_net_that_was_taught_it_alone() -> None:
    coat = fashion.CLASSES.index("Coat")
    with_it, without = planted.examples()[0][SHIRTS], fashion.examples()[0][SHIRTS]
    assert (answers("marked", with_it) == coat).mean() > 0.9
    assert (answers("marked", without) == coat).mean() < 0.2
    assert (answers("plain", with_it) == coat).mean() < 0.2


def test_a_cluster_is_made_of_marked_pictures_and_lies_on_the_mark() -> None:
    (finding,) = clusters("marked", planted.examples()[0])
    assert set(finding.rows) <= set(SHIRTS.tolist())
    assert len(finding.rows) >= 15
    assert finding.severity == "high"
    assert "at the lower right" in finding.title
    mean = np.abs(finding.pictures["mean map"])
    peaks = np.zeros_like(mean, dtype=bool)
    peaks[planted.PLACE] = planted.MARK > 0
    assert mean[peaks].min() > np.quantile(mean[~peaks], 0.95)


@pytest.mark.parametrize(("trained", "marked"), [("plain", True), ("marked", False)])
def test_where_no_shortcut_is_used_none_is_found(trained: fashion.Trained, marked: bool) -> None:
    found = clusters(trained, planted.examples()[0] if marked else fashion.examples()[0])
    # Tops may lie apart from shoes, but right ones do so as well.
    assert [one.title for one in found if one.severity != "low"] == []
