"""Photos that come inside other packages, each with what a person would call it.

Nothing is downloaded and none of the packages is imported. Photos that show nothing ImageNet has a
class for (the astronaut, the motorcycle, the dahlia) are left out.
"""

from dataclasses import dataclass

from PIL import Image

from backlight_demo.installed import file_of


@dataclass(frozen=True)
class Photo:
    """A photo, its right class and where it comes from."""

    name: str
    label: int
    """The right ImageNet class, 0 to 999, a position in `efficientnet_lite0.CLASSES`."""
    picture: Image.Image
    """RGB, of any size."""
    source: str
    licence: str


@dataclass(frozen=True)
class _Entry:
    package: str
    path: str
    label: int
    source: str
    licence: str


_ENTRIES = {
    # 872: tripod, in the middle of the picture with a camera on it.
    "camera": _Entry("skimage", "data/camera.png", 872, "Lav Varshney, in scikit-image", "CC0-1.0"),
    # 281: tabby. The coat is a tabby's; "tiger cat" and "Egyptian cat" are near misses.
    "chelsea": _Entry(
        "skimage", "data/chelsea.png", 281, "Stefan van der Walt, in scikit-image", "CC0-1.0"
    ),
    # 698: palace. A tower of the Summer Palace in Beijing; ImageNet has no pagoda.
    "china": _Entry(
        "sklearn",
        "datasets/images/china.jpg",
        698,
        "danielbuechele, https://www.flickr.com/photos/danielbuechele/6061409035, in scikit-learn",
        "CC-BY-2.0",
    ),
    # 892: wall clock, blurred by moving the camera, so that one must be told.
    "clock": _Entry(
        "skimage",
        "data/clock_motion.png",
        892,
        "Stefan van der Walt, in scikit-image",
        "public domain",
    ),
    # 967: espresso.
    "coffee": _Entry(
        "skimage", "data/coffee.png", 967, "Rachel Michetti, in scikit-image", "CC0-1.0"
    ),
    # 652: military uniform, worn by Rear Admiral Grace Hopper.
    "grace_hopper": _Entry(
        "matplotlib",
        "mpl-data/sample_data/grace_hopper.jpg",
        652,
        "United States Navy, in matplotlib",
        "public domain",
    ),
    # 657: missile, the nearest there is to a Falcon 9 on its pad.
    "rocket": _Entry(
        "skimage",
        "data/rocket.jpg",
        657,
        "SpaceX, https://www.flickr.com/photos/spacexphotos/16511594820, in scikit-image",
        "public domain",
    ),
}


def photos() -> dict[str, Photo]:
    """Every photo by its name, in alphabetical order."""
    return {name: _read(name, entry) for name, entry in _ENTRIES.items()}


def _read(name: str, entry: _Entry) -> Photo:
    with Image.open(file_of(entry.package, entry.path)) as stored:
        picture = stored.convert("RGB")
    return Photo(name, entry.label, picture, entry.source, entry.licence)
