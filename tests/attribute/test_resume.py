"""A run that is begun again goes on, or is refused by the name of what differs."""

import torch  # isort: skip  (before TensorFlow: the other order does not load)

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import backlight
from backlight_attribute import Attributions, attribute_dataset
from backlight_datasets import StoreError
from tests.study.nets import HEAD, KERNEL, NETS, Net, examples

DATA = examples(30)
OPTIONS: dict[str, Any] = {
    "methods": ["gradient", "occlusion:window=4,stride=4"],
    "targets": ["predicted", "true"],
    "block_length": 8,
}


def run(folder: Path, net: Any = None, data: Any = DATA, **options: Any) -> Attributions:
    net = net or Net().eval()
    return attribute_dataset(net, data, store=folder, **(OPTIONS | options))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    run(folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_missing_is_done_again_with_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(whole, folder)
    (folder / "block-000001.npz").unlink()
    torn = folder / "block-000003.npz"
    torn.write_bytes(torn.read_bytes()[:700])
    with pytest.warns(backlight.BacklightWarning, match="counts as missing"):
        status = Attributions.open(folder).status()
    assert status.missing == (1, 3) and status.explained == 16
    with pytest.warns(backlight.BacklightWarning, match="counts as missing"):
        found = run(folder)
    assert found.status().complete
    assert contents(folder) == contents(whole)


def test_what_is_done_is_not_done_again(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(whole, folder)
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    run(folder)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == times


def one_weight_changed(framework: str) -> Any:
    """The net of this framework with one weight that differs in its last digits."""
    match framework:
        case "torch":
            net = Net().eval()
            with torch.no_grad():
                net.head.weight[0, 0] += 1e-6
            return net
        case "tensorflow":
            net = NETS["tensorflow"]()
            head = HEAD.copy()
            head[0, 0] += 1e-6
            net.set_weights([KERNEL.transpose(2, 3, 1, 0), head])
            return net
    import jax

    head = HEAD.copy()
    head[0, 0] += 1e-6
    return jax_net(head, jax)


def jax_net(head: Any, jax: Any) -> Any:
    from functools import partial

    def net(parameters: Any, x: Any) -> Any:
        kernel, weights = parameters
        numbers = ("NHWC", "HWIO", "NHWC")
        z = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=numbers)
        return jax.nn.relu(z).transpose(0, 3, 1, 2).reshape(len(x), -1) @ weights

    return backlight.wrap(partial(net, (KERNEL.transpose(2, 3, 1, 0), head)), "jax")


def plain(framework: str) -> Any:
    if framework != "jax":
        return NETS[framework]()
    import jax

    return jax_net(HEAD, jax)


@pytest.mark.parametrize("framework", ["torch", "tensorflow", "jax"])
def test_one_weight_that_differs(framework: str, tmp_path: Path) -> None:
    run(tmp_path, plain(framework), methods=["gradient"])
    run(tmp_path, plain(framework), methods=["gradient"])
    with pytest.raises(StoreError, match=r"^[^;]*another plan.* model: 'weights "):
        run(tmp_path, one_weight_changed(framework), methods=["gradient"])


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"methods": ["gradient"]}, "techniques"),
        ({"targets": ["predicted"]}, "targets"),
        ({"keep": "summary"}, "options.keep"),
        ({"dtype": "float32"}, "dtype"),
        ({"block_length": 4}, "block_length"),
        ({"batch_size": 3}, "options.batch_size"),
        ({"baseline": "white"}, "options.baseline"),
        ({"preprocessing": "half"}, "options.preprocessing"),
        ({"data": replace(DATA, x=DATA.x[::-1])}, "data"),
        ({"data": replace(DATA, classes=("a", "b", "c"))}, "data"),
    ],
)
def test_another_option_is_refused_by_name(options: Any, named: str, whole: Path) -> None:
    from backlight_loading.preprocessing import Preprocessing

    if options.get("preprocessing"):
        options = {"preprocessing": Preprocessing(divide_by=128)}
    before = contents(whole)
    with pytest.raises(StoreError, match="another plan") as told:
        run(whole, **options)
    assert f" {named}: " in str(told.value)
    assert contents(whole) == before


def test_versions_are_in_the_plan(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backlight_datasets.plan.__version__", "99.0")
    with pytest.raises(StoreError, match=r"versions.backlight: .*99\.0"):
        run(whole)
    # It is read all the same.
    assert Attributions.open(whole).status().complete


def test_a_later_format_is_refused_with_the_version(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(whole, folder)
    plan = folder / "plan.json"
    plan.write_text(plan.read_text().replace('"format": 1', '"format": 7'))
    with pytest.raises(StoreError, match="format 7; this is Backlight"):
        Attributions.open(folder)


def test_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no store"):
        Attributions.open(tmp_path)
    with pytest.raises(StoreError, match="has no name"):  # and not into the working directory
        Attributions.open("")
