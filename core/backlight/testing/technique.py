"""Whether a technique keeps the laws: `check_method`, or its single checks for pytest."""

from collections.abc import Callable
from functools import partial

from backlight.errors import reason
from backlight.explaining.method import Method
from backlight.testing import method_laws
from backlight.testing.building import Builder
from backlight.testing.checks import Check, require_all, sentence
from backlight.testing.method_laws import REFUSALS, Case, Promise
from backlight.testing.nets import PICTURE, TWO_TABLES, Net

Law = Callable[[Case], None]

EVERYWHERE: tuple[Law, ...] = (method_laws.batch_mates, method_laws.score)
ONCE: tuple[Law, ...] = (
    method_laws.batch_size,
    method_laws.dtype,
    method_laws.put_back,
    method_laws.edited,
)
"""Laws that are checked on the first net that a technique is for."""


def method_checks(
    method: Method,
    builder: Builder,
    *,
    complete: float | None = None,
    conserves: float | None = None,
) -> list[Check]:
    """The checks of a technique, one for each law and net, for pytest's parameters.

    A check whose net the technique refuses, by a CoverageError, an InputError or a SiteError, returns the
    reason.

    Args:
        method: with its hyper-parameters; cheap ones do, few steps or samples.
        builder: makes golden nets; of a framework that is installed, `backlight_conformance.builder`.
        complete: where the technique promises that values sum to the change of the score from its
            baseline: how far off they may be, relative to the sum of their sizes.
        conserves: the same on nets without biases only.
    """
    promise = Promise(complete, conserves)
    tables: list[tuple[Law, Net]] = [(law, TWO_TABLES) for law in (*EVERYWHERE, *ONCE)]
    pictures: list[tuple[Law, Net]] = [(law, PICTURE) for law in EVERYWHERE]
    if method.spatial:
        tables, pictures = [], [(law, PICTURE) for law in (*EVERYWHERE, *ONCE)]
    if conserves is not None:
        pictures.append((method_laws.conservation, PICTURE.without_biases()))
    return [
        Check(
            law.__name__,
            net.name,
            sentence(law),
            partial(checked, law, Case(method, builder, net, promise)),
        )
        for law, net in (*tables, *pictures)
    ]


def checked(law: Law, case: Case) -> str | None:
    try:
        law(case)
    except REFUSALS as refusal:
        return reason(refusal)
    return None


def check_method(
    method: Method,
    builder: Builder,
    *,
    complete: float | None = None,
    conserves: float | None = None,
) -> None:
    """Check a technique on golden nets of a framework; arguments as of `method_checks`.

    Raises:
        AssertionError: some laws are broken, a line for each, which begins with the check's name; or the
            technique refuses every net.
    """
    checks = method_checks(method, builder, complete=complete, conserves=conserves)
    require_all(repr(method), checks)
    refusals = {check.net: check() for check in checks}
    if all(refusals.values()):
        raise AssertionError(f"{method!r} explains no golden net: {refusals}")
