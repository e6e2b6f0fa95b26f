"""Reports on models with several outputs: the one that holds the class scores is found, or named."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from backlight import Examples
from backlight.errors import TargetError
from backlight_report import report

WEIGHT = np.random.default_rng(5).normal(size=(64, 3)).astype("float32")


def by_name(outputs: dict[str, object]) -> object:
    """A torch net whose outputs are these, the class scores among them."""

    class Named(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, object]:
            scores = x.flatten(1) @ torch.tensor(WEIGHT)

            def filled(part: object) -> object:
                if isinstance(part, dict):
                    return {name: filled(one) for name, one in part.items()}
                return scores if isinstance(part, str) else part

            return {name: filled(part) for name, part in outputs.items()}

    return Named()


SMALL = Examples(
    np.random.default_rng(6).normal(size=(6, 1, 8, 8)).astype("float32"), np.arange(6) % 3
)


@pytest.mark.parametrize(
    ("outputs", "scores"),
    [
        ({"loss": None, "logits": "scores"}, None),
        ({"aux": torch.ones(1), "logits": "scores"}, None),
        ({"aux": torch.ones(1), "logits": "scores"}, 1),
        ({"aux": torch.ones(1), "deep": {"logits": "scores"}}, ("deep", "logits")),
    ],
)
def test_class_scores_among_other_outputs(
    outputs: dict[str, object], scores: object, tmp_path: Path
) -> None:
    made = report(
        by_name(outputs),
        SMALL,
        directory=tmp_path / "it",
        methods=["input_x_gradient"],
        scores=scores,
    )
    truth = SMALL.x.reshape(6, -1) @ WEIGHT
    assert made.correct == (truth.argmax(1) == SMALL.labels).sum()
    (case, *_) = json.loads((tmp_path / "it" / "study.json").read_text())["cases"]
    found = case["explanations"][0]["targets"]["predicted"]
    row = int(case["name"].split()[-1])
    assert found["score"] == pytest.approx(float(truth[row].max()), rel=1e-5)


def test_several_outputs_need_a_name(tmp_path: Path) -> None:
    net = by_name({"aux": torch.ones(1), "main": "scores"})
    with pytest.raises(TargetError, match=r"'aux'.*'main'.*--scores"):
        report(net, SMALL, directory=tmp_path / "it", methods=["saliency"])
