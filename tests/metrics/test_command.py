"""The commands `backlight evaluate` and `backlight metrics`, and the plugin that brings them."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import backlight
from backlight.command_line.commands import offered_commands
from backlight.testing import check_plugin
from backlight_metrics import METRICS, plugin

NET = """
import numpy as np, torch
from backlight import Examples

torch.manual_seed(0)
model = torch.nn.Sequential(
    torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(4 * 36, 3)
)
drawn = np.random.default_rng(0)
data = Examples(drawn.normal(size=(30, 1, 8, 8)).astype("float32"), drawn.integers(0, 3, size=30))
"""


def ran(*arguments: str) -> Result:
    import typer

    from backlight.errors import BacklightError

    app = typer.Typer()
    plugin.backlight_commands(app)
    found = CliRunner().invoke(app, arguments)
    if isinstance(found.exception, BacklightError):
        raise found.exception
    return found


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("net") / "net.py"
    path.write_text(NET)
    return str(path)


def test_a_table_of_the_mistakes(net: str) -> None:
    found = ran(
        "evaluate", f"{net}:model", f"{net}:data", "-m", "saliency", "-m", "input_x_gradient",
        "--question", "contrast", "--limit", "5", "--metric", "srg:steps=8", "--baseline", "mean",
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    assert "5 of " in found.output
    assert "that the model gets wrong" in found.output
    assert "Margin([" in found.output
    for name in ("saliency", "input_x_gradient", "random", "uniform", "centre", "edges"):
        assert name in found.output


def test_json_says_which_examples(net: str) -> None:
    arguments = [
        "evaluate",
        f"{net}:model",
        f"{net}:data",
        "-m",
        "saliency",
        "--json",
        "--limit",
        "4",
    ]
    found = json.loads(ran(*arguments, "--seed", "3").output)
    assert len(found["rows"]) == found["n"] == 4
    assert set(found["metrics"]) == {"srg", "decision_flip"}
    assert json.loads(ran(*arguments, "--seed", "3").output) == found
    assert json.loads(ran(*arguments, "--seed", "4").output)["rows"] != found["rows"]


def test_masks_come_from_a_file(net: str, tmp_path: Path) -> None:
    masks = tmp_path / "masks.npy"
    np.save(masks, np.random.default_rng(0).random((30, 8, 8)) < 0.5)
    asked = [
        "evaluate",
        f"{net}:model",
        f"{net}:data",
        "-m",
        "saliency",
        "--metric",
        "pointing_game",
    ]
    assert "share of hits" in ran(*asked, "--masks", str(masks), "--limit", "3").output
    np.save(masks, np.ones((3, 8, 8)))
    with pytest.raises(backlight.errors.InputError, match="30 examples"):
        ran(*asked, "--masks", str(masks))
    with pytest.raises(backlight.errors.InputError, match="is neither"):
        ran(*asked, "--masks", net)


@pytest.mark.parametrize(
    ("said", "match"),
    [
        (["--metric", "srgg"], "Nearest: srg"),
        (["--metric", "srg:step=2"], "no hyper-parameter 'step'"),
        (["--metric", "srg:steps=0"], "at least 1"),
        (["-m", "salience"], "Nearest: saliency"),
        (["--baseline", "grey"], "a number, blur or mean"),
    ],
)
def test_what_is_mistyped_is_said(net: str, said: list[str], match: str) -> None:
    with pytest.raises(backlight.BacklightError, match=match):
        ran("evaluate", f"{net}:model", f"{net}:data", *said)


def test_every_metric_is_listed_with_its_sentence() -> None:
    found = ran("metrics").output
    for name, make in METRICS.items():
        assert f"\n{name}" in f"\n{found}"
        assert make().sentence() in found


def test_the_plugin_is_one_and_its_metrics_are_found_by_name() -> None:
    check_plugin(plugin)
    assert set(METRICS) <= set(backlight.metrics())
    assert {"evaluate", "metrics"} <= set(offered_commands())


@pytest.mark.parametrize("name", sorted(METRICS))
def test_every_metric_says_what_it_is(name: str) -> None:
    metric = METRICS[name]()
    text = type(metric).__doc__ or ""
    assert metric.sentence().endswith(".")
    for part in ("\n    Law: ", "\n    Cost: "):
        assert part in text, part
    low, high = metric.range
    assert low < high
    assert metric.direction in ("higher", "lower", None)
    assert metric.unit
    assert metric.cost(100).forwards >= 0
    assert METRICS[name]() == metric
