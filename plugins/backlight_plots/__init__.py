"""Attributions drawn with matplotlib: what `backlight.plots` is."""
