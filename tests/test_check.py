"""The command `backlight check`: what it reads, what its tables say, and its exit codes."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest
from PIL import Image

from backlight import Examples, Kind, Method, Objective, Operation, Result, Rules
from backlight.command_line import main
from backlight.errors import CoverageError, InputError, InputTypeError
from backlight.values.outputs import OutputSpec
from backlight_check.checks import called, check, named, rows, ruled_techniques
from backlight_check.scored_example import ScoredExample, scored_example
from backlight_check.table import listed, verdict
from backlight_loading import Preprocessing
from backlight_loading.inputs import Reading, in_code, load_input
from backlight_loading.techniques import Technique, technique
from backlight_methods import LRP, GuidedBackprop, Smooth
from backlight_methods.lrp.rules import AlphaBeta
from tests.reference import ReferenceModel, linear


def operation(kind: Kind, name: str = "", type: str = "", **more: Any) -> Operation:
    return Operation(kind, name, type or kind.value, (1, 4), **more)


RESNET = (
    operation(Kind.CONVOLUTION, "conv1", first=True),
    operation(Kind.BATCH_NORM, "bn1"),
    operation(Kind.RELU, "relu"),
    operation(Kind.CONVOLUTION, "layer1.conv"),
    operation(Kind.ADD, "layer1"),
    operation(Kind.RELU, "layer1.relu"),
    operation(Kind.OTHER, "sorted", "aten.sort"),
    operation(Kind.RELU, "layer2.relu"),
    operation(Kind.OTHER, "summed", "aten.cumsum"),
    operation(Kind.RELU, "layer2.relu"),
    operation(Kind.DENSE, "head", last=True),
    operation(Kind.SUM),
)
SMOOTH = (operation(Kind.CONVOLUTION, "conv", first=True), operation(Kind.SILU, "act"))


class Known(ReferenceModel):
    """A model whose operations are written down."""

    def __init__(self, operations: tuple[Operation, ...], **more: Any) -> None:
        weight = np.arange(64.0).reshape(16, 4)
        super().__init__(
            ("feature", lambda x: strict.astype(x, strict.float64)),
            ("head", linear(weight)),
            **more,
        )
        self.known = operations
        self.asked: list[dict[str, Any]] = []

    def operations(  # type: ignore[override]
        self, inputs: Any, *, score: Any = None, at: str | None = None, rules: Rules | None = None
    ) -> tuple[Operation, ...]:
        self.asked.append({"inputs": inputs, "score": score, "at": at, "rules": rules})
        if at is not None:
            self.site(inputs, at)
        return self.known


resnet = Known(RESNET)
smooth = Known(SMOOTH)


class Pair(Known):
    """Two inputs."""

    def __init__(self) -> None:
        super().__init__(SMOOTH)
        self.stages = (("sum", lambda a, b: a + b), *self.stages)


class Heads(Known):
    """Two outputs."""

    def predict(self, inputs: Any) -> Any:
        found = super().predict(inputs)
        return {"once": found, "twice": 2 * found}

    def outputs(self, inputs: Any) -> Any:
        return {name: OutputSpec(one.shape) for name, one in self.predict(inputs).items()}


pair = Pair()
heads = Heads(RESNET)
array = np.ones((3, 1, 4, 4), dtype=np.float32)
native = strict.asarray(np.ones((3, 1, 4, 4)))
two = (np.ones((3, 1, 4, 4)), np.ones((3, 1, 4, 4)))
examples = Examples(np.full((3, 4, 4, 1), 255, dtype=np.uint8), np.zeros(3, dtype=np.int64))
ids = np.ones((2, 16), dtype=np.int64)
number = 3
HERE = __name__


def of_code() -> np.ndarray[Any, Any]:
    return array


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """`backlight check ...` in this process: exit code, output, errors."""
    with pytest.raises(SystemExit) as ended:
        main(["check", *map(str, arguments)])
    out, err = capsys.readouterr()
    code = ended.value.code or 0
    assert isinstance(code, int)
    return code, out, err


def seen(model: Known = resnet, x: object = array, **more: Any) -> ScoredExample:
    return scored_example(model, x, **more)


# Rows


def test_one_row_for_each_kind_and_treatment_in_order_of_appearance() -> None:
    found = rows(GuidedBackprop().rules, RESNET)
    assert [(str(row.kind), str(row.treatment), row.count) for row in found] == [
        ("convolution", "exact as it is", 2),
        ("batch_norm", "exact as it is", 1),
        ("relu", "rule", 4),
        ("add", "exact as it is", 1),
        ("other", "falls back to the gradient", 2),
        ("dense", "exact as it is", 1),
        ("sum", "exact as it is", 1),
    ]
    by_kind = {row.kind: row for row in found}
    assert by_kind[Kind.RELU].rule == "PositiveGradients"
    assert by_kind[Kind.RELU].places == ("relu", "layer1.relu", "layer2.relu")
    assert by_kind[Kind.OTHER].types == ("aten.sort", "aten.cumsum")
    assert by_kind[Kind.SUM].places == ()


def test_rules_that_differ_have_rows_of_their_own() -> None:
    found = rows(LRP(composite="epsilon_plus_flat").rules, RESNET)
    assert [(row.rule, row.places) for row in found if row.kind is Kind.CONVOLUTION] == [
        ("Flat", ("conv1",)),
        ("AlphaBeta", ("layer1.conv",)),
    ]


def test_names_of_rules_and_titles() -> None:
    assert named(AlphaBeta()) == "AlphaBeta"
    assert named(AlphaBeta(2.0, 1.0)) == "AlphaBeta(alpha=2.0, beta=1.0)"
    assert named(None) is None
    title = called("guided_backprop", GuidedBackprop(), defaults=True)
    assert title == "guided_backprop(all_rectifiers=False)"
    assert called("smooth", Smooth(), defaults=True).startswith("smooth(inner=Gradient(), samples=")


def test_the_first_few_places() -> None:
    assert listed(("a", "b"), 2) == "a, b"
    assert listed(("a", "b", "c", "d"), 2) == "a, b and 2 more"
    assert listed((), 2) == "-"


# Techniques


def test_a_technique_is_asked_for_its_rules_at_the_place_and_score() -> None:
    model = Known(RESNET)
    found = check(seen(model, target=2), technique("guided_backprop:at=feature"))
    (asked,) = model.asked
    assert asked["rules"] == GuidedBackprop().rules
    assert asked["at"] == found.at == "feature"
    assert asked["inputs"].count == 1
    assert asked["score"].classes.tolist() == [2]
    assert check(seen(model), technique("lrp"), at="head").at == "head"
    assert check(seen(model), technique("lrp:at=feature"), at="head").at == "feature"


def test_where_the_backward_pass_of_a_map_ends() -> None:
    """At the feature map, but for guided Grad-CAM, whose rules act down to the input."""
    model = Known(RESNET)
    assert check(seen(model), technique("grad_cam")).at == "feature"
    assert check(seen(model), technique("grad_cam"), at="head").at == "head"
    assert check(seen(model), technique("grad_cam:backward=lrp")).at == "feature"
    assert check(seen(model), technique("smooth:inner=guided_grad_cam")).at is None
    assert check(seen(model), technique("guided_grad_cam:at=feature")).at is None
    assert model.asked[-1]["rules"] == GuidedBackprop().rules


def test_without_rules() -> None:
    found = check(seen(), technique("integrated_gradients"))
    assert verdict(found) == "ok: it brings no rules; the model's own gradient is used everywhere."
    assert {str(row.treatment) for row in found.rows} == {"exact as it is"}
    found = check(seen(), technique("occlusion"))
    assert verdict(found) == "ok: it takes no gradient; it only runs the model."
    assert found.rows == ()


def test_whole_numbers_have_no_gradient() -> None:
    with pytest.raises(InputTypeError, match="attribute at the embedding"):
        check(seen(x=ids), technique("lrp"))
    assert check(seen(x=ids), technique("lrp"), at="feature").rows
    assert check(seen(x=ids), technique("occlusion")).objection is None


def test_verdicts() -> None:
    found = check(seen(), technique("guided_backprop"))
    assert verdict(found) == (
        "ok: of 12 operations, 4 by a rule, 6 exact as they are, 2 by the plain gradient."
    )
    found = check(seen(smooth), technique("guided_backprop"))
    assert re.match("not ok: .*silu at act.*all_rectifiers=True", verdict(found))
    found = check(seen(smooth), technique("guided_backprop:all_rectifiers=true"))
    assert verdict(found).startswith("ok: ")
    assert verdict(check(seen(Known(())), technique("deep_lift"))).startswith("ok: nothing between")


@dataclass(frozen=True, kw_only=True)
class Demanding(Method):
    """It cannot be made without being told something."""

    wanted: int

    def attribute(self, objective: Objective) -> Result:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class OfAttention(Method):
    """It reads what attends to what, and means nothing where nothing does."""

    def objection(self, objective: Objective) -> str | None:
        if any(one.kind is Kind.SOFTMAX for one in objective.operations()):
            return None
        return "This model has no attention; use 'saliency' on it."

    def attribute(self, objective: Objective) -> Result:
        return Result(objective.inputs.attributed)


def test_techniques_have_objections_of_their_own() -> None:
    """Also inside of another, and where they are run: not only where they are checked."""
    attending = Known((*RESNET, operation(Kind.SOFTMAX)))
    for made in (OfAttention(), Smooth(inner=OfAttention(), samples=1)):
        asked = Technique("of_attention", made)
        assert (
            check(seen(), asked).objection == "This model has no attention; use 'saliency' on it."
        )
        assert check(seen(attending), asked).objection is None
        with pytest.raises(CoverageError, match="no attention"):
            made(resnet, array, target=1)
        assert made(attending, array, target=1).values is not None


def test_the_default_is_every_technique_with_rules_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = ruled_techniques()
    assert {"guided_backprop", "deep_lift", "lrp"} <= set(found)
    assert not {"guided_grad_cam", "gradient", "smooth", "occlusion"} & set(found)
    monkeypatch.setattr("backlight.explaining.registry.methods", lambda: {"demanding": Demanding})
    with pytest.raises(InputError, match="--method NAME"):
        ruled_techniques()


# The command


def test_tables_notes_and_verdicts(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(
        capsys, f"{HERE}:resnet", f"{HERE}:array", "-m", "guided_backprop", "-m", "lrp",
        "--places", 2,
    )  # fmt: skip
    assert code == 0, err
    first, _, title, heads, *lines = out.splitlines()
    assert re.match(
        rf"{HERE}:resnet: reference .*, input \(1, 1, 4, 4\), score .*, the predicted", first
    )
    assert title == "guided_backprop(all_rectifiers=False)"
    assert re.fullmatch("kind +count +what the technique does +places *", heads)
    assert re.fullmatch("convolution +2 +exact as it is +conv1, layer1.conv *", lines[0])
    assert re.fullmatch(
        r"relu +4 +rule: PositiveGradients +relu, layer1.relu and 1 more *", lines[2]
    )
    assert re.fullmatch(r"other \(aten.sort, aten.cumsum\) +2 +falls back .*summed *", lines[4])
    assert lines[7].startswith(
        "note: The net could not be looked into, as its backend does not tell"
    )
    assert lines[8].startswith("note: Guided backprop has no rule for aten.sort at sorted")
    assert lines[9].startswith("ok: of 12 operations, 4 by a rule")
    assert lines[11] == "lrp(composite='epsilon_plus', custom_rules=(), multipliers=False)"
    assert "\x1b" not in out


def test_an_objection_is_told_by_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, f"{HERE}:smooth", f"{HERE}:array", "-m", "guided_backprop")
    assert (code, err) == (1, "")
    assert re.search("^not ok: .*silu at act.*all_rectifiers=True", out, flags=re.MULTILINE)
    allowed = "guided_backprop:all_rectifiers=true"
    assert run(capsys, f"{HERE}:smooth", f"{HERE}:array", "-m", allowed)[0] == 0


@pytest.mark.parametrize(
    ("target", "score"), [("twice:3", "3, path='twice'"), ("0:-1", "3, path='once'")]
)
def test_a_target_may_be_of_one_of_several_outputs(
    target: str, score: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(
        capsys, f"{HERE}:heads", f"{HERE}:array", "-m", "lrp", "--json", "--target", target
    )
    assert code == 0
    assert json.loads(out)[0]["target"] == f"Class({score})"
    code, _, err = run(capsys, f"{HERE}:heads", f"{HERE}:array", "-m", "lrp", "--target", "3")
    assert (code, "by its path: 'once', 'twice'" in " ".join(err.split())) == (2, True)


def test_json_holds_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(
        capsys, f"{HERE}:smooth", "shape:1x1x4x4", "--json", "--target", 1,
        "-m", "guided_backprop", "-m", "lrp:at=feature",
    )  # fmt: skip
    assert (code, err) == (1, "")
    guided, lrp = json.loads(out)
    assert guided["technique"] == "guided_backprop"
    assert (guided["ok"], lrp["ok"]) == (False, True)
    assert (guided["at"], lrp["at"]) == (None, "feature")
    assert "all_rectifiers=True" in guided["objection"]
    assert guided["target"] == lrp["target"] == "Class(1)"
    assert guided["operations"][1] == {
        "kind": "silu",
        "treatment": "falls back to the gradient",
        "rule": None,
        "count": 1,
        "types": ["silu"],
        "places": ["act"],
    }
    assert lrp["operations"][1]["rule"] == "Ratio"


def test_every_ruled_technique_where_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, err = run(capsys, f"{HERE}:resnet", f"{HERE}:array", "--json")
    assert [one["technique"] for one in json.loads(out)] == ruled_techniques(), err


def summed(x: Any) -> Any:
    return np.stack([x.sum((1, 2)), -x.sum((1, 2))], 1)


def test_of_a_model_without_gradients_the_table_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    named = (f"{HERE}:summed", "shape:1x4x4", "--framework", "numpy")
    code, out, err = run(capsys, *named)
    assert (code, err) == (0, "")
    assert "occlusion(" in out and "ok: it takes no gradient" in out
    assert "could not be looked into, as it can only be run" in out
    code, out, _ = run(capsys, *named, "-m", "lrp", "-m", "occlusion", "--json")
    refused, covered = json.loads(out)
    assert (code, refused["ok"], covered["ok"]) == (1, False, True)
    assert "LRP takes gradients, and this numpy model has none" in refused["objection"]
    assert "Techniques that need none: " in refused["objection"]
    assert refused["takes_gradient"] and refused["has_rules"] and not refused["operations"]


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert re.search(r"Examples:\s+.*backlight check net.py:model", out)
    assert "exit code is 0" in out


# Inputs

PLAIN = Reading(None, None, Preprocessing())


def shape_of_input(text: str, model: Known = resnet, reading: Reading = PLAIN) -> tuple[int, ...]:
    given = load_input(text, in_code(text), model, model, reading)
    return tuple(seen(model, given).inputs.attributed.shape)  # type: ignore[union-attr]


def first_of(text: str, reading: Reading = PLAIN) -> np.ndarray[Any, Any]:
    return np.asarray(load_input(text, in_code(text), resnet, resnet, reading))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "pictures" / "a").mkdir(parents=True)
    pixels = np.arange(96, dtype=np.uint8).reshape(4, 8, 3)
    Image.fromarray(pixels).save(folder / "colour.png")
    Image.fromarray(pixels[..., 0]).save(folder / "grey.png")
    (folder / "pictures" / "a" / "0.png").write_text("no picture")
    Image.fromarray(pixels[:, :4, 0]).save(folder / "pictures" / "a" / "1.png")
    Image.fromarray(pixels).save(folder / "pictures" / "a" / "2.png")
    np.save(folder / "floats.npy", array)
    np.save(folder / "bytes.npy", examples.x)
    np.save(folder / "ids.npy", ids)
    np.save(folder / "one.npy", np.float64(3))
    np.savez(folder / "data.npz", x=examples.x, y=examples.labels)
    (folder / "text.txt").write_text("no picture")
    return folder


@pytest.mark.parametrize(
    "text", ["array", "native", "examples", "of_code"]
)  # fmt: skip
def test_things_in_code(text: str) -> None:
    assert shape_of_input(f"{HERE}:{text}") == (1, 1, 4, 4)


def test_several_inputs(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, f"{HERE}:pair", f"{HERE}:two", "-m", "lrp")
    assert code == 0, err
    assert "input 0 (1, 1, 4, 4), 1 (1, 1, 4, 4), score" in out


def test_files(place: Path) -> None:
    assert shape_of_input(f"{place}/floats.npy") == (1, 1, 4, 4)
    assert shape_of_input(f"{place}/data.npz") == (1, 1, 4, 4)
    assert first_of(f"{place}/bytes.npy").max() == 1
    assert first_of(f"{place}/ids.npy").dtype.kind == "i"
    assert first_of(f"{place}/colour.png").shape == (1, 3, 4, 8)
    assert first_of(f"{place}/grey.png").shape == (1, 1, 4, 8)
    small = Reading((4, 4), "grey", Preprocessing(mean=(1.0,)))
    assert shape_of_input(f"{place}/colour.png", reading=small) == (1, 1, 4, 4)
    assert first_of(f"{place}/colour.png", small).max() < 0
    halved = Reading(None, None, Preprocessing(divide_by=2))
    assert first_of(f"{place}/floats.npy", halved).max() == 0.5


def test_of_a_folder_the_first_picture_is_read(place: Path) -> None:
    """The second one has another size, which a report would refuse."""
    assert shape_of_input(f"{place}/pictures") == (1, 1, 4, 4)


def test_random_numbers() -> None:
    numbers = first_of("shape:8x1x4x4")
    assert numbers.shape == (1, 1, 4, 4)
    assert numbers.dtype == np.float32
    assert (numbers == first_of("shape:1x1x4x4")).all()
    assert 0.1 < numbers.std() < 3


REFUSED = {
    "unknown technique": (["{model}", "{array}", "-m", "guided_backpropp"], "Nearest: guided_back"),
    "bad hyper-parameter": (["{model}", "{array}", "-m", "lrp:composite=none"], "composite must be"),
    "unknown model": (["nowhere.pt", "{array}"], "No such model: nowhere.pt"),
    "unknown input": (["{model}", "nowhere.png"], "No such input: nowhere.png.*shape:1x3x224x224"),
    "no picture": (["{model}", "{place}/text.txt"], "text.txt could not be read as a picture"),
    "a number": (["{model}", "{here}:number"], "builtins.int; it must be an array"),
    "one value": (["{model}", "{place}/one.npy"], "one array with the examples on axis 0"),
    "shape in words": (["{model}", "shape:big"], "written shape:1x3x224x224.*'shape:big'"),
    "an empty shape": (["{model}", "shape:1x0"], "written shape:1x3x224x224"),
    "a huge shape": (["{model}", "shape:1x99999999x99999999x99999999"], "too large"),
    "no such class": (["{model}", "{array}", "--target", "9"], "9"),
    "no class": (["{model}", "{array}", "--target", "cat"], "OUTPUT:CLASS .*'cat'"),
    "no such output": (["{model}", "{array}", "--target", "logits:3"], "no way on at 'logits'"),
    "no such site": (["{model}", "{array}", "-m", "grad_cam:at=featur"], "Nearest: feature"),
    "a size for code": (["{model}", "{array}", "--size", "8"], "--size can be said for stored"),
    "a mean for a shape": (["{model}", "shape:1x4", "--mean", "0"], "--mean can be said for stored"),
    "colours for arrays": (
        ["{model}", "{place}/floats.npy", "--colour", "grey"],
        "--colour can be said for pictures in files only",
    ),
    "size in words": (["{model}", "{place}/grey.png", "--size", "big"], "--size takes .* got 'big'"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts, message = REFUSED[what]
    known = {"place": place, "here": HERE, "model": f"{HERE}:resnet", "array": f"{HERE}:array"}
    code, out, err = run(capsys, *(text.format(**known) for text in texts))
    assert code == 2
    assert re.search(message, err), err
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert out == ""


# On a framework's own nets

JAX_NET = """
import jax
import jax.numpy as jnp

KERNEL, HEAD = jnp.arange(9.0).reshape(3, 3, 1, 1) - 4, jnp.eye(16, 3)


def net(x):
    layout = ("NHWC", "HWIO", "NHWC")
    h = jax.lax.conv_general_dilated(x, KERNEL, (1, 1), "SAME", dimension_numbers=layout)
    return jax.nn.relu(h).reshape(len(x), -1) @ HEAD


def smooth(x):
    return jax.nn.silu(x.reshape(len(x), -1))


def pictures():
    return jnp.ones((2, 4, 4, 1))
"""


def test_a_plain_jax_function(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its framework is that of the arrays it is given, or the one that is said."""
    file = tmp_path / "jax_net.py"
    file.write_text(JAX_NET)
    code, out, err = run(
        capsys, f"{file}:net", f"{file}:pictures", "--json", "-m", "guided-backprop"
    )
    assert code == 0, err
    kinds = {row["kind"]: row for row in json.loads(out)[0]["operations"]}
    assert set(kinds) == {"convolution", "relu", "dense"}
    assert kinds["relu"]["treatment"] == "rule"
    said = ["shape:1x4x4x1", "--framework", "jax", "-m", "guided_backprop"]
    assert run(capsys, f"{file}:net", *said)[0] == 0
    assert run(capsys, f"{file}:smooth", *said)[0] == 1
    assert run(capsys, f"{file}:smooth", "shape:1x4x4x1")[0] == 2


TORCH_NET = """
import torch
from torch import nn

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self, activation=nn.ReLU):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), activation(), nn.MaxPool2d(2))
        self.block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), activation())
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = self.stem(x)
        return self.head((self.block(x) + x).mean((2, 3)))


def net():
    return Net().eval()


def smooth():
    return Net(nn.SiLU).eval()
"""


def test_a_torch_net(tmp_path: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "torch_net.py"
    file.write_text(TORCH_NET)
    code, out, err = run(
        capsys, f"{file}:net", place / "colour.png", "--json",
        "-m", "guided_backprop", "-m", "deep_lift", "-m", "lrp:composite=epsilon_plus_flat",
    )  # fmt: skip
    assert code == 0, err
    guided, deep_lift, lrp = (
        {(row["kind"], row["rule"]): row for row in one["operations"]} for one in json.loads(out)
    )
    assert guided["relu", "PositiveGradients"]["places"] == ["stem.1", "block.2"]
    assert guided["convolution", None]["places"] == ["stem.0", "block.0"]
    assert {one["treatment"] for one in guided.values()} == {"rule", "exact as it is"}
    assert deep_lift["max_pool", "Extremum"]["places"] == ["stem.2"]
    assert lrp["convolution", "Flat"]["places"] == ["stem.0"]
    assert lrp["dense", "Epsilon"]["places"] == ["head"]
    assert not any(kind == "batch_norm" for kind, _ in lrp)  # it is part of the convolution
    code, out, err = run(
        capsys, f"{file}:smooth", "shape:1x3x8x8", "-m", "guided_backprop", "--at", "stem"
    )
    assert code == 1, err
    assert re.search("^not ok: .*silu at block.2.*all_rectifiers=True", out, flags=re.MULTILINE)
