"""What goes wrong where blocks are done."""

from backlight.errors import BacklightError


class EngineError(BacklightError, RuntimeError):
    """Work that failed, workers that are lost, or what they need cannot be had."""
