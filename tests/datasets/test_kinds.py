"""What every kind of source must do: the same examples under the same numbers, whatever the ranges."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from backlight.errors import InputError
from tests.datasets.kinds import FILES, KINDS, source

X = np.random.default_rng(0).normal(size=(11, 3)).astype(np.float32)
Y = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1])
RANGES = ((4, 9), (0, 11), (10, 11), (3, 3), (2, 5), (5, 8), (8, 11))
WIDE = ("csv", "tsv")  # whose numbers are float64
UNPICKLED = ("tf.data", "tf.data in batches")


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_the_ranges_the_examples_are_the_same(kind: str, tmp_path: Path) -> None:
    found = source(kind, tmp_path, X, Y)
    assert (len(found), found.labelled, found.classes) == (11, True, ())
    names = found.names(0, 11)
    assert len(set(names)) == 11
    for start, stop in RANGES:
        batch = found.read(start, stop)
        np.testing.assert_array_equal(batch.x, X[start:stop])
        assert batch.x.dtype == (np.float64 if kind in WIDE else np.float32)
        assert (batch.labels.dtype, batch.labels.tolist()) == (np.int64, Y[start:stop].tolist())
        assert (batch.ids.dtype, batch.ids.tolist()) == (np.int64, list(range(start, stop)))
        assert batch.skipped == ()
        assert found.names(start, stop) == names[start:stop]
    with pytest.raises(InputError, match="no range"):
        found.read(5, 12)


@pytest.mark.parametrize("kind", KINDS)
def test_without_labels(kind: str, tmp_path: Path) -> None:
    found = source(kind, tmp_path, X, None)
    assert not found.labelled
    batch = found.read(2, 5)
    np.testing.assert_array_equal(batch.x, X[2:5])
    assert (batch.labels.dtype, batch.labels.tolist()) == (np.int64, [-1, -1, -1])


@pytest.mark.parametrize("kind", KINDS)
def test_some_labels_are_missing(kind: str, tmp_path: Path) -> None:
    some = np.where(np.isin(np.arange(11), (4, 8)), -1, Y)
    found = source(kind, tmp_path, X, some)
    assert found.labelled
    assert found.read(3, 9).labels.tolist() == some[3:9].tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_fingerprints_tell_contents_and_not_places(kind: str, tmp_path: Path) -> None:
    places = [tmp_path / name for name in "abcd"]
    for place in places:
        place.mkdir()
    other = X.copy()
    other[7, 1] = np.nextafter(other[7, 1], 9)
    changed = np.where(np.arange(11) == 9, 2, Y)
    given = ((X, Y), (X, Y), (other, Y), (X, changed))
    found = [source(kind, place, *one) for place, one in zip(places, given, strict=True)]
    first, again, *others = [one.fingerprint() for one in found]
    assert again == first
    assert len({first, *others}) == 3


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in UNPICKLED])
def test_a_pickle_gives_the_same_examples(kind: str, tmp_path: Path) -> None:
    found = source(kind, tmp_path, X, Y)
    found.read(2, 5)
    shipped = pickle.dumps(found)
    again = pickle.loads(shipped)
    np.testing.assert_array_equal(again.read(3, 9).x, X[3:9])
    assert again.fingerprint() == found.fingerprint()
    assert again.names(0, 11) == found.names(0, 11)


@pytest.mark.parametrize("kind", UNPICKLED)
def test_what_cannot_be_sent_says_what_to_do(kind: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be sent to another process.*file\.py:function"):
        pickle.dumps(source(kind, tmp_path, X, Y))


@pytest.mark.parametrize("kind", [kind for kind in FILES if kind != "saved by datasets"])
def test_files_that_changed_since_are_refused(kind: str, tmp_path: Path) -> None:
    found = source(kind, tmp_path, X, Y)
    shipped = pickle.dumps(found)
    source(kind, tmp_path, X + 1, Y)
    for one in (found, pickle.loads(shipped)):
        with pytest.raises(InputError, match=r"holds other .* than when it was opened"):
            one.read(0, 3)


@pytest.mark.parametrize("kind", ["csv", "parquet", "folder of tar"])
def test_a_pickle_of_files_ships_the_path(kind: str, tmp_path: Path) -> None:
    many = source(kind, tmp_path, np.tile(X, (20, 1)), np.tile(Y, 20))
    assert len(pickle.dumps(many)) < 1200
