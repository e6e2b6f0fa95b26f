"""Masks go the way of their pictures: from files and arrays to the places of the model's input."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from backlight import Examples
from backlight.errors import InputError
from backlight_loading.masks import open_masks, read_mask
from backlight_loading.preprocessing import Preprocessing
from backlight_report import report
from backlight_study.judging import judge
from backlight_study.masks import case_masks
from backlight_study.result import Study
from backlight_study.run import study
from tests.study.nets import examples, torch_net

MASKS = np.random.default_rng(0).random((90, 8, 8)) < 0.3


@pytest.fixture(scope="module")
def made() -> Study:
    return study(torch_net(), examples(), methods=["saliency"], limit=9, right=4)


def saved(folder: Path, names: Any, masks: NDArray[Any]) -> Path:
    for name, mask in zip(names, masks, strict=True):
        path = folder / Path(name).with_suffix(".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(path)
    return folder


@pytest.mark.parametrize("kind", ["array", "npy", "npz", "folder", "channel"])
def test_masks_of_cases(made: Study, tmp_path: Path, kind: str) -> None:
    grey = (MASKS * np.random.default_rng(1).integers(1, 256, MASKS.shape)).astype(np.uint8)
    given: Any = MASKS
    if kind == "npy":
        np.save(given := tmp_path / "masks.npy", grey)
    elif kind == "npz":
        np.savez(given := tmp_path / "masks.npz", masks=MASKS, other=MASKS[:3])
    elif kind == "folder":
        given = saved(tmp_path, examples().names, grey)
    elif kind == "channel":
        given = MASKS[..., None].astype(np.float32)
    found, notes = case_masks(made, given)
    np.testing.assert_array_equal(found, MASKS[made.rows])
    assert notes == ()


def halved(x: NDArray[Any]) -> NDArray[Any]:
    """Cuts a border off, and takes the mean of two by two places."""
    cut = x.reshape(len(x), 8, 8)[:, 2:6, 2:8].astype(np.float32) / 255
    return cut.reshape(len(x), 1, 2, 2, 3, 2).mean((3, 5)).repeat(4, 2).repeat(2, 3)[:, :, :, :6]


class Anything:
    """A net on pictures of any size."""

    def __call__(self) -> Any:
        import torch

        torch.manual_seed(0)
        return torch.nn.Sequential(
            torch.nn.Conv2d(1, 3, 3),
            torch.nn.ReLU(),
            torch.nn.AdaptiveAvgPool2d(1),
            torch.nn.Flatten(),
        ).eval()


def test_masks_go_through_what_pictures_go_through() -> None:
    made = study(
        Anything()(), examples(), methods=["saliency"], limit=5,
        preprocessing=Preprocessing(function=halved),
    )  # fmt: skip
    found, _ = case_masks(made, MASKS)
    assert found.shape == (5, 8, 6)
    wanted = halved(MASKS[made.rows].astype(np.float32) * 255)[:, 0] > 0.5
    np.testing.assert_array_equal(found, wanted)
    assert 0 < found.mean() < 1
    own = np.random.default_rng(2).random((90, 8, 6)) < 0.5
    np.testing.assert_array_equal(case_masks(made, own)[0], own[made.rows])


def test_masks_of_a_net_whose_channels_are_on_the_other_side() -> None:
    import torch

    class ChannelsLast(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Linear(3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x.mean((1, 2)))

    data = examples()
    coloured = np.random.default_rng(0).random((90, 8, 8, 3)).astype(np.float32)
    made = study(
        ChannelsLast().eval(), Examples(coloured, data.labels), methods=["saliency"], limit=4
    )
    found, _ = case_masks(made, MASKS)
    np.testing.assert_array_equal(found, MASKS[made.rows])


def test_masks_are_stretched_as_pictures_in_files_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = [f"{kind}/{number}.jpg" for kind in ("a", "b", "c") for number in range(4)]
    big = np.zeros((12, 24, 16), dtype=np.uint8)
    for number, name in enumerate(names):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (24, 16), dtype=np.uint8)).save(path)
        big[number, number : number + 9, 2:8] = 1
    saved(tmp_path / "masks", names, big)
    given = {"size": (8, 8), "only": "all"}
    made = study(torch_net(), tmp_path / "data", methods=["saliency"], **given)  # type: ignore[arg-type]
    found, _ = case_masks(made, tmp_path / "masks")
    centres = big[made.rows][:, 1::3, 1::2]  # the nearest to the middle of each place
    assert np.abs(found.astype(int) - centres).mean() < 0.1
    np.testing.assert_allclose(found.mean((1, 2)), big[made.rows].mean((1, 2)), atol=0.06)
    Image.fromarray(np.ones((5, 5), np.uint8)).save(tmp_path / "masks" / "a" / "0.png")
    with pytest.raises(InputError, match=r"a/0\.jpg is 5x5 .* must be 24x16 or 8x8"):
        case_masks(made, tmp_path / "masks")


def test_examples_without_a_mask_are_named(made: Study, tmp_path: Path) -> None:
    kept = [row for row in range(90) if row not in made.rows[[1, 10]]]
    saved(tmp_path, [examples().names[row] for row in kept], MASKS[kept])
    found, (note,) = case_masks(made, tmp_path)
    assert not found[[1, 10]].any()
    assert note == (
        "2 of 13 examples have no mask, and are left out where one is asked for: "
        f"{made.names[1]}, {made.names[10]}."
    )
    judgement = judge(made, ["mass_accuracy"], tmp_path)
    assert judgement.evaluation is not None
    assert judgement.evaluation["saliency", "mass_accuracy"].n_nan == 1  # the other one is right
    assert note in judgement.notes


def test_mass_inside_is_that_of_the_masks(made: Study) -> None:
    judgement = judge(made, ["mass_accuracy"], MASKS)
    assert judgement.evaluation is not None
    maps = np.abs(made.maps("saliency"))[made.wrong]
    inside = (maps * MASKS[made.rows[made.wrong]]).sum((1, 2)) / maps.sum((1, 2))
    cell = judgement.evaluation["saliency", "mass_accuracy"]
    np.testing.assert_allclose(cell.mean, inside.mean(), rtol=1e-5)


def test_mistakes_that_look_outside_of_their_masks_are_found(tmp_path: Path) -> None:
    """Masks are drawn where maps of right ones are strong, and those of mistakes are weak."""
    made = study(torch_net(), examples(), methods=["saliency"], only="all", limit=90)
    maps, masks = made.maps("saliency"), np.zeros((90, 8, 8), dtype=bool)
    strong = maps > np.median(maps, axis=(1, 2), keepdims=True)
    masks[made.rows] = np.where(made.wrong[:, None, None], ~strong, strong)
    folder = saved(tmp_path, examples().names, masks)
    found = {finding.kind for finding in judge(made, [], folder).findings}
    assert "outside_masks" in found
    masks[made.rows] = strong
    assert "outside_masks" not in {one.kind for one in judge(made, [], masks).findings}


def test_an_example_that_cannot_be_read_moves_no_mask() -> None:
    from backlight_datasets import SequenceSource
    from tests.study.test_study import Breaks

    data = examples()
    source = SequenceSource(Breaks(data.x), data.labels, data.classes, data.names)  # type: ignore[arg-type]
    made = study(torch_net(), source, methods=["saliency"], limit=5)
    found, _ = case_masks(made, MASKS)
    ids = [data.names.index(name) for name in made.names]
    assert (np.array(ids) > 1).all()
    np.testing.assert_array_equal(found, MASKS[ids])


def test_what_is_inside_of_a_picture(tmp_path: Path) -> None:
    mask = MASKS[0]
    clear = np.zeros((8, 8, 4), np.uint8)
    clear[..., 3] = 255
    clear[mask] = (0, 9, 0, 255)
    clear[~mask] = (9, 9, 9, 0)
    palette = Image.fromarray(mask.astype(np.uint8), "L").convert("P")
    palette.putpalette([9, 9, 9, 0, 0, 0])
    for picture in (Image.fromarray(clear), palette, Image.fromarray(mask)):
        picture.save(tmp_path / "one.png")
        np.testing.assert_array_equal(read_mask(tmp_path / "one.png"), mask)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (MASKS[:50], "50 masks, but 90 examples"),
        (MASKS[:, :7], r"picture-\d+.png is 7x8 \(height x width\); it must be 8x8"),
        (np.zeros(90), r"\(N, H, W\)"),
        ("nowhere.npy", "could not be read"),
        ("nowhere", "is not there"),
        ("empty", "holds no files"),
        ("others", "None of 13 examples has a mask"),
        ("lossy", "a JPEG, whose black"),
    ],
)
def test_masks_that_do_not_fit(made: Study, tmp_path: Path, given: Any, said: str) -> None:
    (tmp_path / "empty").mkdir()
    saved(tmp_path / "others", ["x.png"], MASKS[:1])
    (tmp_path / "lossy").mkdir()
    for name in made.names:
        Image.fromarray(MASKS[0]).convert("L").save(
            tmp_path / "lossy" / Path(name).with_suffix(".jpg")
        )
    place = tmp_path / given if isinstance(given, str) else given
    with pytest.raises(InputError, match=said):
        case_masks(made, place)


def test_a_report_refuses_wrong_masks_before_it_asks_the_model(tmp_path: Path) -> None:
    data = examples()
    asked = []
    with pytest.raises(InputError, match="is not there"):
        report(
            torch_net(), Examples(data.x, data.labels), directory=tmp_path / "report",
            masks=tmp_path / "none", progress=lambda *told: asked.append(told),
        )  # fmt: skip
    assert asked == []
    assert open_masks(MASKS).count == 90
