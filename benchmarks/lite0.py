"""Mistakes of EfficientNet-Lite0, which has 1,000 classes, in two cells of the confusion matrix, by five
techniques: seconds, passes as foreseen and as taken, and peak memory.

`python -m benchmarks.lite0 torch` (or tensorflow, jax) explains at most 27; a number after it says how
many. A file after that keeps probabilities and maps; where it is there, these are held against it.

The photos at hand hold few mistakes. So each is cut, mirrored and darkened, 24 times, and keeps its
class.
"""

import sys
import time
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image, ImageEnhance

from backlight import Examples
from backlight_demo.efficientnet_lite0 import CLASSES, prepare
from backlight_demo.photos import photos
from backlight_loading import Preprocessing
from backlight_study import Study, study
from benchmarks.study import MODULES, peak

TECHNIQUES = (
    "saliency",
    "integrated_gradients",
    "deep_lift",
    "grad_cam",
    "occlusion:window=56,stride=28",
)
VARIANTS = 24


def varied(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A part of a picture, at least two thirds of each side, perhaps mirrored, up to 70 % darker."""
    share = rng.uniform(2 / 3, 1)
    width, height = (round(share * side) for side in picture.size)
    left = int(rng.integers(picture.width - width + 1))
    top = int(rng.integers(picture.height - height + 1))
    part = picture.crop((left, top, left + width, top + height))
    if rng.random() < 0.5:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return ImageEnhance.Brightness(part).enhance(rng.uniform(0.3, 1))


def examples(variants: int = VARIANTS, seed: int = 0) -> Examples:
    """Variants of each photo, with the photo's class."""
    rng = np.random.default_rng(seed)
    shown = [(photo, k) for photo in photos().values() for k in range(variants)]
    return Examples(
        np.stack([prepare(varied(photo.picture, rng)) for photo, _ in shown]),
        np.array([photo.label for photo, _ in shown]),
        CLASSES,
        [f"{photo.name}-{k}" for photo, k in shown],
    )


def main() -> None:
    framework, *rest = sys.argv[1:]
    limit = int(rest[0]) if rest else 27
    net = import_module(f"backlight_demo.efficientnet_lite0_{MODULES[framework]}").net()
    common = {
        "framework": framework,
        "preprocessing": Preprocessing(divide_by=1, mean=(127,), std=(128,)),
        "batch_size": 8,
    }
    given = examples()
    with TemporaryDirectory() as store:  # the second study does not ask about the pictures again
        started = time.process_time()
        asked = study(net, given, methods=["gradient"], limit=1, store=store, **common)
        print(f"{asked!r}; {time.process_time() - started:.1f} processor s")
        cells = [f"{one.true}:{one.predicted}" for one in asked.performance.top_confusions(2)]
        begun, spent = time.perf_counter(), time.process_time()
        made = study(net, given, methods=TECHNIQUES, cell=cells, limit=limit, store=store, **common)
        wall, processor = time.perf_counter() - begun, time.process_time() - spent
        print(f"{made.rule}\n{len(made.rows)} cases x {len(TECHNIQUES)} techniques x 3 questions on "
              f"{framework}: {wall:.1f} s, {processor:.1f} processor s; {made.passes}, foreseen "
              f"{made.foreseen.passes}; peak {peak():.0f} MiB", flush=True)  # fmt: skip
        if rest[1:]:
            held_against(made, Path(rest[1]))


def held_against(made: Study, file: Path) -> None:
    """Keep the probabilities and maps of a study, or say how far they are from those that were kept."""
    rows = made.predictions.probabilities[made.rows]
    found = {"rows": made.rows, "probabilities": rows}
    found |= {one.name: made.maps(one.name) for one in made.cases.techniques}
    if not file.exists():
        np.savez(file, **found)
        return
    with np.load(file) as kept:
        for name, values in found.items():
            away = np.abs(values - kept[name]).max() / np.abs(kept[name]).max()
            print(f"{name}: at most {away:.1e} of the largest value from those in {file}")


if __name__ == "__main__":
    main()
