"""The commands `backlight evaluate` and `backlight metrics`, and the plugin that brings them."""

import json
import runpy
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
one = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 1))
class Several(torch.nn.Module):
    def forward(self, x):
        return {"scores": model(x), "one": one(x)}
several = Several()
drawn = np.random.default_rng(0)
data = Examples(drawn.normal(size=(30, 1, 8, 8)).astype("float32"), drawn.integers(0, 3, size=30))
two = Examples(data.x, data.labels % 2)
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


@pytest.mark.parametrize("question", ["predicted", "true", "contrast"])
def test_one_output_for_two_classes(net: str, question: str) -> None:
    asked = ["--question", question, "-m", "gradient", "--metric", "decision_flip", "--json"]
    found = json.loads(ran("evaluate", f"{net}:one", f"{net}:two", *asked).output)
    named = ran("evaluate", f"{net}:several", f"{net}:two", *asked, "--scores", "one").output
    assert json.loads(named)["score"] == found["score"]
    rows = np.array(found["rows"])
    scope = runpy.run_path(net)
    values = scope["one"](scope["torch"].tensor(scope["two"].x)).detach().numpy()[:, 0]
    wrong = (values > 0) != scope["two"].labels
    assert (
        rows.tolist()
        == (np.flatnonzero(wrong) if question == "contrast" else np.arange(30)).tolist()
    )
    sign = np.where(scope["two"].labels if question == "true" else values > 0, 1, -1)
    np.testing.assert_allclose(found["score"], (sign * values)[rows], rtol=1e-5)
    with pytest.raises(backlight.errors.InputError, match="labels up to 2"):
        ran("evaluate", f"{net}:one", f"{net}:data", *asked)
    with pytest.raises(backlight.errors.TargetError, match="several outputs"):
        ran("evaluate", f"{net}:several", f"{net}:data", *asked)


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


def test_what_judges_techniques_on_tables_is_said(net: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,label\n1,0\n")
    with pytest.raises(
        backlight.BacklightError, match=r"on texts and tables by `backlight report`"
    ):
        ran("evaluate", f"{net}:model", str(tmp_path / "rows.csv"))


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
