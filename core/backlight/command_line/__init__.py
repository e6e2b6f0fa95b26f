"""The console command `backlight`: what is installed, and the commands that plugins add."""

from backlight.command_line.console import main

__all__ = ["main"]
