"""Names that users give their examples: each must mean one."""

from array import array
from collections.abc import Iterable
from hashlib import blake2b
from typing import final

import numpy as np

from backlight.errors import InputError


@final
class Seen:
    """Names, of which digests are kept, 8 bytes each."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._digests = array("Q")
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        digest = blake2b(name.encode(errors="surrogatepass"), digest_size=8).digest()
        self._digests.append(int.from_bytes(digest, "little"))

    def check(self, where: str) -> None:
        """Raise InputError where two are the same, with the places of both.

        Args:
            where: they come from, for the message.
        """
        digests = np.frombuffer(self._digests, dtype=np.uint64)
        order = np.argsort(digests, kind="stable")
        same = np.flatnonzero(digests[order][1:] == digests[order][:-1])
        if len(same):
            earliest = same[np.argmin(order[same + 1])]
            raise InputError(
                f"Numbers {order[earliest]} and {order[earliest + 1]} of {where}, counted from 0, have "
                "the same name; each example needs its own. Say another column, or none "
                'to go by numbers: ColumnNames(name="").'
            )
