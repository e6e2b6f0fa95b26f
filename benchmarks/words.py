"""Which technique's values of words agree with what people say of the same words.

pip download vaderSentiment==3.3.2 --no-binary :all: --no-deps
python -m benchmarks.words vaderSentiment-3.3.2.tar.gz

Trains a small net on the movie snippets of that archive (Hutto and Gilbert 2014; MIT), rated by people
from -4 to 4, and explains those held out. A word's mean value over the texts that it is in, for the
positive class over the negative one, is set beside its own rating in the lexicon, which the net never
sees: Spearman's correlation, with its 95 % interval by resampling words.
"""

import io
import re
import sys
import tarfile
from collections import defaultdict
from pathlib import Path
from time import process_time

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import nn

from backlight import Margin, Method, TokenBaseline
from backlight_methods import (
    DeepLIFT,
    FeatureAblation,
    InputXGradient,
    IntegratedGradients,
    ShapleyValues,
)

TOKENS, VOCABULARY, OFTEN, EPOCHS = 40, 6000, 5, 4
PADDING = TokenBaseline(0)
TECHNIQUES: dict[str, Method] = {
    "gradient x vector": InputXGradient(),
    "integrated gradients": IntegratedGradients(steps=32),
    "integrated gradients, from padding": IntegratedGradients(steps=32, baseline=PADDING),
    "DeepLIFT": DeepLIFT(),
    "DeepLIFT, from padding": DeepLIFT(baseline=PADDING),
    "ablation of each token": FeatureAblation(features="tokens", baseline=PADDING),
    "Shapley values of tokens": ShapleyValues(features="tokens", baseline=PADDING, samples=8),
}


class Net(nn.Module):
    """Vectors of words, what three in a row say, and the most that is said of each."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(words, 32, padding_idx=0)
        self.phrases = nn.Conv1d(32, 32, 3, padding=1)
        self.head = nn.Linear(32, 2)
        self.dropout = nn.Dropout(0.5)
        nn.init.normal_(self.vectors.weight, std=0.1)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        found = self.phrases(self.dropout(self.vectors(ids)).transpose(1, 2)).relu()
        return self.head(self.dropout(found.amax(-1)))


def read(archive: Path) -> tuple[list[str], NDArray[np.float64], dict[str, float]]:
    """The snippets, their ratings, and the ratings of words."""
    with tarfile.open(archive) as outer:
        files = {one.name.rpartition("/")[2]: one for one in outer.getmembers() if one.isfile()}
        lexicon = outer.extractfile(files["vader_lexicon.txt"]).read().decode()
        inner = outer.extractfile(files["hutto_ICWSM_2014.tar.gz"]).read()
    with tarfile.open(fileobj=io.BytesIO(inner)) as held:
        (name,) = (
            one for one in held.getnames() if one.endswith("movieReviewSnippets_GroundTruth.txt")
        )
        rows = held.extractfile(name).read().decode("utf-8", "replace").splitlines()
    parts = [row.split("\t", 2) for row in rows if row.count("\t") >= 2]
    valence = {row.split("\t")[0]: float(row.split("\t")[1]) for row in lexicon.splitlines() if row}
    return [text for *_, text in parts], np.array([float(one[1]) for one in parts]), valence


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z]+(?:'[a-z]+)?", text.lower())


def trained(ids: torch.Tensor, labels: torch.Tensor, words: int) -> Net:
    torch.manual_seed(0)
    net = Net(words)
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3, weight_decay=1e-5)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(ids)).split(64):
            loss = nn.functional.cross_entropy(net(ids[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return net.eval()


def agreement(
    values: NDArray[np.float64],
    ids: NDArray[np.int64],
    vocabulary: list[str],
    valence: dict[str, float],
) -> tuple[float, float, float, int]:
    """Spearman's correlation over words with its interval, and how many words there are."""
    said: dict[int, list[float]] = defaultdict(list)
    for id, value in zip(ids.ravel().tolist(), values.ravel().tolist(), strict=True):
        if id > 1 and vocabulary[id] in valence:
            said[id].append(value)
    kept = [id for id, own in said.items() if len(own) >= OFTEN]
    pairs = np.array([(np.mean(said[id]), valence[vocabulary[id]]) for id in kept])
    random = np.random.default_rng(0)
    again = [
        spearmanr(*pairs[random.integers(0, len(pairs), len(pairs))].T).statistic
        for _ in range(500)
    ]
    low, high = np.percentile(again, [2.5, 97.5])
    return float(spearmanr(*pairs.T).statistic), float(low), float(high), len(pairs)


def main(archive: str) -> None:
    torch.set_num_threads(1)
    texts, ratings, valence = read(Path(archive))
    tokens = [words_of(text) for text in texts]
    counts: dict[str, int] = defaultdict(int)
    for row in tokens:
        for word in row:
            counts[word] += 1
    vocabulary = [
        "",
        "[unknown]",
        *sorted(counts, key=lambda one: (-counts[one], one))[:VOCABULARY],
    ]
    number = {word: id for id, word in enumerate(vocabulary)}
    ids = np.zeros((len(texts), TOKENS), dtype=np.int64)
    for row, own in zip(ids, tokens, strict=True):
        row[: len(own)] = [number.get(word, 1) for word in own[:TOKENS]]
    clear = np.flatnonzero(np.abs(ratings) > 0.5)
    order = np.random.default_rng(0).permutation(clear)
    learn, held = order[: len(order) * 2 // 3], order[len(order) * 2 // 3 :]
    labels = torch.tensor(ratings > 0).long()
    net = trained(torch.tensor(ids[learn]), labels[learn], len(vocabulary))
    with torch.no_grad():
        right = (net(torch.tensor(ids[held])).argmax(1) == labels[held]).float().mean()
    print(f"{len(learn)} texts learnt; {right:.1%} of {len(held)} others are told right")
    print(f"{'technique':38} Spearman (95 %)            words  seconds")
    for name, method in TECHNIQUES.items():
        started = process_time()
        found = method(net, torch.tensor(ids[held]), Margin(1, versus=0))
        took = process_time() - started
        rho, low, high, words = agreement(found.numpy(), ids[held], vocabulary, valence)
        print(f"{name:38} {rho:.3f} ({low:.3f} to {high:.3f})   {words:6}  {took:7.1f}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
