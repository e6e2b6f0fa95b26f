"""The demos of texts, tables and series: the same logits in every framework, and what the page says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import torch  # isort: skip
import jax.numpy as jnp
import keras
import mlx.core
import numpy as np
import pytest
from numpy.typing import NDArray

import backlight
from backlight.command_line import main
from backlight_demo import shapes, small_nets, snippets, tumours
from backlight_demo.small_nets import Demonstrated
from backlight_loading.tokenization import Tokenization

KINDS: tuple[Demonstrated, ...] = ("text", "table", "series")
RIGHT = {"text": (476, 600), "table": (273, 284), "series": (279, 300)}


def inputs(kind: Demonstrated) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """What the nets take, channels last, and the classes."""
    if kind == "text":
        texts, labels = snippets.examples()
        ids = Tokenization(snippets.tokenizer(), snippets.LENGTH)(texts)
        assert isinstance(ids, np.ndarray)
        return ids, labels
    if kind == "table":
        mean, deviation = tumours.spread()
        held = tumours.examples()
        return ((held.x - mean) / deviation).astype(np.float32), np.asarray(held.labels, np.int64)
    series, labels = shapes.examples()
    return series[..., None], labels


def by_hand(kind: Demonstrated, x: NDArray[Any]) -> NDArray[np.float64]:
    """The net in NumPy, float64."""
    found = {name: one.astype(np.float64) for name, one in small_nets.weights(kind).items()}
    x = found["embedding"][x] if kind == "text" else x.astype(np.float64)
    for name in small_nets.layers(small_nets.weights(kind), small_nets.CONVOLUTIONS):
        kernel = found[f"{name}.kernel"]
        half = len(kernel) // 2
        padded = np.pad(x, ((0, 0), (half, half), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis=1)
        x = np.maximum(np.einsum("nlik,kio->nlo", windows, kernel) + found[f"{name}.bias"], 0)
    x = x.max(axis=1) if x.ndim == 3 else x
    *before, last = small_nets.layers(small_nets.weights(kind), small_nets.DENSE)
    for name in before:
        x = np.maximum(x @ found[f"{name}.kernel"] + found[f"{name}.bias"], 0)
    return np.asarray(x @ found[f"{last}.kernel"] + found[f"{last}.bias"])


def torch_logits(kind: Demonstrated, x: NDArray[Any]) -> NDArray[Any]:
    from backlight_demo.small_nets_torch import net

    with torch.no_grad():
        first = x.transpose(0, 2, 1) if x.ndim == 3 else x
        found: NDArray[Any] = net(kind)(torch.tensor(first.copy())).numpy()
    return found


def keras_logits(kind: Demonstrated, x: NDArray[Any]) -> NDArray[Any]:
    from backlight_demo.small_nets_keras import net

    return np.asarray(keras.ops.convert_to_numpy(net(kind)(x)))


def jax_logits(kind: Demonstrated, x: NDArray[Any]) -> NDArray[Any]:
    from backlight_demo.small_nets_jax import net

    return np.asarray(net(kind)(jnp.asarray(x)))


def mlx_logits(kind: Demonstrated, x: NDArray[Any]) -> NDArray[Any]:
    from backlight_demo.small_nets_mlx import net

    return np.asarray(net(kind)(mlx.core.array(x)))


@pytest.mark.parametrize("logits", [torch_logits, keras_logits, jax_logits, mlx_logits])
@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_those_of_the_formula(
    kind: Demonstrated, logits: Callable[[Demonstrated, NDArray[Any]], NDArray[Any]]
) -> None:
    x, _ = inputs(kind)
    expected = by_hand(kind, x[:40])
    np.testing.assert_allclose(logits(kind, x[:40]), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", ["deep_lift", "integrated_gradients", "feature_ablation"])
@pytest.mark.parametrize("kind", KINDS)
def test_frameworks_say_the_same_of_each_kind(kind: Demonstrated, method: str) -> None:
    from backlight_demo import small_nets_jax, small_nets_keras, small_nets_mlx, small_nets_torch

    x, _ = inputs(kind)
    x = x[:6]
    nets: list[tuple[Any, Any]] = [
        (small_nets_torch, x.transpose(0, 2, 1).copy() if x.ndim == 3 else x),
        (small_nets_keras, x),
        (small_nets_jax, jnp.asarray(x)),
        (small_nets_mlx, mlx.core.array(x)),
    ]
    features = {"features": "elements"} if method == "feature_ablation" else {}
    found = []
    for module, given in nets:
        one: Any = backlight.explain(module.net(kind), given, 1, method, **features)
        values = np.asarray(one.numpy())
        found.append(values.transpose(0, 2, 1) if values.shape[1:] == (1, x.shape[1]) else values)
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=1e-4 * np.abs(found[0]).max())


@pytest.mark.parametrize("kind", KINDS)
def test_the_nets_are_as_right_as_their_notice_says(kind: Demonstrated) -> None:
    x, labels = inputs(kind)
    said = by_hand(kind, x).argmax(axis=1)
    assert (int((said == labels).sum()), len(labels)) == RIGHT[kind]


def test_texts_are_shown_as_they_are_written_unknown_words_too() -> None:
    made = Tokenization(snippets.tokenizer(), 6).described(np.array(["A zyzzyva, funny!"]))
    assert made.tokens == (("a", "zyzzyva", ",", "funny", "!", "[padding]"),)
    assert made.words[0][-1] == -1


def test_a_demo_writes_its_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "out"
    arguments = ["demo", "table", "--framework", "torch", "--limit", "2", "-o", str(folder)]
    with pytest.raises(SystemExit, match=r"^0$"):
        main(arguments)
    assert "273 of 284 right" in capsys.readouterr().out
    record = json.loads((folder / "study.json").read_text())
    assert record["input"]["names"][0] == "mean radius"
    # The cells are those of the table, not what the net was given.
    case = record["cases"][0]
    assert case["given"]["values"] == tumours.examples().x[case["row"]].tolist()
