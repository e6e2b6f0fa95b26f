"""A net that is edited between two calls is explained as it is now, on each framework."""

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch  # isort: skip  # noqa: F401  (before TensorFlow: the other order does not load)
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

import backlight
from tests.parity.edited import with_jax, with_keras, with_mlx, with_tensorflow, with_torch
from tests.parity.edited.check import METHODS, check, in_turn

PLAIN = ("saliency", "deep_lift", "lrp", "guided_backprop")
RANDOM = np.random.default_rng(0)
INPUTS, WEIGHT, HEAD = (RANDOM.normal(size=shape) for shape in ((4, 5), (5, 6), (6, 3)))
JAX, KERAS, MLX, TENSORFLOW = (
    in_turn(net.EDITS) for net in (with_jax, with_keras, with_mlx, with_tensorflow)
)
ROOT = Path(__file__).parents[2]
DOUBLE = functools.partial(jax.enable_x64, True)


@pytest.mark.parametrize("edit", with_torch.EDITS)
def test_torch_nets(edit: str) -> None:
    check(with_torch.EDITS[edit])


@pytest.mark.parametrize("edit", ["attribute", "layers_moved", "weight_fill", "closure_cell"])
def test_torch_nets_that_saw_batches_of_several_sizes(edit: str) -> None:
    check(with_torch.EDITS[edit], sizes=(1, 8))


@pytest.mark.parametrize("edit", with_mlx.EDITS)
def test_mlx_nets(edit: str) -> None:
    check(with_mlx.EDITS[edit], MLX[edit])


@pytest.mark.parametrize("edit", ["attribute", "layers_moved", "closure_cell"])
def test_mlx_nets_that_saw_batches_of_several_sizes(edit: str) -> None:
    check(with_mlx.EDITS[edit], MLX[edit], sizes=(1, 8))


@pytest.mark.parametrize("edit", with_jax.EDITS)
def test_jax_nets(edit: str) -> None:
    check(with_jax.EDITS[edit], JAX[edit], precision=DOUBLE)


@pytest.mark.parametrize("edit", ["closure_cell", "nnx_parameter"])
def test_jax_nets_that_saw_batches_of_several_sizes(edit: str) -> None:
    check(with_jax.EDITS[edit], JAX[edit], sizes=(1, 8), precision=DOUBLE)


@pytest.mark.parametrize("edit", with_tensorflow.EDITS)
def test_tensorflow_nets(edit: str) -> None:
    check(with_tensorflow.EDITS[edit], TENSORFLOW[edit])


@pytest.mark.parametrize("edit", ["module_weight_assigned", "closure_cell"])
def test_tensorflow_nets_that_saw_batches_of_several_sizes(edit: str) -> None:
    check(with_tensorflow.EDITS[edit], TENSORFLOW[edit], sizes=(1, 8))


@pytest.mark.parametrize("edit", with_keras.EDITS)
def test_keras_nets_on_tensorflow(edit: str) -> None:
    check(with_keras.EDITS[edit], KERAS[edit])


@functools.cache
def reported(backend: str) -> dict[str, list[str]]:
    """What is wrong with Keras nets on another backend, which needs a process of its own."""
    environment = {**os.environ, "KERAS_BACKEND": backend}
    command = [sys.executable, "-m", "tests.parity.edited.with_keras"]
    done = subprocess.run(command, env=environment, capture_output=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("backend", ["jax", "torch"])
@pytest.mark.parametrize("edit", with_keras.EDITS)
def test_keras_nets_on_other_backends(edit: str, backend: str) -> None:
    wrong = reported(backend)[edit]
    assert not wrong, "; ".join(wrong)


@pytest.mark.sweep  # each meets several edits above, in turn
@pytest.mark.parametrize("technique", METHODS)
def test_every_technique_sees_an_edit_of_jax_nets(technique: str) -> None:
    check(with_jax.EDITS["closure_cell"], (technique,), precision=DOUBLE)


@pytest.mark.sweep  # each meets several edits above, in turn
@pytest.mark.parametrize("technique", METHODS)
def test_every_technique_sees_an_edit_of_mlx_nets(technique: str) -> None:
    check(with_mlx.EDITS["closure_cell"], (technique,))


@pytest.mark.sweep  # each meets several edits above, in turn
@pytest.mark.parametrize("technique", METHODS)
def test_every_technique_sees_an_edit_of_tensorflow_nets(technique: str) -> None:
    check(with_tensorflow.EDITS["closure_cell"], (technique,))


@pytest.mark.sweep  # each meets several edits above, in turn
@pytest.mark.parametrize("technique", METHODS)
def test_every_technique_sees_an_edit_of_keras_nets(technique: str) -> None:
    check(with_keras.EDITS["function"], (technique,))


def counted(framework: str) -> tuple[Any, Any, list[int], Callable[[float], None]]:
    """A plain function that counts how often it is called, what it is fed with, its calls, an edit that
    sets its scale."""
    calls: list[int] = []
    scale = 1.0

    def net(x: Any) -> Any:
        calls.append(1)
        if framework == "tensorflow":
            return tf.tanh(tf.nn.relu(tf.tanh(x) @ WEIGHT) @ HEAD * scale + x[:, :3] @ HEAD[:3])
        return jnp.tanh(jax.nn.relu(jnp.tanh(x) @ WEIGHT) @ HEAD * scale + x[:, :3] @ HEAD[:3])

    def edit(to: float) -> None:
        nonlocal scale
        scale = to

    make: Any = tf.constant if framework == "tensorflow" else jnp.asarray
    return net, make(INPUTS), calls, edit


@pytest.mark.filterwarnings("ignore::backlight.BacklightWarning")
@pytest.mark.parametrize("framework", ["tensorflow", "jax"])
def test_an_unedited_net_is_traced_once_and_an_edited_one_once_more(framework: str) -> None:
    with DOUBLE():
        net, x, calls, edit = counted(framework)

        def explain(x: Any, k: int) -> Any:
            return [np.asarray(METHODS[one](net, x, k).values) for one in PLAIN]

        before = explain(x, 1)
        once = len(calls)
        for k in range(3):
            explain(2 * x, k)
        assert len(calls) == once, "other numbers and other classes are no edit"
        edit(-2.0)
        after = explain(x, 1)
        again = len(calls)
        for k in range(3):
            explain(3 * x, k)
        assert len(calls) == again, "after an edit, what is not edited again is not traced again"
        assert again > once, "the edit was not seen"
    backlight.forget()
    assert all(np.abs(one - other).max() > 1e-3 for one, other in zip(before, after, strict=True))


@pytest.mark.filterwarnings("ignore::backlight.BacklightWarning")
@pytest.mark.parametrize("framework", ["tensorflow", "jax"])
def test_a_net_toggled_between_two_states_is_traced_once_for_each(framework: str) -> None:
    with DOUBLE():
        net, x, calls, edit = counted(framework)
        gradient, counts, values = METHODS["saliency"], [], []
        for scale in (1.0, -2.0, 1.0, -2.0):
            edit(scale)
            values.append(np.asarray(gradient(net, x, 1).values))
            counts.append(len(calls))
    backlight.forget()
    assert counts[0] < counts[1] == counts[2] == counts[3]
    np.testing.assert_array_equal(values[:2], values[2:])
    assert np.abs(values[0] - values[1]).max() > 1e-3
