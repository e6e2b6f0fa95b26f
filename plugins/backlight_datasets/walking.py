"""Everything that a source gives, looked at once."""

from hashlib import sha256

from backlight_datasets.digests import digest_of_arrays, digest_of_texts, hashable
from backlight_datasets.source import Source

STEP = 64
"""How many examples are in memory at a time."""


def content(source: Source) -> str:
    """A digest of all examples and labels, and of the classes; each example is read once."""
    digest = sha256(digest_of_texts(source.classes).encode())
    for start in range(0, len(source), STEP):
        batch = source.read(start, min(start + STEP, len(source)))
        arrays = (("x", hashable(batch.x)), ("labels", batch.labels), ("ids", batch.ids))
        digest.update(digest_of_arrays(arrays).encode())
    return digest.hexdigest()
