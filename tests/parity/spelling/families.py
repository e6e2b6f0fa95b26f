"""All functions that have a name, by it."""

from collections.abc import Mapping

from tests.parity.spelling.attention import ATTENTION
from tests.parity.spelling.family import Family
from tests.parity.spelling.normalisations import NORMALISATIONS
from tests.parity.spelling.products import GATES, QUOTIENTS
from tests.parity.spelling.rectifiers import RECTIFIERS
from tests.parity.spelling.smooth import SMOOTH
from tests.parity.spelling.softmaxes import SOFTMAXES

FAMILIES: Mapping[str, Family] = {
    **RECTIFIERS,
    **SMOOTH,
    **NORMALISATIONS,
    **SOFTMAXES,
    **QUOTIENTS,
    **GATES,
    **ATTENTION,
}
