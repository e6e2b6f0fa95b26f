"""Arrays and sequences as sources, and what a user names as one."""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from backlight import Examples
from backlight.errors import HyperParameterError, InputError
from backlight_datasets import NpzSource, SequenceSource, Source, open_source, read_blocks
from backlight_datasets.folder import FolderSource

X = np.random.default_rng(0).normal(size=(7, 2, 3)).astype(np.float32)
Y = [0, 1, 2, 0, 1, 2, 0]


class Lazy(Sequence[NDArray[Any]]):
    """Makes its examples when they are asked for; some fail."""

    def __init__(self, broken: tuple[int, ...] = ()) -> None:
        self.broken = broken

    def __len__(self) -> int:
        return len(X)

    @overload
    def __getitem__(self, at: int) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[NDArray[Any]]: ...
    def __getitem__(self, at: int | slice) -> NDArray[Any] | Sequence[NDArray[Any]]:
        if isinstance(at, slice):
            raise TypeError("one at a time")
        if at in self.broken:
            raise RuntimeError(f"no {at}")
        found: NDArray[Any] = X[at]
        return found


@pytest.mark.parametrize("x", [X, list(X), Lazy()], ids=["array", "list", "lazy"])
def test_ranges(x: Any) -> None:
    source = SequenceSource(x, Y, ("a", "b", "c"))
    for start, stop in ((2, 5), (0, 7), (6, 7)):
        batch = source.read(start, stop)
        np.testing.assert_array_equal(batch.x, X[start:stop])
        assert batch.labels.tolist() == Y[start:stop]
        assert batch.ids.tolist() == list(range(start, stop))
        batch.x[...] = 9
    assert source.names(1, 3) == ("1", "2")
    assert pickle.loads(pickle.dumps(source)).fingerprint() == source.fingerprint()


def test_examples_that_raise_are_skipped_by_number() -> None:
    source = SequenceSource(Lazy((0, 3)), Y, names=tuple("abcdefg"))
    batch = source.read(0, 5)
    assert batch.ids.tolist() == [1, 2, 4]
    assert batch.labels.tolist() == [1, 2, 1]
    np.testing.assert_array_equal(batch.x, X[[1, 2, 4]])
    assert [(one.id, str(one)) for one in batch.skipped] == [
        (0, "a: RuntimeError: no 0"),
        (3, "d: RuntimeError: no 3"),
    ]
    assert source.read(3, 4).x.shape[0] == 0
    assert source.fingerprint() != SequenceSource(Lazy(), Y, names=tuple("abcdefg")).fingerprint()
    with pytest.raises(InputError, match="None of the 7 candidates could be read: 0: RuntimeError"):
        list(read_blocks(SequenceSource(Lazy(tuple(range(7))), Y), 2))


def test_examples_unlike_the_first_are_skipped_by_number() -> None:
    ragged = SequenceSource([X[0], X[1, :1], X[2].astype(np.float64), X[3]], Y[:4])
    for start in (0, 1):
        batch = ragged.read(start, 4)
        np.testing.assert_array_equal(batch.x, X[[0, 3][start:]])
        assert [str(one) for one in batch.skipped] == [
            "1: it is float32 of shape (1, 3), and the first example is float32 of (2, 3)",
            "2: it is float64 of shape (2, 3), and the first example is float32 of (2, 3)",
        ]


def test_fingerprints_are_of_all_that_is_given() -> None:
    changed = X.copy()
    changed[6, 1, 2] = -changed[6, 1, 2]
    sources = [
        SequenceSource(X, Y),
        SequenceSource(changed, Y),
        SequenceSource(X, Y[::-1]),
        SequenceSource(X, [0, 1, 2, 0, 1, 2, 1]),
        SequenceSource(X, Y, ("a", "b", "c")),
        SequenceSource(X.astype(np.float64), Y),
    ]
    assert len({source.fingerprint() for source in sources}) == len(sources)
    assert SequenceSource(X.copy(), np.array(Y)).fingerprint() == sources[0].fingerprint()


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match="There are 7 examples with 3 labels; each"):
        SequenceSource(X, [1, 2, 3])
    with pytest.raises(InputError, match="7 labels and 2 names"):
        SequenceSource(X, Y, names=("a", "b"))
    with pytest.raises(InputError, match="whole numbers"):
        SequenceSource(X, np.array(list("abcdefg")))
    with pytest.raises(InputError, match=r"Numbers 0 and 2 of the examples, .* have the same name"):
        SequenceSource(X[:3], Y[:3], names=("a", "b", "a"))
    with pytest.raises(HyperParameterError, match="got a length of 0"):
        list(read_blocks(SequenceSource(X, Y), 0))
    assert len(SequenceSource(X[:0], [])) == 0


def kinds(place: Path) -> dict[str, tuple[Any, type[Source]]]:
    (place / "pictures" / "a").mkdir(parents=True)
    Image.new("L", (3, 2)).save(place / "pictures" / "a" / "0.png")
    np.savez(place / "data.npz", x=X, y=Y)
    (place / "its_data.py").write_text(
        "import numpy as np, backlight\n"
        "from backlight_datasets import SequenceSource\n"
        "def examples():\n"
        "    return backlight.Examples(np.zeros((1, 2)), np.array([0]), skipped=('b: broken',))\n"
        "source = SequenceSource(np.zeros((1, 2)), [0])\n"
        "neither = 3\n"
    )
    return {
        "folder": (place / "pictures", FolderSource),
        "npz": (str(place / "data.npz"), NpzSource),
        "code": (f"{place}/its_data.py:examples", SequenceSource),
        "source in code": (f"{place}/its_data.py:source", SequenceSource),
        "examples": (Examples(X, np.array(Y)), SequenceSource),
        "source": (SequenceSource(X, Y), SequenceSource),
    }


def test_sources_by_what_the_user_names(tmp_path: Path) -> None:
    known = kinds(tmp_path)
    for data, kind in known.values():
        assert isinstance(open_source(data), kind)
    assert open_source(known["code"][0]).left_out == ("b: broken",)
    assert open_source(known["folder"][0], (5, 6), "rgb").read(0, 1).x.shape == (1, 5, 6, 3)
    named = open_source(known["examples"][0], classes=("a", "b", "c"))
    assert named.classes == ("a", "b", "c")
    for what in known.keys() - {"folder"}:
        with pytest.raises(InputError, match="--size can be said for pictures in files only"):
            open_source(known[what][0], options=["--size"])
    with pytest.raises(InputError, match=r"is a builtins\.int; it must be"):
        open_source(f"{tmp_path}/its_data.py:neither")
    with pytest.raises(InputError, match="No such data"):
        open_source(tmp_path / "nowhere")
    with pytest.raises(InputError, match="has classes of its own, without names"):
        open_source(known["source"][0], classes=("a", "b", "c"))
