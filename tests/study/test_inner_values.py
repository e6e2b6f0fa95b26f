"""Values inside the model as maps: where they have places, and where they have none."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import backlight
from backlight import Examples, Margin
from backlight.errors import InputError
from backlight_pictures.maps import resized
from backlight_report import report
from backlight_study.run import study
from tests.study.nets import examples


class Inner(torch.nn.Module):
    """Eight channels at 4 by 4 places, which by their number might as well be colours; the same as
    tokens; and a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.places = torch.nn.Conv2d(1, 8, 2, stride=2)
        self.tokens = torch.nn.Linear(8, 8)
        self.dense = torch.nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        placed = torch.relu(self.places(x))
        return self.dense(torch.tanh(self.tokens(placed.flatten(2).transpose(1, 2))).mean(1))


def test_inner_values_are_maps_where_they_have_places(tmp_path: Path) -> None:
    net, folder = Inner().eval(), tmp_path / "made"
    methods = [f"conductance:steps=5,at={at}" for at in ("places", "tokens", "dense")]
    made = report(net, examples(), directory=folder, methods=methods, metrics=["srg"], limit=5)
    assert len(made.errors) == 1
    assert "conductance 3: The values lie at no places of the picture" in made.errors[0]
    found, record = made.study, json.loads((folder / "study.json").read_text())
    with pytest.raises(InputError, match="no places"):
        found.maps("conductance 3")
    assert found.values("conductance 3").shape == (5, 3)
    sums = {
        "conductance": found.values("conductance").sum(1),
        "conductance 2": found.values("conductance 2").sum(2).reshape(-1, 4, 4),
    }
    for name, summed in sums.items():
        wanted = resized(summed.astype(np.float64), (8, 8))
        np.testing.assert_allclose(found.maps(name), wanted, atol=1e-7)
        (row,) = (one for one in record["cases"][0]["explanations"] if one["name"] == name)
        with Image.open(folder / row["targets"]["contrast"]["file"]) as drawn:
            shown = (np.asarray(drawn) - 128.0) / 127
        np.testing.assert_allclose(shown, np.clip(wanted[0] / row["limit"], -1, 1), atol=0.01)
    rows = {row["name"]: row["values"]["srg"] for row in record["metrics"]["rows"]}
    assert "conductance 3" not in rows
    said = found.predictions
    margin = Margin(said.classes[found.rows], versus=said.labels[found.rows])
    x = found.cases.prepared(found.cases.stored(np.arange(5)))
    for name in sums:
        alone = backlight.evaluate(net, x, {"map": found.maps(name)}, ["srg"], margin)
        assert rows[name]["error"] is None
        assert rows[name]["mean"] == pytest.approx(alone["map", "srg"].mean, rel=1e-4)


def test_one_output_for_two_classes_has_maps_without_a_question() -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 8), torch.nn.Flatten()).eval()
    data = examples()
    made = study(net, Examples(data.x, data.labels % 2), methods=["gradient"], limit=3)
    weight = net[0].weight.detach().numpy()[0, 0]
    signs = np.where(made.predictions.classes[made.rows], 1, -1)
    np.testing.assert_allclose(made.maps("gradient"), signs[:, None, None] * weight, rtol=1e-5)
