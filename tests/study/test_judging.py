"""Metrics of a study: as `backlight.evaluate` has them, foreseen, and gone on with after a kill."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import pytest

import backlight
from backlight import Cost, Evaluation, Examples, Margin, Metric, Outcome, Subject
from backlight_metrics import (
    SRG,
    DecisionFlip,
    Deletion,
    Infidelity,
    Insertion,
    MassAccuracy,
    MaxSensitivity,
    Road,
)
from backlight_study import judge
from backlight_study.baselines import PictureBaseline
from backlight_study.judging import Judgement
from backlight_study.result import Study
from backlight_study.run import study
from backlight_study.studied import block_means
from tests.study.nets import NETS, examples, torch_net
from tests.study.test_study import Moody


@final
@dataclass(frozen=True, kw_only=True)
class Largest(Metric):
    """The largest number of a map; it has something to say, and truths to count."""

    def cost(self, places: int) -> Cost:
        return Cost()

    def evaluate(self, subject: Subject) -> Outcome:
        value = subject.places.max(axis=1)
        return Outcome(value, {"is_positive": value > 0}, ("Of all places.", "Channels summed."))


TECHNIQUES = ["integrated_gradients:steps=8", "saliency"]
METRICS = ["srg", "decision_flip", Infidelity(samples=5), Largest()]
PERTURBING = [
    SRG(steps=5),
    Deletion(steps=4, baseline="blur"),
    Insertion(steps=4),
    DecisionFlip(steps=6),
    Infidelity(samples=5),
    Infidelity(samples=5, local=True),
    Road(shares=(0.2, 0.6), orders=2),
]


def dark_examples() -> Examples:
    """Pictures of which much is black: maps have ties there, and removal changes nothing."""
    data = examples()
    return Examples(np.where(data.x < 120, 0, data.x), data.labels, data.classes, data.names)


@pytest.fixture(scope="module")
def made() -> Study:
    return study(torch_net(), dark_examples(), methods=TECHNIQUES, limit=19, right=3)


@pytest.fixture(scope="module")
def judgement(made: Study) -> Judgement:
    return judge(made, METRICS)


class StoppedError(BaseException):
    """Ends a run where it is, as a kill does."""


def same(one: Evaluation | None, other: Evaluation | None) -> None:
    """Numbers, details and intervals are the same to the last bit."""
    assert one is not None
    assert other is not None
    assert one.cells.keys() == other.cells.keys()
    for key, cell in one.cells.items():
        np.testing.assert_array_equal(cell.values, other[key].values)
        assert cell.details.keys() == other[key].details.keys()
        for name, detail in cell.details.items():
            np.testing.assert_array_equal(detail, other[key].details[name])
        assert (cell.interval, cell.error, cell.notes) == (
            other[key].interval,
            other[key].error,
            other[key].notes,
        )
        assert cell.comparison == other[key].comparison
    np.testing.assert_array_equal(one.score, other.score)


@pytest.mark.parametrize(("baseline", "number"), [(None, 0.0), ("white", 1.0)])
def test_numbers_are_those_of_evaluate_on_the_same_maps(
    baseline: PictureBaseline | None, number: float
) -> None:
    """Of the contrast, in its own sign, over the misclassified cases, each with its own mask; what is
    drawn and the range of the data do not depend on blocks."""
    data = dark_examples()
    made = study(
        torch_net(), data, methods=TECHNIQUES, limit=19, right=3, baseline=baseline, seed=5
    )
    metrics = [*METRICS, Infidelity(samples=4, local=True), MassAccuracy()]
    masks = np.random.default_rng(2).random((90, 8, 8)) < 0.4
    found = judge(made, metrics, masks).evaluation
    assert found is not None
    rows = made.rows[:19]
    assert made.predictions.wrong[made.rows].tolist() == [True] * 19 + [False] * 3
    predicted, true = made.predictions.classes[rows], data.labels[rows]
    x = data.x[rows][:, None].astype(np.float32) / 255
    maps = {one.name: made.values(one.name)[:19] for one in made.cases.techniques}
    target = Margin(predicted, versus=true)
    alone = backlight.evaluate(
        torch_net(), x, maps, metrics, target, baseline=number, masks=masks[rows], seed=5
    )
    assert found.target == alone.target
    assert found.cells.keys() == alone.cells.keys()
    for (name, metric), cell in alone.cells.items():
        assert cell.error is None
        np.testing.assert_allclose(
            found[name, metric].values,
            cell.values,
            rtol=1e-4,
            atol=1e-4,
            err_msg=f"{name} {metric}",
        )
        assert (found[name, metric].comparison is None) == (cell.comparison is None)
        assert found[name, metric].notes == cell.notes
        assert found[name, metric].counts() == cell.counts()
    assert found["integrated_gradients", "srg"].mean > 0.1  # turned round, it would be below 0


@pytest.mark.parametrize("metric", PERTURBING, ids=repr)
@pytest.mark.parametrize("batch_size", [None, 5])
def test_as_many_passes_are_taken_as_were_foreseen(metric: Metric, batch_size: int | None) -> None:
    made = study(torch_net(), dark_examples(), methods=["saliency"], limit=9, batch_size=batch_size)
    found = judge(made, [metric])
    assert found.evaluation is not None
    assert all(cell.error is None for cell in found.evaluation.cells.values())
    assert found.passes == found.foreseen.passes
    assert found.passes.forward > 9
    assert found.foreseen.unknown == ()


def test_several_metrics_together_are_foreseen_and_share_their_passes(made: Study) -> None:
    alone = [judge(made, [metric]).passes.forward for metric in PERTURBING]
    together = judge(made, PERTURBING)
    assert together.passes == together.foreseen.passes
    assert together.passes.forward < sum(alone)


def test_what_cannot_be_foreseen_is_named(made: Study) -> None:
    told: set[str] = set()
    found = judge(made, ["srg", MaxSensitivity()], progress=lambda what, *_: told.add(what))
    assert found.foreseen.unknown == ("MaxSensitivity",)
    assert told == {"Looking at maps", "Judging, at least"}
    assert found.evaluation is not None
    error = found.evaluation["saliency", "MaxSensitivity"].error
    assert error is not None
    assert "backlight.evaluate takes the technique itself" in error


@pytest.mark.parametrize("framework", NETS)
def test_frameworks_agree_on_the_metrics_of_a_study(framework: str, judgement: Judgement) -> None:
    made = study(NETS[framework](), dark_examples(), methods=TECHNIQUES, limit=19, right=3)
    found = judge(made, METRICS)
    assert found.passes == found.foreseen.passes
    assert found.evaluation is not None
    assert judgement.evaluation is not None
    for key, cell in found.evaluation.cells.items():
        if key[0] not in ("integrated_gradients", "saliency"):  # whose order may differ
            other = judgement.evaluation[key]
            np.testing.assert_allclose(cell.mean, other.mean, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("error", [KeyboardInterrupt, StoppedError])
def test_metrics_that_were_stopped_go_on_to_the_same_numbers(
    error: type[BaseException], tmp_path: Path, judgement: Judgement
) -> None:
    def again() -> Study:
        return study(
            torch_net(),
            dark_examples(),
            methods=TECHNIQUES,
            limit=19,
            right=3,
            store=tmp_path,
        )

    total = judgement.passes.forward
    counts = []
    for share in (0.0, 0.5, 0.9):

        def stopping(what: str, done: int, most: int, share: float = share) -> None:
            if what == "Judging":
                counts.append(most)
                if done >= share * most:
                    raise error

        with pytest.raises(error):
            judge(again(), METRICS, progress=stopping)
    assert counts[0] == total
    assert counts[-1] < total  # the last one began where those before it were stopped
    last = judge(again(), METRICS)
    assert 0 < last.passes.forward < total
    assert last.passes == last.foreseen.passes
    same(last.evaluation, judgement.evaluation)
    done = judge(again(), METRICS)
    assert done.passes.forward == 0
    same(done.evaluation, judgement.evaluation)


def stores(folder: Path) -> Iterator[str]:
    return (one.name for one in folder.iterdir() if one.name.startswith("metrics-"))


def test_other_metrics_seeds_and_masks_have_a_store_of_their_own(tmp_path: Path) -> None:
    def made(seed: int | None = None) -> Study:
        return study(
            torch_net(), examples(), methods=["gradient"], limit=4, store=tmp_path, seed=seed
        )

    masks = np.zeros((90, 8, 8), dtype=bool)
    masks[:, :4] = True
    judge(made(), [SRG(steps=3)])
    assert judge(made(), [SRG(steps=3)]).passes.forward == 0
    assert len(list(stores(tmp_path))) == 1
    baseline = np.full((1, 8, 8), 0.25)
    for number, (metrics, seed, masked) in enumerate(
        [
            ([SRG(steps=4)], None, None),
            ([SRG(steps=3)], 7, None),
            ([SRG(steps=3)], None, masks),
            ([SRG(steps=3, baseline=baseline)], None, None),
            ([SRG(steps=3, baseline=baseline[:, ::-1] + np.eye(8) - np.eye(8)[::-1])], None, None),
        ],
        start=2,
    ):
        found = judge(made(seed), metrics, masked)
        assert found.passes.forward > 0
        assert len(list(stores(tmp_path))) == number


def test_a_technique_that_fails_for_some_cases_has_no_value_there(made: Study) -> None:
    found = judge(study(torch_net(), examples(), methods=[Moody(), "saliency"], limit=12), ["srg"])
    assert found.evaluation is not None
    made = study(torch_net(), examples(), methods=[Moody()], limit=12)
    failed = made.errors()["Moody"]
    assert 0 < len(failed) < 12
    assert [*np.flatnonzero(np.isnan(found.evaluation["Moody", "srg"].values))] == [*failed]
    assert found.evaluation["saliency", "srg"].n == 12


def test_block_means_are_means_over_places_and_what_is_left_over_is_cut_off() -> None:
    maps = np.arange(2 * 5 * 7, dtype=np.float64).reshape(2, 5, 7)
    assert (block_means(maps, 1) == maps).all()
    halves = block_means(maps, 2)
    assert halves.shape == (2, 2, 3)
    for k in range(2):
        for i in range(2):
            for j in range(3):
                cell = maps[k, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
                assert halves[k, i, j] == cell.mean()
    thirds = block_means(maps, 3)
    np.testing.assert_allclose(thirds[:, 0], [[m[:3, :3].mean(), m[:3, 3:6].mean()] for m in maps])
    assert block_means(maps, 9).shape == (2, 1, 1)
    np.testing.assert_allclose(block_means(maps, 9)[:, 0, 0], maps.mean(axis=(1, 2)))
