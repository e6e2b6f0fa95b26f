"""`.npz` files as sources: deflated or not, a range at a time, in any order."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from backlight.errors import InputError
from backlight_datasets import NpzSource

X = np.random.default_rng(0).normal(size=(11, 3, 4)).astype(np.float32)
Y = np.arange(11, dtype=np.uint8) % 3

SAVED: dict[str, Callable[[Path, NDArray[Any]], None]] = {
    "stored": lambda path, x: np.savez(path, x=x, y=Y),
    "deflated": lambda path, x: np.savez_compressed(path, images=x, labels=Y),
    "columns first": lambda path, x: np.savez(path, y=Y, x=np.asfortranarray(x)),
}


@pytest.mark.parametrize("how", SAVED)
@pytest.mark.parametrize(
    "x", [X, X.astype(">f8"), X > 0, X[:, 0, 0].astype(str), X[:, :0]], ids=lambda x: str(x.dtype)
)
def test_ranges_in_any_order(tmp_path: Path, how: str, x: NDArray[Any]) -> None:
    SAVED[how](tmp_path / "data.npz", x)
    source = NpzSource(tmp_path / "data.npz")
    for start, stop in ((4, 7), (0, 11), (10, 11), (3, 3), (2, 9)):
        batch = source.read(start, stop)
        np.testing.assert_array_equal(batch.x, x[start:stop])
        assert (batch.x.dtype, batch.x.flags.writeable) == (x.dtype, True)
        assert batch.ids.tolist() == list(range(start, stop))
        assert batch.labels.tolist() == Y[start:stop].tolist()
        batch.x[...] = x[0]  # it is the reader's own
    assert source.names(9, 11) == ("9", "10")


def test_the_fingerprint_is_of_the_numbers(tmp_path: Path) -> None:
    for name in ("stored", "deflated"):
        SAVED[name](tmp_path / f"{name}.npz", X)
    stored = NpzSource(tmp_path / "stored.npz").fingerprint()
    assert NpzSource(tmp_path / "deflated.npz").fingerprint() == stored
    assert NpzSource(tmp_path / "stored.npz", ("a", "b", "c")).fingerprint() != stored
    other = X.copy()
    other[5, 1, 1] = np.nextafter(other[5, 1, 1], 9)
    SAVED["stored"](tmp_path / "other.npz", other)
    assert NpzSource(tmp_path / "other.npz").fingerprint() != stored


@pytest.mark.parametrize("how", SAVED)
def test_a_pickle_reads_on_as_long_as_the_numbers_are_the_same(tmp_path: Path, how: str) -> None:
    path = tmp_path / "data.npz"
    SAVED[how](path, X)
    source = NpzSource(path)
    source.read(0, 3)
    shipped = pickle.dumps(source)
    os.utime(path, (1, 1))  # as a copy on another machine may have it
    np.testing.assert_array_equal(pickle.loads(shipped).read(5, 8).x, X[5:8])
    SAVED[how](path, X + 1)
    for one in (source, pickle.loads(shipped)):
        with pytest.raises(InputError, match="holds other arrays than when it was opened"):
            one.read(0, 3)


def test_classes(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, x=X, y=Y, classes=np.array(["cat", "dog", "fish"]))
    assert NpzSource(path).classes == ("cat", "dog", "fish")
    source = NpzSource(path, ("fish", "cat", "bird", "dog"))
    assert source.read(0, 3).labels.tolist() == [1, 3, 0]
    assert source.classes == ("fish", "cat", "bird", "dog")


def test_what_is_no_archive_of_examples(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    for arrays, message in (
        ({"y": Y}, r"must hold x \(or images\); it holds y"),
        ({"x": X, "y": Y[:3]}, "There are 11 examples with 3 labels"),
        ({"x": X, "y": X}, "must be whole numbers"),
        ({"x": np.array([None] * 11), "y": Y}, "Python objects"),
    ):
        np.savez(path, **arrays)
        with pytest.raises(InputError, match=message):
            NpzSource(path)
    path.write_bytes(b"PK nothing")
    with pytest.raises(InputError, match=r"data\.npz could not be read"):
        NpzSource(path)


@pytest.mark.parametrize("how", ["stored", "deflated"])
def test_a_file_that_is_cut_off_is_an_error_and_not_the_end(tmp_path: Path, how: str) -> None:
    path = tmp_path / "data.npz"
    SAVED[how](path, X)
    source = NpzSource(path)
    source.read(0, 1)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match=r"data\.npz could not be read"):
        source.read(8, 11)


def test_ranges_that_are_none(tmp_path: Path) -> None:
    SAVED["stored"](tmp_path / "data.npz", X)
    source = NpzSource(tmp_path / "data.npz")
    for start, stop in ((-1, 3), (3, 2), (0, 12)):
        with pytest.raises(InputError, match="no range"):
            source.read(start, stop)
        with pytest.raises(InputError, match="no range"):
            source.names(start, stop)
