"""Digests of arrays: of names, dtypes, shapes and numbers, in any order."""

import subprocess
import sys
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from backlight.errors import InputError
from backlight_datasets import digest_of_arrays
from backlight_datasets import digests as module

WEIGHTS: dict[str, NDArray[Any]] = {
    "bias": np.arange(3, dtype=np.float32),
    "scale": np.array(2.5),
    "kernel": np.arange(12, dtype=np.float32).reshape(3, 4),
    "empty": np.zeros((0, 3)),
    "names": np.array(["a", "bc"]),
}


def test_the_order_does_not_count() -> None:
    assert digest_of_arrays(WEIGHTS.items()) == digest_of_arrays(reversed(WEIGHTS.items()))


def test_the_number_is_the_same_on_every_machine() -> None:
    inner = sha256(b'["float32", [2]]' + bytes.fromhex("0000803f000000c0")).hexdigest()
    text = f"w\0{inner}".encode()
    expected = sha256(len(text).to_bytes(8, "little") + text).hexdigest()
    assert digest_of_arrays([("w", np.array([1, -2], dtype=np.float32))]) == expected


def test_bytes_in_memory_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = WEIGHTS["kernel"]
    known = digest_of_arrays([("w", kernel)])
    wide = np.zeros((3, 8), dtype=np.float32)
    wide[:, ::2] = kernel
    assert digest_of_arrays([("w", wide[:, ::2])]) == known
    assert digest_of_arrays([("w", np.asfortranarray(kernel))]) == known
    assert digest_of_arrays([("w", kernel.astype(">f4"))]) == known
    monkeypatch.setattr(module, "CHUNK", 20)
    assert digest_of_arrays([("w", kernel)]) == known


@pytest.mark.parametrize(
    "other",
    [
        [("v", WEIGHTS["kernel"])],
        [("w", WEIGHTS["kernel"].reshape(4, 3))],
        [("w", WEIGHTS["kernel"].view(np.int32))],
        [("w", -WEIGHTS["kernel"])],
        [("w", WEIGHTS["kernel"]), ("v", WEIGHTS["bias"])],
        [],
    ],
    ids=["name", "shape", "dtype", "sign of zero", "more", "none"],
)
def test_all_else_counts(other: list[tuple[str, NDArray[Any]]]) -> None:
    assert digest_of_arrays(other) != digest_of_arrays([("w", WEIGHTS["kernel"])])


def test_what_has_no_digest() -> None:
    with pytest.raises(InputError, match="'w' is an array of Python objects"):
        digest_of_arrays([("w", np.array([None]))])
    with pytest.raises(InputError, match="Two arrays are called 'w'"):
        digest_of_arrays([("w", np.zeros(1)), ("w", np.zeros(2))])


def test_no_framework_and_no_pillow_is_imported() -> None:
    code = (
        "import sys, backlight_datasets; print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"PIL", "torch", "tensorflow", "jax", "mlx"} & set(done.stdout.split())
