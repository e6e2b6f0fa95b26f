"""What a store holds of each example is what the technique says when it is asked by hand."""

import torch  # isort: skip  (before TensorFlow: the other order does not load)

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import backlight
from backlight import Examples, Grid, Logit, Margin
from backlight.errors import UnknownNameError
from backlight_attribute import Attributions, attribute_dataset
from tests.study.nets import CLASSES, NETS, Net, examples, mlx_net

COUNT, LENGTH = 25, 8
DATA = examples(COUNT)
METHODS = ("input_x_gradient", "integrated_gradients:steps=4")
TARGETS = ("predicted", "true", "contrast", "metal")


def model_input(framework: str) -> NDArray[np.float32]:
    pictures = (DATA.x / 255).astype(np.float32)
    return pictures[:, None] if framework == "torch" else pictures[..., None]


def classes_by_hand(x: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The predicted class of each example, and what it is held against."""
    with torch.no_grad():
        outputs = Net()(torch.tensor(x)).numpy()
    order = np.argsort(-outputs, axis=1)
    labels = np.asarray(DATA.labels)
    return order[:, 0], np.where(labels == order[:, 0], order[:, 1], labels)


@pytest.fixture(scope="module", params=[*NETS, "mlx"])
def run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Any, Attributions]:
    net = (NETS | {"mlx": mlx_net})[request.param]()
    found = attribute_dataset(
        net,
        DATA,
        store=tmp_path_factory.mktemp("store"),
        methods=METHODS,
        targets=TARGETS,
        dtype="float32",
        block_length=LENGTH,
    )
    return request.param, net, found


def test_values_are_those_of_the_technique(run: tuple[str, Any, Attributions]) -> None:
    framework, net, found = run
    x = model_input(framework)
    predicted, rival = classes_by_hand(model_input("torch"))
    by_hand = {
        "predicted": predicted,
        "true": np.asarray(DATA.labels),
        "contrast": Margin(predicted, versus=rival),
        "class metal": 1,
    }
    assert found.targets == tuple(by_hand)
    for name, said in zip(found.techniques, METHODS, strict=True):
        steps = {"steps": 4} if "steps" in said else {}
        for target, score in by_hand.items():
            alone = backlight.explain(net, x, score, method=name, **steps)
            ids, values = found.values(name, target)
            np.testing.assert_array_equal(ids, np.arange(COUNT))
            np.testing.assert_allclose(values, np.asarray(alone.values), atol=2e-6)
            _, scores = found.column(f"{name}/{target}/score")
            np.testing.assert_allclose(scores, alone.score, atol=1e-5)
    np.testing.assert_array_equal(found.column("predicted")[1], predicted)
    np.testing.assert_array_equal(found.column("labels")[1], DATA.labels)


def test_one_example_is_an_attribution(run: tuple[str, Any, Attributions]) -> None:
    framework, net, found = run
    x = model_input(framework)
    one = found.attribution(found.id_of("picture-024.png"), "integrated_gradients", "true")
    alone = backlight.explain(
        net, x[24:], int(DATA.labels[24]), method="integrated_gradients", steps=4
    )
    np.testing.assert_allclose(np.asarray(one.values), np.asarray(alone.values), atol=2e-6)
    assert one.gap is not None and alone.gap is not None
    np.testing.assert_allclose(one.gap, alone.gap, atol=1e-5)
    assert one.layouts == alone.layouts
    assert one.class_names == CLASSES
    assert one.framework == alone.framework
    assert one.method == alone.method


def test_status_and_names(run: tuple[str, Any, Attributions]) -> None:
    _, _, found = run
    status = found.status(quick=False)
    assert status.complete and status.explained == status.examples == COUNT
    assert status.blocks == 4 and not status.skipped
    assert [one.decode() for one in found.column("names")[1]] == list(DATA.names)


@pytest.mark.parametrize(
    ("keep", "columns"),
    [
        ("none", set()),
        ("summary", {"sum", "sum_of_sizes", "largest", "smallest", "share_of_top_percent"}),
        ("top:5", {"top_places", "top_values"}),
        ("grid:2x2", {"by_feature"}),
    ],
)
def test_what_is_kept(keep: str, columns: set[str], tmp_path: Path) -> None:
    net = NETS["torch"]()
    found = attribute_dataset(
        net, DATA, store=tmp_path, methods=["gradient"], keep=keep, dtype="float32"
    )
    kept = {
        name.rpartition("/")[2]
        for name in found.store.columns()
        if name.startswith("gradient/predicted/")
    }
    assert kept - {"score", "warnings"} == columns
    whole = backlight.explain(net, model_input("torch"), method="gradient")
    rows = np.asarray(whole.values).reshape(COUNT, -1)

    def column(name: str) -> NDArray[Any]:
        return found.column(f"gradient/predicted/{name}")[1]

    match keep:
        case "summary":
            np.testing.assert_allclose(column("sum"), rows.sum(axis=1), atol=1e-5)
            np.testing.assert_allclose(column("largest"), rows.max(axis=1), atol=1e-6)
            np.testing.assert_allclose(column("smallest"), rows.min(axis=1), atol=1e-6)
            sizes = np.sort(np.abs(rows), axis=1)
            np.testing.assert_allclose(column("sum_of_sizes"), sizes.sum(axis=1), rtol=1e-5)
            share = sizes[:, -1] / sizes.sum(axis=1)  # 64 values: the largest is a hundredth
            np.testing.assert_allclose(column("share_of_top_percent"), share, rtol=1e-5)
        case "top:5":
            best = np.sort(np.abs(rows), axis=1)[:, ::-1][:, :5]
            np.testing.assert_allclose(np.abs(column("top_values")), best, atol=1e-6)
            places = column("top_places")
            np.testing.assert_array_equal(
                np.take_along_axis(rows, places, axis=1).astype(np.float32), column("top_values")
            )
        case "grid:2x2":
            cells = rows.reshape(COUNT, 2, 4, 2, 4).sum(axis=(2, 4)).reshape(COUNT, 4)
            np.testing.assert_allclose(column("by_feature"), cells, atol=1e-5)
            assert len(found.form("gradient", "predicted")["names"]) == 4  # type: ignore[arg-type]


def test_what_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UnknownNameError, match=r"'sumary'\. Nearest: summary\. Known: whole, .*grid"
    ):
        attribute_dataset(NETS["torch"](), DATA, store=tmp_path / "it", keep="sumary")


def test_features_and_scores_as_objects(tmp_path: Path) -> None:
    found = attribute_dataset(
        NETS["torch"](),
        DATA,
        store=tmp_path,
        methods=[backlight.methods()["gradient"]()],
        targets=[2, Logit(1)],
        keep=Grid(2, 2),
    )
    assert found.targets == ("class plastic", "Logit(1)")
    same = attribute_dataset(
        NETS["torch"](),
        DATA,
        store=tmp_path / "other",
        methods=["gradient"],
        targets=["1"],
        keep="grid:2x2",
    )
    name = "by_feature"
    np.testing.assert_allclose(
        found.column(f"Gradient/Logit(1)/{name}")[1],
        same.column(f"gradient/class metal/{name}")[1],
        atol=1e-2,
    )


def test_float16_has_a_scale(tmp_path: Path) -> None:
    """Gradients of a probability are tiny; float16 alone would lose them."""
    net = Net(torch.nn.Softmax(1)).eval()
    options: dict[str, Any] = {"methods": ["gradient"], "targets": [backlight.Probability(0)]}
    full, half = (
        attribute_dataset(net, DATA, store=tmp_path / dtype, dtype=dtype, **options)
        for dtype in ("float32", "float16")
    )
    name = full.targets[0]
    exact, rounded = (one.values("gradient", name)[1] for one in (full, half))
    largest = np.abs(exact).max(axis=(1, 2, 3), keepdims=True)
    assert (np.abs(rounded - exact) <= largest * 2.0**-11).all()
    assert (rounded != exact).any()
    first, second = (
        path / "block-000000.npz" for path in (tmp_path / "float32", tmp_path / "float16")
    )
    assert np.load(second)[f"gradient/{name}/values"].dtype == np.float16
    assert np.load(first)[f"gradient/{name}/values"].dtype == np.float32


def test_numbers_instead_of_classes(tmp_path: Path) -> None:
    """A net with one output beside labels that are numbers: why this number."""
    data = Examples(DATA.x, np.linspace(-1, 1, COUNT), ("weight",), DATA.names)
    found = attribute_dataset(
        Net(classes=1).eval(), data, store=tmp_path, methods=["input_x_gradient"]
    )
    assert found.targets == ("output",)
    _, scores = found.column("input_x_gradient/output/score")
    with torch.no_grad():
        wanted = Net(classes=1)(torch.tensor(model_input("torch")))[:, 0].numpy()
    np.testing.assert_allclose(scores, wanted, atol=1e-5)
