"""How often finders find what is planted and what is not there, in a hundred seeds, and what they cost.

python -m benchmarks.findings [SEEDS]
"""

import resource
import sys
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score
from tests.findings.planted import cell, marked, noisy, spots, studied
from tests.findings.test_clusters import NULLS
from tests.findings.test_rival_explanations import COUNT, pictures, study

from backlight_findings import FINDERS, Clusters, RivalExplanations, find

Random = np.random.Generator


def watermarks(seeds: int) -> None:
    def of_noise(random: Random) -> NDArray[np.float64]:
        return marked(random, 100, 20)

    def of_spots(random: Random) -> NDArray[np.float64]:
        maps = spots(random, 100)
        maps[:20, 2:8, 2:8] += 2
        return maps

    kinds: dict[
        str, tuple[Callable[[Random], NDArray[np.float64]], Callable[..., NDArray[np.float64]]]
    ]
    kinds = {"noise": (of_noise, noisy), "objects that are anywhere": (of_spots, spots)}
    for name, (wrong, right) in kinds.items():
        hits = severe = 0
        for seed in range(seeds):
            random = np.random.default_rng(seed)
            found = Clusters()(cell(wrong(random), right(random, 100), seed))
            truth = np.arange(200) < 20
            scores = [
                (adjusted_rand_score(truth, np.isin(np.arange(200), one.rows)), one.severity)
                for one in found
            ]
            hits += any(score > 0.9 for score, _ in scores)
            severe += any(score > 0.9 and severity == "high" for score, severity in scores)
        print(f"  watermark over {name}: ARI > 0.9 in {hits}, told as high in {severe} of {seeds}")


def nulls(seeds: int) -> None:
    for maps in (*NULLS, spots):
        for count in (30, 100):
            found = sum(
                bool(Clusters()(cell(maps(random, count), maps(random, 20), seed)))
                for seed in range(seeds)
                for random in [np.random.default_rng(seed)]
            )
            print(f"  no clusters, {maps.__name__}, {count} mistakes: found in {found} of {seeds}")
    severe = 0
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        both = cell(marked(random, 100, 20), marked(random, 100, 20), seed)
        severe += any(one.severity != "low" for one in Clusters()(both))
    print(f"  a watermark as common among right ones: told as a reason in {severe} of {seeds}")
    found = sum(
        bool(RivalExplanations()(study(np.random.default_rng(seed), 0.2))) for seed in range(seeds)
    )
    print(f"  no rival explanation: found in {found} of {seeds}")


def darkness(seeds: int) -> None:
    alone = there = 0
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        dark = random.random(COUNT) < 0.2
        shown = np.where(dark[:, None, None, None], pictures(random) // 4, pictures(random))
        found = RivalExplanations()(study(random, np.where(dark, 0.5, 0.1), pictures=shown))
        columns = [one.evidence["column"] for one in found]
        there += "brightness" in columns
        alone += columns == ["brightness"]
    print(f"  darkness: found in {there}, and nothing else in {alone} of {seeds}")


def cost() -> None:
    """1,000 mistakes and 200 right examples, two techniques, 224 x 224."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, 1200)
    predicted = np.where(np.arange(1200) < 1000, (labels + 1) % 10, labels)
    maps = {
        (name, "contrast"): random.normal(size=(1200, 224, 224)) for name in ("first", "second")
    }
    shown = random.integers(0, 256, (1200, 224, 224, 3), dtype=np.uint8)
    masks = np.zeros((1200, 224, 224), dtype=bool)
    masks[:, 60:160, 60:160] = True
    one = studied(labels, predicted, maps=maps, pictures=shown, masks=masks)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, finder in FINDERS.items():
        start, cpu = time.perf_counter(), time.process_time()
        findings, failures = find(one, {name: finder})
        wall, spent = time.perf_counter() - start, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(
            f"  {name}: {wall:.1f} s, {spent:.1f} s of CPU, {(peak - before) / 1024:.0f} MB more so far; "
            f"{len(findings)} findings {failures or ''}"
        )


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    for part in (watermarks, nulls, darkness):
        print(f"{part.__name__}:", flush=True)
        part(seeds)
    print("cost:", flush=True)
    cost()


if __name__ == "__main__":
    main()
