"""Digests of arrays and files: what says that a model's weights, or data, are the same."""

import json
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError, shown

CHUNK = 1 << 24
"""How many bytes of an array are copied at a time."""

ENDS = 4096
"""How many bytes at the beginning and at the end of a file its fingerprint looks at."""


def digest_of_arrays(named: Iterable[tuple[str, NDArray[Any]]]) -> str:
    """SHA-256, hexadecimal, of names, dtypes, shapes and numbers, in whatever order they come.

    One array is looked at at a time: a generator of a model's weights never has all of them in memory.
    Numbers are compared by their bytes (0.0 is not -0.0), and not by the machine's order of these.

    Args:
        named: arrays of numbers or texts with a name each.

    Raises:
        InputError: a name comes twice, or an array holds Python objects.
    """
    digests: dict[str, str] = {}
    for name, array in named:
        if name in digests:
            raise InputError(f"Two arrays are called {shown(name)}; each needs a name of its own.")
        digests[name] = digest_of_array(name, np.asarray(array))
    return digest_of_texts(f"{name}\0{digests[name]}" for name in sorted(digests))


def digest_of_array(name: str, array: NDArray[Any]) -> str:
    if array.dtype.hasobject:
        raise InputError(
            f"{shown(name)} is an array of Python objects, whose bytes say nothing; give numbers."
        )
    digest = sha256(json.dumps([array.dtype.name, array.shape]).encode())
    rows = array.reshape(1) if array.ndim == 0 else array
    step = max(1, CHUNK // max(1, rows.nbytes // max(1, len(rows))))
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        if part.dtype.byteorder == ">" or (part.dtype.byteorder == "=" and not np.little_endian):
            part = part.astype(part.dtype.newbyteorder("<"))
        digest.update(np.ascontiguousarray(part).view(np.uint8).data if part.size else b"")
    return digest.hexdigest()


def hashable(x: NDArray[Any]) -> NDArray[Any]:
    """Examples as their digest takes them: texts that are objects as texts of one width."""
    return x.astype(str) if x.dtype.hasobject else x


def digest_of_texts(texts: Iterable[str]) -> str:
    """SHA-256, hexadecimal, of texts one after the other; surrogates of files' names are allowed."""
    digest = sha256()
    for text in texts:
        data = text.encode(errors="surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def ends_of(path: Path) -> str:
    """The size of a file, and a digest of its first and last bytes."""
    try:
        with path.open("rb", buffering=0) as file:
            head = file.read(ENDS)
            size = file.seek(0, 2)
            file.seek(max(len(head), size - ENDS))
            return f"{size} {sha256(head + file.read(ENDS)).hexdigest()}"
    except OSError as error:  # which `read` will say of it as well
        return f"unreadable: {error.strerror}"
