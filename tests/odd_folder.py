"""A folder of pictures that are odd in all ways that are known, sound ones and others."""

import zlib
from pathlib import Path

import numpy as np
from PIL import Image

UNICODE = "b/ü 東 <b>&\"'.png"

RED, BLUE = (255, 0, 0), (0, 0, 255)

SOUND = {
    "a/cmyk.jpg": ((200, 100, 50), (200, 100, 50)),
    "a/deep.png": ((99, 99, 99), (99, 99, 99)),
    "a/dot.png": ((9, 8, 7), (9, 8, 7)),
    "a/moving.gif": (RED, RED),
    "a/turned.jpg": (RED, BLUE),
    "b/grey.png": ((70, 70, 70), (70, 70, 70)),
    "b/palette.png": ((10, 200, 10), (10, 200, 10)),
    UNICODE: ((1, 2, 200), (1, 2, 200)),
}
"""What can be read, and the colours (red, green, blue) of its first and its last row."""

BROKEN = {
    "a/bomb.png": "exceeds limit",
    "a/cut.jpg": "truncated",
    "a/empty.png": "cannot identify",
    "b/cut.avif": "decode",
    "b/text.jpg": "cannot identify",
}
"""Files of class folders that cannot be read, and what is said of them."""

LEFT_OUT = {
    "again": "a link to a folder that it is in",
    "beside.png": "beside the class folders",
    "circle": "a link that leads nowhere",
    "b/.hidden.png": "hidden",
    "b/back": "a link to a folder that it is in",
    "b/circle.png": "a link that leads nowhere",
    "b/more": "a folder in a class folder",
    "nothing": "no file in this class folder",
}
"""What is no file of a class, and what is said of it."""


def odd_folder(place: Path) -> Path:
    """Pictures of the classes `a` and `b`, and none of `nothing`."""
    a, b, _ = (place / name for name in ("a", "b", "nothing"))
    for folder in (a, b / "more", place / "nothing"):
        folder.mkdir(parents=True)
    Image.new("RGB", (30, 20), (200, 100, 50)).convert("CMYK").save(a / "cmyk.jpg", quality=95)
    Image.fromarray(np.full((20, 30), 257 * 99, dtype=np.uint16)).save(a / "deep.png")
    Image.new("RGB", (1, 1), (9, 8, 7)).save(a / "dot.png")
    red, blue = (Image.new("RGB", (30, 20), colour) for colour in (RED, BLUE))
    red.save(a / "moving.gif", save_all=True, append_images=[blue])
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter: what is left is to be on top
    beside = np.concatenate([np.asarray(red)[:, :16], np.asarray(blue)[:, :16]], axis=1)
    Image.fromarray(beside).save(a / "turned.jpg", exif=exif, quality=95, subsampling=0)
    Image.new("L", (30, 20), 70).save(b / "grey.png")
    Image.new("RGB", (30, 20), (10, 200, 10)).convert("P", palette=Image.Palette.ADAPTIVE).save(
        b / "palette.png"
    )
    Image.new("RGB", (30, 20), (1, 2, 200)).save(place / UNICODE)

    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))
    header = bytearray((a / "dot.png").read_bytes())
    header[16:24] = (20_000).to_bytes(4, "big") * 2  # the width and the height that it says
    header[29:33] = zlib.crc32(bytes(header[12:29])).to_bytes(4, "big")
    (a / "bomb.png").write_bytes(header)
    noise.save(a / "cut.jpg", quality=95)
    (a / "cut.jpg").write_bytes((a / "cut.jpg").read_bytes()[:-400])
    (a / "empty.png").write_bytes(b"")
    noise.save(b / "cut.avif")
    avif = (b / "cut.avif").read_bytes()
    (b / "cut.avif").write_bytes(avif[: len(avif) - 50])
    (b / "text.jpg").write_text("no picture")

    (b / ".hidden.png").write_bytes((b / "grey.png").read_bytes())
    (place / "beside.png").write_bytes((b / "grey.png").read_bytes())
    (place / "again").symlink_to(place, target_is_directory=True)
    (place / "circle").symlink_to(place / "circle")
    (b / "back").symlink_to("..", target_is_directory=True)
    (b / "circle.png").symlink_to("circle.png")
    return place
