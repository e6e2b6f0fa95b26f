"""Texts: what a decoder says next, as rows to be explained."""

from backlight_text.continuing import Continuation, continuation

__all__ = ["Continuation", "continuation"]
