"""Nets with several labels and models that give numbers: which task it is, which cases, which maps."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import backlight
from backlight import Class, Examples, Logit, Output
from backlight.errors import BacklightError, HyperParameterError, InputError, UnknownNameError
from backlight.values.outputs import OutputSpec
from backlight_datasets import NpzSource
from backlight_study.cells import PartCell
from backlight_study.judging import judge
from backlight_study.result import Study
from backlight_study.run import study
from backlight_study.selection import Choice
from backlight_study.tasks.deciding import task_of
from backlight_study.tasks.multi_label import MultiLabel
from backlight_study.tasks.regression import Regression
from tests.study.nets import CLASSES, NETS, Net, examples, mlx_net, torch_net

HAS = np.random.default_rng(3).random((90, 3)) < 0.4
NUMBERS = np.random.default_rng(4).normal(size=90)
TECHNIQUES = ["integrated_gradients:steps=6", "grad_cam"]


def labelled(labels: NDArray[Any], classes: tuple[str, ...] = CLASSES) -> Examples:
    data = examples()
    return Examples(data.x, labels, classes, data.names)


def sigmoids() -> torch.nn.Module:
    return Net(torch.nn.Sigmoid()).eval()


def outputs_of(net: torch.nn.Module) -> NDArray[np.float64]:
    with torch.no_grad():
        return net(torch.tensor(examples().x[:, None].astype(np.float32) / 255)).double().numpy()


@pytest.fixture(scope="module")
def made() -> Study:
    return study(sigmoids(), labelled(HAS.astype(np.uint8)), methods=TECHNIQUES, limit=9, right=5)


@pytest.fixture(scope="module")
def number() -> Study:
    data = labelled(NUMBERS, ("weight",))
    return study(Net(classes=1).eval(), data, methods=TECHNIQUES, limit=9, right=5)


ZEROS, HALVES = np.zeros((4, 3)), np.full((4, 3), 0.5)


@pytest.mark.parametrize(
    ("labels", "kind", "task"),
    [
        (np.arange(4), "logits", "classification"),
        (np.arange(4), "sigmoid", "classification"),
        (ZEROS.astype(bool), "logits", "multi-label"),
        (ZEROS.astype(int), "sigmoid", "multi-label"),
        (ZEROS, "sigmoid", "multi-label"),
        (HALVES, "logits", "regression"),
        (HALVES[:, 0], "logits", "regression"),
        (np.full((4, 3), 7), "logits", "regression"),
        (ZEROS.astype(int), "logits", None),
        (ZEROS, "logits", None),
        (ZEROS[:, 0], "logits", None),
        (ZEROS.astype(int), "probabilities", None),
        (HALVES, "sigmoid", None),
        (HALVES[:, 0], "sigmoid", None),
    ],
)
def test_the_task_is_known_or_asked_for(labels: NDArray[Any], kind: Any, task: str | None) -> None:
    spec = OutputSpec((1, *labels.shape[1:]), kind)
    if task is not None:
        assert task_of(None, labels, spec) == task
        return
    with pytest.raises(InputError, match="--task"):
        task_of(None, labels, spec)
    assert task_of("regression", labels, spec) == "regression"


def test_cases_of_labels_are_those_of_brute_force(made: Study) -> None:
    odds = outputs_of(sigmoids())
    wrong = [
        (row, k) for row in range(90) for k in range(3) if (odds[row, k] >= 0.5) != HAS[row, k]
    ]
    certain = {(row, k): max(odds[row, k], 1 - odds[row, k]) for row, k in wrong}
    best = sorted(wrong, key=lambda one: (-certain[one], one))[:9]
    cases = list(zip(made.rows.tolist(), made.cases.parts.tolist(), strict=True))
    assert cases[:9] == best
    assert made.selection.found == len(wrong)
    assert made.wrong.tolist() == [True] * 9 + [False] * 5
    assert {part for _, part in cases[9:]} <= {part for _, part in best}
    assert not set(cases[9:]) & set(wrong)
    assert f"{len(wrong)} mistakes in 270 labels" in repr(made)
    assert made.rule.startswith("Mistakes, a label of an example each; mistakes before right ones")


def choose(task: MultiLabel | Regression, **given: Any) -> list[tuple[int, int]]:
    chosen = task.select(Choice(**{"limit": 999, **given}))
    return list(zip(chosen.rows, chosen.parts, strict=False))


def test_parts_and_orders_of_labels(made: Study) -> None:
    task = made.task
    assert isinstance(task, MultiLabel)
    odds = outputs_of(sigmoids())
    every = [(row, k) for row in range(90) for k in range(3)]
    said = {one: odds[one] >= 0.5 for one in every}
    kinds = {
        "fp": [one for one in every if said[one] and not HAS[one]],
        "fn": [one for one in every if not said[one] and HAS[one]],
        "tp": [one for one in every if said[one] and HAS[one]],
        "tn": [one for one in every if not said[one] and not HAS[one]],
    }
    for kind, wanted in kinds.items():
        assert set(choose(task, part_cells=(PartCell(None, kind),))) == set(wanted)
        only = {one for one in wanted if one[1] == 1}
        assert set(choose(task, part_cells=(PartCell(1, kind),))) == only
    both = (PartCell(0, None), PartCell(2, "fn"))
    wanted = {one for one in kinds["fp"] + kinds["fn"] if one[1] == 0}
    assert set(choose(task, part_cells=both)) == wanted | {
        one for one in kinds["fn"] if one[1] == 2
    }
    truth = {one: odds[one] if HAS[one] else 1 - odds[one] for one in every}
    mistakes = sorted(kinds["fp"] + kinds["fn"])
    assert choose(task, order="loss") == sorted(mistakes, key=lambda one: (truth[one], one))
    close = sorted(mistakes, key=lambda one: (abs(2 * odds[one] - 1), one))
    assert choose(task, order="borderline") == close
    assert choose(task, order="random", seed=1) != choose(task, order="random", seed=2)
    assert set(choose(task, only="correct")) == set(kinds["tp"] + kinds["tn"])
    assert set(choose(task, rows=(4,))) == {(4, 0), (4, 1), (4, 2)}


def test_cases_of_numbers_are_those_of_brute_force(number: Study) -> None:
    errors = outputs_of(Net(classes=1).eval())[:, 0] - NUMBERS
    assert number.rows[:9].tolist() == np.argsort(-np.abs(errors))[:9].tolist()
    left = [row for row in np.argsort(np.abs(errors)).tolist() if row not in number.rows[:9]]
    assert number.rows[9:].tolist() == left[:5]
    task = number.task
    assert isinstance(task, Regression)
    over, under = np.argsort(-errors), np.argsort(errors)
    assert choose(task, order="over") == [(row, 0) for row in over.tolist() if errors[row] > 0]
    assert choose(task, order="under") == [(row, 0) for row in under.tolist() if errors[row] < 0]
    assert set(choose(task, order="error", part_cells=(PartCell(0, "under"),))) == {
        (row, 0) for row in np.flatnonzero(errors < 0)
    }
    assert number.rule.startswith(
        "Examples, the largest errors first: 9 of 90, and 5 beside them with"
    )


def test_errors_of_several_units_are_compared_by_the_spread_of_the_truth() -> None:
    scale = np.array([1.0, 1000.0])
    truth = np.random.default_rng(0).normal(size=(90, 2)) * scale
    found = study(Net(classes=2).eval(), labelled(truth, ()), methods=["saliency"], limit=30)
    errors = (outputs_of(Net(classes=2).eval()) - truth) / truth.std(axis=0)
    order = sorted(np.ndindex(90, 2), key=lambda one: -abs(errors[one]))[:30]
    assert list(zip(found.rows.tolist(), found.cases.parts.tolist(), strict=True)) == order
    assert set(found.cases.parts.tolist()) == {0, 1}


def test_maps_are_those_of_each_case_alone(made: Study, number: Study) -> None:
    data = examples()
    for one, net in ((made, sigmoids()), (number, Net(classes=1).eval())):
        for place in (0, 3, 10):
            row, part = int(one.rows[place]), int(one.cases.parts[place])
            x = data.x[row][None, None].astype(np.float32) / 255
            target = Logit(part) if one is made else Output()
            for technique in one.cases.techniques:
                alone = technique.method(net, x, target).numpy()[0]
                np.testing.assert_allclose(
                    one.values(technique.name)[place], alone, rtol=1e-4, atol=1e-6
                )
    assert made.maps("grad_cam").shape == (14, 8, 8)


def test_frameworks_agree() -> None:
    nets = {**NETS, "mlx": mlx_net}
    truth = np.random.default_rng(5).normal(size=(90, 3))
    for task, labels, target in (
        ("multi-label", HAS.astype(int), Class),
        ("regression", truth, Class),
    ):
        found = [
            study(
                make(),
                labelled(labels),
                task=task,
                methods=["integrated_gradients:steps=4"],
                limit=4,
            )  # type: ignore[arg-type]
            for make in nets.values()
        ]
        x = examples().x[found[0].rows][:, None].astype(np.float32) / 255
        wanted = backlight.explain(
            torch_net(), x, target(found[0].cases.parts), "integrated_gradients", steps=4
        ).numpy()[:, 0]
        for one in found:
            assert one.rows.tolist() == found[0].rows.tolist()
            np.testing.assert_allclose(
                one.maps("integrated_gradients"), wanted, rtol=1e-3, atol=1e-5
            )


def test_neighbours_are_right_about_the_same_label(made: Study, number: Study) -> None:
    odds = outputs_of(sigmoids())
    space = np.log(odds) - np.log1p(-odds)
    for place in range(6):
        row, part = int(made.rows[place]), int(made.cases.parts[place])
        right = (odds[:, part] >= 0.5) == HAS[:, part]
        others = [n for n in range(90) if right[n] and n != row]
        wanted = sorted(others, key=lambda n: np.linalg.norm(space[n] - space[row]))[:3]
        assert [one.row for one in made.neighbours[place]] == wanted
    errors = np.abs(outputs_of(Net(classes=1).eval())[:, 0] - NUMBERS)
    small = errors <= np.median(errors)
    assert all(small[one.row] for near in number.neighbours for one in near)


def test_what_is_judged(made: Study, number: Study) -> None:
    """A controls' table for both; a decision is what a label and a number have not."""
    for one, mistakes in ((made, 9), (number, int(number.wrong.sum()))):
        judgement = judge(one, ["srg", "decision_flip"])
        assert judgement.evaluation is not None
        assert judgement.evaluation.n == mistakes
        cell = judgement.evaluation["grad_cam", "srg"]
        assert np.isfinite(cell.mean)
        assert "no decision" in (judgement.evaluation["grad_cam", "decision_flip"].error or "")
        assert judgement.findings == ()


def test_a_study_of_another_task_says_where_to_look(made: Study) -> None:
    with pytest.raises(InputError, match=r"study\.task"):
        _ = made.predictions


def test_labels_from_an_archive_in_the_models_order(tmp_path: Path) -> None:
    data, path = examples(), tmp_path / "data.npz"
    np.savez(path, x=data.x, y=HAS.astype(np.uint8), classes=np.array(CLASSES))
    turned = NpzSource(path, ("plastic", "battery", "metal"))
    np.testing.assert_array_equal(turned.read(0, 90).labels, HAS[:, [2, 0, 1]])
    np.testing.assert_array_equal(NpzSource(path, ("a", "b", "c")).read(0, 90).labels, HAS)
    with pytest.raises(InputError, match="names some of these"):
        NpzSource(path, ("plastic", "battery", "c"))
    found = study(sigmoids(), path, methods=["saliency"], limit=3)
    assert found.task.name == "multi-label"
    assert found.classes == CLASSES


class StoppedError(Exception):
    """What stops a study in the middle, as a kill does."""


def test_a_study_of_labels_goes_on(tmp_path: Path) -> None:
    def stopping(what: str, done: int, total: int) -> None:
        if what == "Explaining" and done >= total / 2:
            raise StoppedError

    data = labelled(HAS.astype(int))
    with pytest.raises(StoppedError):
        study(sigmoids(), data, methods=["saliency"], store=tmp_path, progress=stopping)
    again = study(sigmoids(), data, methods=["saliency"], store=tmp_path)
    whole = study(sigmoids(), data, methods=["saliency"])
    assert 0 < again.passes.backward < whole.passes.backward
    np.testing.assert_array_equal(again.values("saliency"), whole.values("saliency"))


@pytest.mark.parametrize(
    ("labels", "net", "given", "error", "said"),
    [
        (HAS, Net().eval(), {"order": "error"}, HyperParameterError, "multi-label"),
        (HAS, Net().eval(), {"cell": "metal:x"}, UnknownNameError, "fp, fn, tp, tn"),
        (HAS, Net().eval(), {"cell": "metl:fp"}, UnknownNameError, "metal"),
        (HAS, Net().eval(), {"cell": "metal"}, InputError, "NAME:KIND"),
        (HAS, Net().eval(), {"true": "metal"}, InputError, "LABEL:fn"),
        (HAS, Net().eval(), {"task": "classification"}, InputError, "class for each example"),
        (HAS, Net().eval(), {"task": "regresion"}, HyperParameterError, "multi-label"),
        (HAS, Net(torch.nn.Softmax(1)).eval(), {}, BacklightError, "add up to 1"),
        (HAS[:, :2], Net().eval(), {}, BacklightError, "3 outputs"),
        (HAS * 2, Net().eval(), {"task": "multi-label"}, InputError, "other numbers"),
        (NUMBERS, Net(classes=1).eval(), {"only": "correct"}, InputError, "error, over or under"),
        (NUMBERS, Net(classes=1).eval(), {"order": "loss"}, HyperParameterError, "regression"),
        (NUMBERS, Net(classes=2).eval(), {}, BacklightError, "1 true numbers"),
        (np.where(NUMBERS > 2, np.nan, NUMBERS), Net(classes=1).eval(), {}, InputError, "finite"),
    ],
)
def test_what_is_wrong_is_said(
    labels: Any, net: Any, given: dict[str, Any], error: type[Exception], said: str
) -> None:
    classes = CLASSES if labels.ndim == 2 and labels.shape[1] == 3 else ()
    with pytest.raises(error, match=said):
        study(net, labelled(labels, classes), **{"methods": ["saliency"], **given})
