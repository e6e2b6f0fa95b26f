"""A net that is edited between two calls is explained as it is now, on each framework."""

import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch  # isort: skip  # noqa: F401  (before TensorFlow: the other order does not load)
import jax
import pytest

from tests.parity.edited import with_jax, with_keras, with_tensorflow, with_torch
from tests.parity.edited.check import METHODS, check, in_turn

JAX, KERAS, TENSORFLOW = (in_turn(net.EDITS) for net in (with_jax, with_keras, with_tensorflow))
ROOT = Path(__file__).parents[2]


@contextmanager
def double() -> Iterator[None]:
    """JAX in float64, compiled in a fifth of the time."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        with jax.enable_x64(True):
            yield
    finally:
        jax.config.update("jax_disable_most_optimizations", before)


@pytest.mark.parametrize("edit", with_torch.EDITS)
def test_torch_nets(edit: str) -> None:
    check(with_torch.EDITS[edit])


@pytest.mark.parametrize("edit", ["attribute", "layers_moved", "weight_fill", "closure_cell"])
def test_torch_nets_that_saw_batches_of_several_sizes(edit: str) -> None:
    check(with_torch.EDITS[edit], sizes=(1, 8))


@pytest.mark.parametrize("edit", with_jax.EDITS)
def test_jax_nets(edit: str) -> None:
    check(with_jax.EDITS[edit], JAX[edit], precision=double)


@pytest.mark.parametrize("edit", ["closure_cell", "nnx_parameter"])
def test_jax_nets_that_saw_batches_of_several_sizes(edit: str) -> None:
    check(with_jax.EDITS[edit], JAX[edit], sizes=(1, 8), precision=double)


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


@pytest.mark.parametrize("technique", METHODS)
def test_every_technique_sees_an_edit_of_jax_nets(technique: str) -> None:
    check(with_jax.EDITS["closure_cell"], (technique,), precision=double)


@pytest.mark.parametrize("technique", METHODS)
def test_every_technique_sees_an_edit_of_tensorflow_nets(technique: str) -> None:
    check(with_tensorflow.EDITS["closure_cell"], (technique,))


@pytest.mark.parametrize("technique", METHODS)
def test_every_technique_sees_an_edit_of_keras_nets(technique: str) -> None:
    check(with_keras.EDITS["function"], (technique,))
