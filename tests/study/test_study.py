"""A study: streamed, batched over cases and questions, forecast, resumable; each case as if alone."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import backlight
from backlight import Class, Examples, Logit, Margin, Method, Objective, Result
from backlight.errors import HyperParameterError, InputError, UnknownNameError
from backlight_datasets import SequenceSource
from backlight_methods import DeepLIFT
from backlight_study.result import Study
from backlight_study.run import study
from tests.study.nets import CLASSES, NETS, Net, examples, torch_net, true_classes

TECHNIQUES = ["integrated_gradients:steps=8", "grad_cam", "deep_lift", "occlusion", "saliency"]


@pytest.fixture(scope="module")
def made() -> Study:
    return study(torch_net(), examples(), methods=TECHNIQUES, limit=11, right=3)


def test_what_it_says_of_all_examples(made: Study) -> None:
    data = examples()
    np.testing.assert_array_equal(made.predictions.classes, true_classes(data))
    right = int((true_classes(data) == data.labels).sum())
    assert f"{right} of 90 right" in repr(made)
    assert made.classes == CLASSES


def test_cases_are_the_wrong_ones_then_right_ones(made: Study) -> None:
    wrong = made.predictions.wrong[made.rows]
    assert wrong.tolist() == [True] * 11 + [False] * 3
    assert made.names[0] == f"picture-{made.rows[0]:03}.png"


@pytest.mark.parametrize("framework", NETS)
def test_each_case_is_explained_as_if_it_were_alone(framework: str) -> None:
    data, net = examples(), NETS[framework]()
    made = study(net, data, methods=TECHNIQUES[1:4], limit=9, right=2)
    first = framework == "torch"
    for place, row in enumerate(made.rows):
        x = data.x[row].astype(np.float32) / 255
        x = x[None, None] if first else x[None, ..., None]
        p = int(made.predictions.classes[row])
        odds = made.predictions.probabilities[row].copy()
        odds[p] = -1
        q = int(data.labels[row]) if data.labels[row] != p else int(odds.argmax())
        for technique in made.cases.techniques:
            asked = {"predicted": Class(p), "true": Class(q), "contrast": Margin(p, versus=q)}
            for question, target in asked.items():
                alone = technique.method(net, x, target).numpy()[0]
                found = made.values(technique.name, question)[place]  # type: ignore[arg-type]
                np.testing.assert_allclose(
                    found, alone, rtol=1e-4, atol=1e-5 * np.abs(alone).max(), err_msg=technique.name
                )


def test_frameworks_agree() -> None:
    maps = {
        name: study(make(), examples(), methods=TECHNIQUES[:4], limit=6)
        for name, make in NETS.items()
    }
    for technique in ("integrated_gradients", "grad_cam", "deep_lift", "occlusion"):
        one, *others = (found.maps(technique) for found in maps.values())
        assert one.shape == (6, 8, 8)
        for other in others:
            np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-5 * np.abs(one).max())


def test_as_many_passes_are_taken_as_were_foreseen(made: Study) -> None:
    assert made.passes == made.foreseen.passes
    assert made.passes.backward > 0


def test_three_questions_cost_two_gradients_and_one_set_of_evaluations() -> None:
    data = examples()
    counts = {
        name: study(torch_net(), data, methods=[name], limit=8).passes
        for name in ("integrated_gradients:steps=8", "occlusion", "saliency")
    }
    assert counts["integrated_gradients:steps=8"].backward == 8 * 8 * 2  # cases, steps, classes
    assert counts["saliency"].backward == 8 * 3
    windows = 15 * 15  # of one place at each second place, of 8 x 8: default window 1, stride 1
    assert counts["occlusion"].forward == 8 * (1 + 64) < 8 * windows
    assert counts["occlusion"].backward == 0


class StoppedError(Exception):
    """What stops a study in the middle, as a kill does."""


def test_a_study_that_was_stopped_goes_on(tmp_path: Path) -> None:
    whole = study(torch_net(), examples(), methods=TECHNIQUES[:2], limit=24)

    def stopping(what: str, done: int, total: int) -> None:
        if what == "Explaining" and done >= total / 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        study(
            torch_net(), examples(), methods=TECHNIQUES[:2], limit=24, store=tmp_path,
            progress=stopping,
        )  # fmt: skip
    told: list[tuple[str, int, int]] = []
    again = study(
        torch_net(), examples(), methods=TECHNIQUES[:2], limit=24, store=tmp_path,
        progress=lambda *one: told.append(one),
    )  # fmt: skip
    assert 0 < again.passes.backward < whole.passes.backward
    assert again.passes == again.foreseen.passes
    assert ("Asking the model", 0, 90) not in told
    assert told[1][1] > 0  # it begins where it stopped
    for technique in ("integrated_gradients", "grad_cam"):
        np.testing.assert_array_equal(again.values(technique), whole.values(technique))
    third = study(torch_net(), examples(), methods=TECHNIQUES[:2], limit=24, store=tmp_path)
    assert (third.passes.forward, third.passes.backward) == (0, 0)


def test_another_model_or_other_data_find_nothing_of_what_was_stored(tmp_path: Path) -> None:
    study(torch_net(), examples(), methods=["saliency"], store=tmp_path)
    net = torch_net()
    net.head.weight.data[1, 7] += 1e-6  # type: ignore[union-attr, operator]
    other = study(net, examples(), methods=["saliency"], store=tmp_path)
    assert other.passes.backward > 0
    data = examples()
    data.x[3, 0, 0] += 1  # type: ignore[index]
    assert study(net, data, methods=["saliency"], store=tmp_path).passes.backward > 0


def test_the_plan_says_what_tells_the_model(made: Study) -> None:
    digest = "[0-9a-f]{64}"
    assert re.fullmatch(f"weights {digest}, answers {digest}", made.store.plan.model)

    def halves(x: torch.Tensor) -> torch.Tensor:
        return torch.stack([x[..., :3].mean((1, 2, 3)), x[..., 3:].mean((1, 2, 3))], 1)

    data = examples()
    two = Examples(data.x, np.minimum(data.labels, 1))
    weightless = study(halves, two, methods=["saliency"], limit=1, framework="torch")
    assert re.fullmatch(f"answers {digest}", weightless.store.plan.model)


def test_a_baseline_that_looks_the_same_in_short_is_another_one(tmp_path: Path) -> None:
    """Arrays are told by their mean in a technique's repr."""
    dark = np.zeros((1, 8, 8), np.float32)
    dark[0, 0, 0] = 0.5
    moved = np.roll(dark, 3)
    assert repr(DeepLIFT(baseline=dark)) == repr(DeepLIFT(baseline=moved))
    for baseline in (dark, moved):
        made = study(
            torch_net(), examples(), methods=[DeepLIFT(baseline=baseline)], limit=3, store=tmp_path
        )
        row = made.rows[0]
        x = (examples().x[row] / np.float32(255))[None, None]
        p, q = int(made.predictions.classes[row]), int(examples().labels[row])
        alone = DeepLIFT(baseline=baseline)(torch_net(), x, Margin(p, versus=q))
        np.testing.assert_allclose(made.values("DeepLIFT")[0], alone.numpy()[0], atol=1e-6)


@dataclass(frozen=True, kw_only=True)
class Moody(Method):
    """The gradient; it fails for examples whose first number is small."""

    asked: ClassVar[list[int]] = []
    least: float = field(default=0.5)

    def attribute(self, objective: Objective) -> Result:
        value = np.asarray(objective.model.to_numpy(objective.value))
        self.asked.append(len(value))
        if (value.reshape(len(value), -1)[:, 0] < self.least).any():
            raise ValueError("too dark")
        found = objective.gradient()
        return Result(found.gradient, found.score)


def test_a_case_that_fails_costs_no_other_its_map() -> None:
    data = examples()
    made = study(torch_net(), data, methods=[Moody(), "saliency"], limit=20)
    dark = (data.x[made.rows, 0, 0] / 255 < 0.5).tolist()
    assert 0 < sum(dark) < 20
    failed = made.errors()
    assert set(failed) == {"Moody"}
    assert sorted(failed["Moody"]) == [place for place, one in enumerate(dark) if one]
    assert set(failed["Moody"].values()) == {"ValueError: too dark"}
    missing = np.isnan(made.values("Moody")).reshape(20, -1).all(1)
    assert missing.tolist() == dark
    assert np.isfinite(made.values("saliency")).all()


def test_a_technique_that_is_not_for_the_net_is_asked_once() -> None:
    Moody.asked.clear()
    made = study(torch_net(), examples(), methods=[Moody(least=2.0), "saliency"], limit=4)
    assert len(made.errors()["Moody"]) == 4
    with pytest.raises(InputError, match="Moody has no values"):
        made.values("Moody")


@pytest.mark.parametrize(("name", "value"), [("black", 0.0), ("white", 1.0), ("grey", 128 / 255)])
def test_a_baseline_in_the_pictures_own_terms(name: Any, value: float) -> None:
    data, standard = examples(), {"mean": (0.5,), "std": (0.25,)}
    from backlight_loading.preprocessing import Preprocessing

    made = study(
        torch_net(), data, methods=["integrated_gradients:steps=6"], limit=3, baseline=name,
        preprocessing=Preprocessing(**standard),
    )  # fmt: skip
    row = made.rows[0]
    x = ((data.x[row].astype(np.float32) / 255 - 0.5) / 0.25)[None, None]
    p, q = int(made.predictions.classes[row]), int(data.labels[row])
    alone = backlight.explain(
        torch_net(), x, Margin(p, versus=q), steps=6, baseline=(value - 0.5) / 0.25
    )
    found = made.values("integrated_gradients")[0]
    np.testing.assert_allclose(found, alone.numpy()[0], rtol=1e-3, atol=1e-5)


def test_what_was_said_to_a_technique_stays() -> None:
    methods = ["integrated_gradients:steps=6,baseline=0.25"]
    one = study(torch_net(), examples(), methods=methods, limit=2)
    other = study(torch_net(), examples(), methods=methods, limit=2, baseline="white")
    np.testing.assert_array_equal(
        one.values("integrated_gradients"), other.values("integrated_gradients")
    )


def test_the_mean_and_the_blur_are_each_pictures_own() -> None:
    from backlight_study.baselines import picture_baseline

    pictures = np.zeros((2, 20, 20, 3), np.uint8)
    pictures[1, :, :, 0], pictures[0, 10, 10] = 100, 200
    mean = picture_baseline("mean", pictures, (0, 255), lambda x: x)
    np.testing.assert_array_equal(mean[1], np.broadcast_to([100, 0, 0], (20, 20, 3)))
    blur = picture_baseline("blur", pictures, (0, 255), lambda x: x.astype(np.float64))
    np.testing.assert_array_equal(blur[1], pictures[1])
    assert 0 < blur[0, 10, 10, 0] < 20
    assert (blur[0, :, :, 0] == blur[0, :, :, 1]).all()


def test_cells_of_the_confusion_matrix() -> None:
    made = study(
        torch_net(), examples(), methods=["saliency"], cell=["battery:metal", "plastic:*"], limit=99
    )
    pairs = {
        (int(made.predictions.labels[row]), int(made.predictions.classes[row])) for row in made.rows
    }
    assert pairs <= {(0, 1), (2, 0), (2, 1)}
    assert made.rule.startswith(
        "All examples of battery called metal or of plastic called something"
    )


def test_examples_by_name_and_number() -> None:
    made = study(torch_net(), examples(), methods=["saliency"], ids=["picture-007.png", 11, "5"])
    assert sorted(made.rows.tolist()) == [5, 7, 11]
    with pytest.raises(UnknownNameError, match=r"picture-7\.png"):
        study(torch_net(), examples(), methods=["saliency"], ids=["picture-7.png"])


class Breaks:
    """A sequence of pictures of which one cannot be read."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, number: int) -> Any:
        if number == 1:
            raise OSError("broken")
        return self.x[number]


def test_an_example_that_cannot_be_read_is_told_and_moves_no_other() -> None:
    data = examples()
    source = SequenceSource(Breaks(data.x), data.labels, CLASSES, data.names)  # type: ignore[arg-type]
    made = study(torch_net(), source, methods=["saliency"], limit=5)
    whole = study(torch_net(), data, methods=["saliency"], limit=99)
    assert made.predictions.skipped == ("picture-001.png: OSError: broken",)
    assert len(made.predictions.labels) == 89
    places = [whole.names.index(name) for name in made.names]
    np.testing.assert_allclose(
        made.values("saliency"), whole.values("saliency")[places], rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("ending", [torch.nn.Sigmoid(), None])
def test_a_net_with_one_output(ending: torch.nn.Module | None) -> None:
    data = examples()
    two = Examples(data.x, data.labels % 2, ("left", "right"), data.names)
    net = Net(ending, classes=1).eval()
    made = study(net, two, methods=["gradient", "deep_lift", "lrp:composite=epsilon"], limit=4)
    for name in ("gradient", "deep_lift", "lrp"):
        predicted, true = made.values(name, "predicted"), made.values(name, "true")
        np.testing.assert_allclose(predicted, -true, rtol=1e-5, atol=1e-7)
        with pytest.raises(InputError, match="contrast"):
            made.values(name, "contrast")


def test_a_net_that_ends_in_a_softmax_is_explained_as_without() -> None:
    data = examples()
    plain, soft = (
        study(Net(ending).eval(), data, methods=["deep_lift"], limit=6)
        for ending in (None, torch.nn.Softmax(1))
    )
    assert plain.rows.tolist() == soft.rows.tolist()
    np.testing.assert_allclose(
        soft.values("deep_lift"), plain.values("deep_lift"), rtol=1e-3, atol=1e-5
    )
    assert soft.predictions.kind == "probabilities"


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"methods": ["salience"]}, UnknownNameError, "salience"),
        ({"cell": "battery:steel"}, UnknownNameError, "steel"),
        ({"baseline": "pink"}, HyperParameterError, "black, white, grey, mean, blur"),
        ({"batch_size": 0}, HyperParameterError, "at least 1"),
        ({"limit": 0}, HyperParameterError, "at least 1"),
        ({"cell": "battery:metal", "true": "metal"}, InputError, "leave out"),
    ],
)
def test_what_is_wrong_is_said(given: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        study(torch_net(), examples(), **{"methods": ["saliency"], **given})


def test_a_logit_and_an_unbound_score_can_be_cut() -> None:
    assert Logit(np.array([1, 2, 0])).take(np.array([2])).operands()[0].tolist() == [0]
