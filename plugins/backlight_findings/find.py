"""The one call that asks finders."""

from collections.abc import Mapping

from backlight.errors import PluginError, reason
from backlight_findings.finding import Finder, Finding, Studied
from backlight_findings.registry import finders as installed

SEVERITIES = ("high", "medium", "low")


def find(
    studied: Studied, finders: Mapping[str, Finder] | None = None
) -> tuple[list[Finding], list[str]]:
    """What finders find, the most severe first, and a line for each finder that failed.

    Args:
        finders: by name; all that are installed if None.

    Returns: the findings, in the order of the finders where they are equally severe, and lines of
    "name: reason".
    """
    findings: list[Finding] = []
    failures: list[str] = []
    for name, finder in (installed() if finders is None else finders).items():
        try:
            findings += checked(finder(studied), studied)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a foreign finder may fail in any way
            failures.append(f"{name}: {reason(error)}")
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return findings, failures


def checked(answer: object, studied: Studied) -> list[Finding]:
    """A finder's answer; PluginError where that is something else than findings about the data."""
    if not isinstance(answer, (list, tuple)):
        raise PluginError(
            f"it gave something of type {type(answer).__qualname__}, not a list of findings"
        )
    for finding in answer:
        if not isinstance(finding, Finding):
            raise PluginError(
                f"it gave something of type {type(finding).__qualname__} among its findings"
            )
        if finding.severity not in SEVERITIES:
            raise PluginError(f"a severity is high, medium or low; got {finding.severity!r}")
        if not all(0 <= row < len(studied.labels) for row in finding.rows):
            raise PluginError(f"rows of a finding go from 0 to {len(studied.labels) - 1}")
    return list(answer)
