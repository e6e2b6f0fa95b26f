"""Trains the nets of the demos of texts, tables and series, and stores their weights for every framework.

    python -m backlight_demo.train_small vaderSentiment-3.3.2.tar.gz

The archive is the source distribution of vaderSentiment, which holds the film reviews. Written are
`small_nets.npz` and `snippets.npz`, of the 600 sentences that are tested and the vocabulary, beside this
module or into `-o FOLDER`. One thread, about a minute.
"""

import argparse
import io
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from torch import nn

from backlight_demo import shapes, snippets, tumours
from backlight_demo.small_nets import Weights
from backlight_demo.small_nets_torch import SmallNet

INNER = "additional_resources/hutto_ICWSM_2014.tar.gz"
FILE = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"

TESTED, CLEAR = 600, 0.5
"""How many sentences are tested; and how far from 0 a judgement is of those that are used."""

FEWEST = 5
"""A word of the vocabulary is in at least so many training sentences."""

Examples = tuple[npt.NDArray[Any], npt.NDArray[np.int64]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m backlight_demo.train_small")
    parser.add_argument("archive", type=Path, help="vaderSentiment-3.3.2.tar.gz")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("data"))
    arguments = parser.parse_args()
    # The order of sums depends on the number of threads, hence so would the weights.
    torch.set_num_threads(1)
    console = Console()
    stored: dict[str, npt.NDArray[Any]] = {}
    texts, labels = judged(arguments.archive)
    learnt, tested = slice(TESTED, None), slice(TESTED)
    tokenizer = snippets.Words(vocabulary(texts[learnt]))
    np.savez_compressed(
        arguments.output / "snippets.npz",
        texts=np.array(texts[tested]),
        labels=labels[tested].astype(np.uint8),
        vocabulary=np.array(tokenizer.vocabulary),
    )
    words = len(tokenizer.vocabulary)
    ids = padded(tokenizer(texts))
    series, kinds = shapes.made(600, seed=0)
    held, pulses = tumours.examples(), shapes.examples()
    plans: dict[str, tuple[dict[str, tuple[int, ...]], Examples, Examples, int]] = {
        "text": (
            {"embedding": (words, 16), "conv1": (3, 16, 32), "dense2": (32, 2)},
            (ids[learnt], labels[learnt]),
            (ids[tested], labels[tested]),
            6,
        ),
        "table": (
            {"dense1": (30, 16), "dense2": (16, 2)},
            (standardised(tumours.training().x), np.asarray(tumours.training().labels)),
            (standardised(held.x), np.asarray(held.labels)),
            30,
        ),
        "series": (
            {"conv1": (9, 1, 16), "conv2": (9, 16, 16), "dense2": (16, 3)},
            (series[:, None], kinds),
            (pulses[0][:, None], pulses[1]),
            30,
        ),
    }
    for kind, (shapes_of, examples, test, epochs) in plans.items():
        torch.manual_seed(0)
        model = trained(SmallNet(empty(shapes_of)), *examples, epochs=epochs)
        console.print(f"{kind}: {accuracy(model, *test):.1%} of {len(test[1])} right")
        found = weights(model)
        stored |= {f"{kind}.{name}": values.astype(np.float16) for name, values in found.items()}
    arrays: dict[str, Any] = stored
    np.savez_compressed(arguments.output / "small_nets.npz", **arrays)


def judged(archive: Path) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Sentences that people agree on, shuffled, and 1 for those they like."""
    with tarfile.open(archive) as outer:
        (name,) = (one for one in outer.getnames() if one.endswith(INNER))
        content = outer.extractfile(name)
        assert content is not None
        with tarfile.open(fileobj=io.BytesIO(content.read())) as inner:
            file = inner.extractfile(FILE)
            assert file is not None
            lines = file.read().decode(errors="replace").splitlines()
    rows = [line.split("\t") for line in lines]
    clear = [(text.strip(), float(mean)) for _, mean, text in rows if abs(float(mean)) >= CLEAR]
    order = np.random.default_rng(0).permutation(len(clear))
    return [clear[k][0] for k in order], np.array([int(clear[k][1] > 0) for k in order])


def vocabulary(texts: list[str]) -> tuple[str, ...]:
    seen = Counter(word for text in texts for word in set(snippets.words(text)))
    known = sorted(word for word, count in seen.items() if count >= FEWEST)
    return (snippets.PADDING, snippets.UNKNOWN, *known)


def padded(rows: list[list[int]]) -> npt.NDArray[np.int64]:
    ids = np.zeros((len(rows), snippets.LENGTH), dtype=np.int64)
    for row, own in zip(ids, rows, strict=True):
        row[: len(own)] = own[: snippets.LENGTH]
    return ids


def standardised(x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    mean, deviation = tumours.spread()
    return ((x - mean) / deviation).astype(np.float32)


def empty(shapes_of: dict[str, tuple[int, ...]]) -> Weights:
    """Weights of these shapes, for a net to be made by."""
    return {
        name if name == "embedding" else f"{name}.kernel": np.zeros(shape, np.float32)
        for name, shape in shapes_of.items()
    }


def trained(
    model: SmallNet, x: npt.NDArray[Any], labels: npt.NDArray[np.int64], *, epochs: int
) -> SmallNet:
    """The net fitted by Adam; of ids the vector of padding stays 0."""
    inputs, classes = torch.tensor(x), torch.tensor(labels)
    if model.embedding is not None:
        nn.init.normal_(model.embedding.weight, std=0.1)
        model.embedding.padding_idx = 0
        model.embedding.weight.data[0] = 0
    optimizer = torch.optim.Adam(model.parameters(), 3e-3, weight_decay=1e-5)
    for _ in range(epochs):
        order = torch.randperm(len(inputs))
        for start in range(0, len(inputs), 32):
            rows = order[start : start + 32]
            loss = nn.functional.cross_entropy(model(inputs[rows]), classes[rows])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    return model.eval()


def accuracy(model: SmallNet, x: npt.NDArray[Any], labels: npt.NDArray[np.int64]) -> float:
    with torch.no_grad():
        said = model(torch.tensor(x)).argmax(1).numpy()
    return float((said == labels).mean())


def weights(model: SmallNet) -> Weights:
    """The parameters in the layout of `small_nets`."""
    found: Weights = {}
    if model.embedding is not None:
        found["embedding"] = model.embedding.weight.detach().numpy()
    for name, layer in (*model.convolutions.items(), *model.dense.items()):
        state = layer.state_dict()
        found[f"{name}.kernel"] = state["weight"].numpy().T
        found[f"{name}.bias"] = state["bias"].numpy()
    return found


if __name__ == "__main__":
    main()
