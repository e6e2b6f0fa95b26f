"""What goes wrong with a store."""

from backlight.errors import BacklightError


class StoreError(BacklightError, OSError):
    """A store that cannot be written or read, or whose plan is another one."""
