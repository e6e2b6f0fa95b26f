"""Two models on the same examples: ports of one net, and a net before and after a change."""

import json
from typing import Any

import numpy as np
import pytest
import torch

from backlight import Examples
from backlight.errors import HyperParameterError, TargetError, UnknownNameError
from backlight_compare import ModelComparison, compare
from backlight_compare.command import outputs_of
from backlight_compare.sites import SitePair, parting
from backlight_demo import fashion
from tests.kinds import nets as kinds
from tests.kinds.test_tables_and_series import (
    SERIES,
    keras_series,
    table,
    torch_series,
    wrong_labels,
)
from tests.report.shared import run
from tests.study.nets import NETS, Net, examples, torch_net


@pytest.mark.parametrize("other", ["tensorflow", "jax"])
def test_ports_of_one_net_are_the_same(other: str) -> None:
    found = compare(torch_net(), NETS[other](), examples(), methods=["gradient", "deep_lift"])
    assert found.same
    assert found.frameworks == ("torch", other)
    assert (found.changed, found.mcnemar.fixed, found.mcnemar.broken) == (0, 0, 0)
    for one in found.agreements:
        assert one.correlation > 0.99999
        assert one.difference < 1e-4
    last, first = found.parting
    assert last is not None
    assert (last.first, first) == ("ending", None)
    agreeing = [pair.first for pair in found.pairs if pair.agrees]
    assert {"convolution", "relu"} <= set(agreeing) or other == "tensorflow"


class Sides(torch.nn.Module):
    """A net of two classes with one output: how far the second class is before the first."""

    def __init__(self, ending: torch.nn.Module) -> None:
        super().__init__()
        self.net, self.ending = Net(classes=2), ending

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.net(x)
        return self.ending(y[:, 1] - y[:, 0])


SIGMOID, SOFTMAX, NOTHING = torch.nn.Sigmoid(), torch.nn.Softmax(1), torch.nn.Identity()


@pytest.mark.parametrize(
    ("one", "other", "classes"),
    [
        (Net(), Net(SOFTMAX), 3),
        (Net(SOFTMAX), Net(torch.nn.LogSoftmax(1)), 3),
        (Sides(NOTHING), Sides(NOTHING), 2),
        (Sides(SIGMOID), Sides(NOTHING), 2),
        (Sides(SIGMOID), Net(classes=2), 2),
        (Net(SOFTMAX, classes=2), Sides(NOTHING), 2),
    ],
)
def test_nets_that_end_otherwise_are_compared_in_one_quantity(
    one: torch.nn.Module, other: torch.nn.Module, classes: int
) -> None:
    drawn = examples()
    data = type(drawn)(drawn.x, drawn.labels % classes)
    methods = ["gradient", "integrated_gradients"]
    found = compare(one.eval(), other.eval(), data, methods=methods, limit=6)
    assert found.same
    assert all(one.correlation > 0.9999 for one in found.agreements)


def test_one_of_several_outputs_is_compared() -> None:
    class Several(Net):
        def forward(self, x: torch.Tensor) -> Any:
            y = super().forward(x)
            return {"scores": y, "doubled": 2 * y}

    with pytest.raises(TargetError, match="several outputs"):
        compare(Several().eval(), torch_net(), examples(), methods=["gradient"])
    found = [
        compare(
            Several().eval(), torch_net(), examples(), methods=["gradient"], scores=(path, None)
        )
        for path in ("scores", "doubled")
    ]
    assert [one.same for one in found] == [True, False]
    assert outputs_of(None) == (None, None)
    assert outputs_of("a:1") == (("a", 1), ("a", 1))
    assert outputs_of("a=b") == (("a",), ("b",))
    assert outputs_of("a=") == (("a",), None)


def broken(at: str) -> torch.nn.Module:
    net = Net().eval()
    with torch.no_grad():
        getattr(net, at).weight.mul_(torch.linspace(0.5, 2, len(getattr(net, at).weight)).reshape(
            -1, *(1,) * (getattr(net, at).weight.ndim - 1)
        ))  # fmt: skip
    return net


@pytest.mark.parametrize(("at", "before"), [("head", "relu"), ("convolution", None)])
def test_the_first_inner_value_that_differs_is_named(at: str, before: str | None) -> None:
    found = compare(torch_net(), broken(at), examples(), methods=["gradient"])
    assert not found.same
    last, first = found.parting
    assert first is not None
    assert first.first == at
    assert (None if last is None else last.first) == before


@pytest.mark.parametrize("other", ["tensorflow", "jax"])
def test_texts_are_compared_token_by_token(other: str) -> None:
    texts = Examples(np.array(kinds.TEXTS), kinds.LABELS)
    methods = ["input_x_gradient", "feature_ablation"]
    for speaks, off in ((kinds.SPEAKS, 0.0), (3 * kinds.SPEAKS, 2.0)):
        found = compare(
            kinds.torch_net(),
            kinds.NETS[other](speaks),
            texts,
            tokenizer=kinds.tokenizer,
            frameworks=(None, other),
            methods=methods,
        )
        assert found.same == (off == 0)
        for one in found.agreements:
            assert (one.error, one.correlation) == (None, pytest.approx(1))
            assert one.difference == pytest.approx(off, abs=1e-6)


def test_series_of_either_side_of_channels_are_compared_moment_by_moment() -> None:
    data = Examples(SERIES, wrong_labels())
    methods = ["input_x_gradient", "occlusion:window=1,stride=1"]
    found = compare(torch_series(), keras_series(), data, kind="series", methods=methods)
    assert found.same
    assert [one.correlation for one in found.agreements] == [pytest.approx(1)] * 2
    (pair,) = (pair for pair in found.pairs if pair.first == "0")  # (n, 2, 1), and (n, 1, 2)
    assert (pair.second is not None, pair.agrees) == (True, True)


def test_what_is_fixed_and_broken_is_counted() -> None:
    data = examples()
    one, other = torch_net(), broken("head")
    found = compare(one, other, data, methods=["gradient"], limit=4)
    x = torch.tensor(data.x[:, None].astype(np.float32) / 255)
    right = [(net(x).argmax(1).numpy() == data.labels) for net in (one, other)]
    assert set(found.fixed) == set(np.flatnonzero(~right[0] & right[1]).tolist())
    assert set(found.broken) == set(np.flatnonzero(right[0] & ~right[1]).tolist())
    assert found.mcnemar.fixed == len(found.fixed) > 0
    assert found.explained == 4
    odds = [net(x).softmax(1).detach().numpy() for net in (one, other)]
    assert found.difference == pytest.approx(np.abs(odds[0] - odds[1]).max(), rel=1e-5)


def test_a_net_beside_itself_has_no_difference_at_all() -> None:
    net = torch_net()
    found = compare(net, net, examples(), methods=["gradient"])
    assert found.difference == 0
    assert found.agreements[0].difference == 0
    assert all(pair.difference == 0 for pair in found.pairs)
    json.dumps(found.to_dict(), allow_nan=False)


def test_pairs_before_one_that_agrees_are_no_parting() -> None:
    pairs = [
        SitePair("a", "a", 0.0, True),
        SitePair("b", "c", 0.4, False),
        SitePair("c", "c", 0.0, True),
        SitePair("d", None, float("inf"), False),
        SitePair("e", "e", 0.2, False),
    ]
    assert parting(pairs) == (pairs[2], pairs[4])
    assert parting(pairs[:3]) == (pairs[2], None)
    assert parting(pairs[1:2]) == (None, pairs[1])
    assert parting([]) == (None, None)


def test_sites_that_are_named_are_compared() -> None:
    sites = {"convolution": "relu"}
    found = compare(torch_net(), torch_net(), examples(), methods=["gradient"], sites=sites)
    (pair,) = (pair for pair in found.pairs if pair.first == "convolution")
    assert (pair.second, pair.agrees) == ("relu", False)
    with pytest.raises(UnknownNameError, match="convulution"):
        compare(torch_net(), torch_net(), examples(), sites={"convulution": "relu"})


def test_a_technique_that_fails_is_told() -> None:
    found = compare(
        Net(torch.nn.SiLU()).eval(), torch_net(), examples(), methods=["lrp", "gradient"]
    )
    assert isinstance(found, ModelComparison)
    assert not found.same


@pytest.mark.parametrize(
    ("given", "error"),
    [({"limit": 0}, HyperParameterError), ({"tolerance": 0}, HyperParameterError)],
)
def test_what_is_wrong_is_said(given: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match="limit must be at least 1 and tolerance greater than 0"):
        compare(torch_net(), torch_net(), examples(), **given)


def test_models_of_other_classes_are_refused() -> None:
    two = examples()
    two = type(two)(two.x, two.labels % 2)
    with pytest.raises(TargetError, match="3 and 2 classes"):
        compare(torch_net(), Net(classes=2).eval(), two)


@pytest.mark.parametrize(
    ("other", "code", "said"), [("torch_net", 0, "The same"), ("worse", 1, "Not the same")]
)
def test_the_command(
    other: str, code: int, said: str, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.py").write_text(
        "from tests.study.nets import Net, examples, torch_net\n\n\ndef worse():\n"
        "    net = torch_net()\n    net.head.weight.data *= -1\n    return net\n"
    )
    asked = ("compare", f"{tmp_path}/own.py:torch_net", f"{tmp_path}/own.py:{other}",
             f"{tmp_path}/own.py:examples", "-m", "gradient")  # fmt: skip
    ended, out, _ = run(capsys, *asked)
    assert ended == code
    assert said in out
    assert "Inside they agree up to" in out
    ended, out, _ = run(capsys, *asked, "--json")
    assert ended == code
    assert json.loads(out)["same"] == (code == 0)


def test_a_table_is_compared_by_the_command(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    nets = "tests.kinds.test_tables_and_series"
    asked = ("compare", f"{nets}:torch_table", f"{nets}:keras_table", table(tmp_path),
             "--label", "kind", "-m", "input_x_gradient", "--json")  # fmt: skip
    ended, out, _ = run(capsys, *asked)
    found = json.loads(out)
    assert (ended, found["same"], found["explained"]) == (0, True, 4)
    assert len(found["broken"]) + len(found["fixed"]) == 0


def test_the_framework_that_is_said_is_that_of_a_plain_function_alone(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    images, labels = fashion.examples()
    np.savez(tmp_path / "clothes.npz", x=images[:20], y=labels[:20], classes=fashion.CLASSES)
    asked = ("compare", "backlight_demo.fashion_torch:net", "backlight_demo.fashion_jax:net",
             f"{tmp_path}/clothes.npz", "-m", "gradient", "--limit", "2", "--json")  # fmt: skip
    ended, out, _ = run(capsys, *asked, "--framework", "jax")
    assert ended == 0
    assert json.loads(out)["frameworks"] == ["torch", "jax"]
    ended, _, said = run(capsys, *asked)
    assert ended == 2
    assert "For a plain function say framework='torch'" in said
