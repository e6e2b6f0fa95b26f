"""Streams as sources: one pass for ranges that rise, and what a stream may do wrong."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch  # before TensorFlow

# isort: split
import tensorflow as tf
from torch.utils.data import DataLoader

from backlight.errors import InputError
from backlight_datasets import StreamSource, open_source, read_blocks
from tests.datasets.kinds import Mapped

X = np.arange(20.0, dtype=np.float32).reshape(10, 2)
Y = np.arange(10)


class Counted:
    """Begins passes over pairs, and counts passes and elements."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.passes = self.elements = 0
        self.fails_at = fails_at

    def __call__(self) -> Iterator[Any]:
        self.passes += 1
        for k in range(10):
            if k == self.fails_at:
                raise RuntimeError("no more")
            self.elements += 1
            yield X[k], int(Y[k])


def test_ranges_that_rise_cost_one_pass() -> None:
    stream = Counted()
    source = StreamSource(stream, 10)
    stream.passes = stream.elements = 0
    blocks = dict(read_blocks(source, 3))
    assert (stream.passes, stream.elements) == (1, 10)
    np.testing.assert_array_equal(source.read(4, 6).x, X[4:6])
    assert (stream.passes, stream.elements) == (2, 16)
    np.testing.assert_array_equal(np.concatenate([one.x for one in blocks.values()]), X)


def test_without_a_count_it_is_counted_once() -> None:
    stream = Counted()
    source = StreamSource(stream)
    assert (len(source), len(source)) == (10, 10)
    assert stream.elements < 20


@pytest.mark.parametrize("count", [10, 12])
def test_what_a_stream_owes_is_skipped(count: int) -> None:
    ends = StreamSource(Counted(), 12)
    assert [str(one) for one in ends.read(8, 12).skipped] == [
        f"{k}: the stream ended before it" for k in (10, 11)
    ]
    fails = StreamSource(Counted(7), count)
    for _ in range(2):
        batch = fails.read(5, 10)
        assert batch.ids.tolist() == [5, 6]
        assert {one.reason for one in batch.skipped} == {
            "the stream failed before it with RuntimeError: no more"
        }


def test_more_than_is_said_is_an_error() -> None:
    source = StreamSource(Counted(), 8)
    source.read(0, 7)
    with pytest.raises(InputError, match="more than the 8 examples that it is said to have"):
        source.read(7, 8)


def test_an_element_that_is_none_is_skipped() -> None:
    elements = [(X[0], 0), (X[1, :1], 1), ("gone.png", 2), (X[3], 0.5), (X[4], 4), (X[5], "a")]
    source = StreamSource(lambda: iter(elements), 6)
    batch = source.read(0, 6)
    assert batch.ids.tolist() == [0, 4]
    ragged, missing, number, text = (one.reason for one in batch.skipped)
    assert ragged == "it is float32 of shape (1,), and the first example is float32 of (2,)"
    assert "No such file" in missing
    assert "its label 0.5 is not of int64 ()" in number
    assert "its label 'a' is not of int64 ()" in text


def generator() -> Iterator[Any]:
    yield from zip(X, Y.tolist(), strict=True)


def shuffled() -> Iterator[Any]:
    return iter(np.random.default_rng().normal(size=(10, 2)))


def tensors(batched: bool) -> Any:
    found = tf.data.Dataset.from_tensor_slices((X, Y))
    return found.batch(5) if batched else found


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "generator": (generator, "A generator can be read once only"),
    "empty": (lambda: StreamSource(lambda: iter(())), "The stream is empty"),
    "fails": (lambda: StreamSource(Counted(0)), "stream is empty: .* RuntimeError: no more"),
    "shuffled": (
        lambda: StreamSource(shuffled),
        "begins with other examples when it is read again",
    ),
    "DataLoader": (
        lambda: DataLoader(Mapped(X, Y), shuffle=True),
        r"order of its own \(RandomSampler\).*Give its data set: loader\.dataset",
    ),
    "tf.data": (lambda: tensors(False).shuffle(10**6, seed=None), "begins with other examples"),
    "for ever": (lambda: tensors(True).repeat(), r"repeats for ever; .* dataset\.take\(n\)"),
    "batches or not": (
        lambda: tf.data.Dataset.from_tensor_slices(X).batch(5, drop_remainder=True),
        r"shapes \(5, 2\) may be examples or batches.*batched=True",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str) -> None:
    make, message = REFUSED[what]
    with pytest.raises(InputError) as told:
        open_source(make(), labelled=False)
    assert re.search(message, str(told.value))


def test_batches_that_are_said() -> None:
    whole = tf.data.Dataset.from_tensor_slices(X).batch(5, drop_remainder=True)
    source = StreamSource(whole.as_numpy_iterator, batched=True)
    assert len(source) == 10
    np.testing.assert_array_equal(source.read(3, 8).x, X[3:8])
    entries = StreamSource(
        lambda: iter([{"x": X, "label": Y, "id": list("abcdefghij")}]), batched=True
    )
    assert entries.read(3, 8).labels.tolist() == Y[3:8].tolist()


def test_a_loader_that_fails_at_one_example_gives_the_others() -> None:
    class Broken(Mapped):
        def __getitem__(self, k: int) -> Any:
            if k == 3:
                raise OSError("torn")
            return super().__getitem__(k)

    batch = open_source(DataLoader(Broken(X, Y), batch_size=5)).read(0, 10)
    assert [str(one) for one in batch.skipped] == ["3: OSError: torn"]
    assert len(batch.ids) == 9


def test_a_reference_to_a_generator_is_a_stream(tmp_path: Path) -> None:
    (tmp_path / "its_stream.py").write_text(
        "import numpy as np\n"
        "def examples():\n"
        "    for k in range(7):\n"
        "        yield {'x': np.full(2, k), 'label': k % 2}\n"
    )
    source = open_source(f"{tmp_path}/its_stream.py:examples")
    assert source.read(2, 7).x[:, 0].tolist() == [2, 3, 4, 5, 6]
    assert source.read(0, 1).x[:, 0].tolist() == [0]


def test_torch_tensors_stay_as_they_are() -> None:
    data = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y % 2 == 0))
    source = open_source(data)
    assert (source.read(0, 3).x.dtype, source.read(0, 3).labels.tolist()) == (np.float32, [1, 0, 1])
