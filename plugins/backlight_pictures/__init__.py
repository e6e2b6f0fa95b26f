"""Attributions as pictures, always on a scale that is said: `colours`, `scale`, `maps`, `png`; and as
fragments of HTML: `fragments`."""
