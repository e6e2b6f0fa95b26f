"""Short codes for sentences: what a column of a store holds of warnings."""

import re
from hashlib import sha256

NUMBER = re.compile(r"[-+]?\d[\d.,]*(?:e[-+]?\d+)?%?")


def code_of(sentence: str) -> str:
    """Eight hexadecimal digits, the same for sentences that differ by numbers alone."""
    return sha256(general(sentence).encode()).hexdigest()[:8]


def general(sentence: str) -> str:
    """A sentence without its numbers: `The gap is 0.1` is `The gap is #`."""
    return NUMBER.sub("#", sentence)
