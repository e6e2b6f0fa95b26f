"""Whether a framework's backend keeps the laws: `check_backend`, or its single checks for pytest."""

from collections.abc import Callable, Iterable
from functools import partial

from backlight.testing import backend_laws, rule_laws, score_laws
from backlight.testing.building import Builder
from backlight.testing.checks import Check, require_all, sentence
from backlight.testing.nets import (
    CNN,
    FOLDED,
    GATED,
    NORMALISED,
    PICTURE,
    PLATEAUS,
    TRANSFORMER,
    TWO_TABLES,
    Net,
)

SMOOTH = (CNN, TRANSFORMER, GATED, NORMALISED, TWO_TABLES)
EVERY = (*SMOOTH, FOLDED, PLATEAUS)
"""FOLDED is for rules that fold; PLATEAUS has more than one derivative where it is looked at."""

Law = Callable[[Builder, Net], str | None]

LAWS: tuple[tuple[Law, Iterable[Net]], ...] = (
    (backend_laws.host_arrays, (GATED,)),
    (backend_laws.outputs, EVERY),
    (backend_laws.gradient, SMOOTH),
    (backend_laws.gradients, (PICTURE, TWO_TABLES)),
    (backend_laws.dtype, (PICTURE, TRANSFORMER)),
    (backend_laws.batch_mates, (CNN, TRANSFORMER, NORMALISED)),
    (backend_laws.alone, (PICTURE, NORMALISED)),
    (backend_laws.forward_pass, (PICTURE, TRANSFORMER)),
    (backend_laws.put_back, (PICTURE,)),
    (backend_laws.weights, (TRANSFORMER,)),
    (backend_laws.edited, (FOLDED,)),
    (backend_laws.sites, (PICTURE, NORMALISED)),
    (backend_laws.channel_axis, (CNN,)),
    (backend_laws.tied_maxima, (PLATEAUS,)),
    (backend_laws.shared_reference, (PICTURE, PLATEAUS, GATED, TWO_TABLES)),
    (rule_laws.kinds, EVERY),
    (rule_laws.first_last, EVERY),
    (rule_laws.rules_at_ends, (TWO_TABLES,)),
    (rule_laws.native_rules, SMOOTH),
    (rule_laws.rules_act, (PICTURE, PLATEAUS, NORMALISED)),
    (rule_laws.folding, (FOLDED,)),
    (rule_laws.weight_channels, (FOLDED,)),
)
"""Each law of a backend with gradients, and the golden nets that it is checked on."""

RUN_LAWS: tuple[tuple[Law, Iterable[Net]], ...] = (
    (backend_laws.host_arrays, (GATED,)),
    (backend_laws.outputs, EVERY),
    (score_laws.score, SMOOTH),
    (score_laws.score_rows, SMOOTH),
    (score_laws.score_dtype, (PICTURE, TRANSFORMER)),
    (score_laws.score_edited, (FOLDED,)),
    (score_laws.only_run, (PICTURE, TWO_TABLES)),
    (score_laws.model_error, (GATED, TWO_TABLES)),
)
"""The same for a backend without: all that can be asked of it."""


def backend_checks(builder: Builder) -> list[Check]:
    """The checks of a backend, one for each law and net, for pytest's parameters. Those about gradients,
    of a backend without, return that they do not apply.

    >>> @pytest.mark.parametrize("check", backend_checks(MyBuilder()), ids=str)
    ... def test_my_backend(check):
    ...     check()
    """
    laws = LAWS if builder.differentiable else RUN_LAWS
    checks = [
        Check(law.__name__, net.name, sentence(law), partial(law, builder, net))
        for law, nets in laws
        for net in nets
    ]
    why = f"{builder.framework} has no gradients: its models can only be run"
    for law, nets in LAWS:
        if (law, nets) not in laws:
            checks += [Check(law.__name__, net.name, sentence(law), lambda: why) for net in nets]
    return checks


def check_backend(builder: Builder) -> None:
    """Check a framework's backend by golden nets in that framework.

    Args:
        builder: makes them, see `Builder`.

    Raises:
        AssertionError: some laws are broken; a line for each, which begins with the check's name.
    """
    require_all(f"The backend of {builder.framework}", backend_checks(builder))
