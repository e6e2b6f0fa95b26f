"""Which derivatives pass from a score to what is explained, and where they are cut."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cut:
    """Where a way from the explained value to the score lets no derivative pass, though numbers pass.

    Attributes:
        name: where in the model it is: a module's path, a layer's name, or the nearest that the
            framework knows; empty where nothing is known.
        type: what happens there, in the framework's own words: `cast to int64`, `stop_gradient`.
    """

    name: str
    type: str


@dataclass(frozen=True)
class Connection:
    """Which ways derivatives can take from the explained value to the score.

    Attributes:
        reached: for each leaf of the value, whether a derivative can pass from the score to it at all.
        depends: for each leaf of the value, whether the score depends on it in any way, also through
            a cut.
        cuts: where ways from the value to the score are cut, in the order in which they are computed:
            casts to integers, stopped gradients, roundings, and whatever else has no derivative or
            none but zeros everywhere. Comparisons, and what is found by them, count where they are
            the only way from a leaf that is not reached; elsewhere they are parts of rectifiers and
            masks. What only makes numbers safe (the largest one that a softmax takes away) is left
            out.
    """

    reached: tuple[bool, ...]
    depends: tuple[bool, ...]
    cuts: tuple[Cut, ...] = ()
