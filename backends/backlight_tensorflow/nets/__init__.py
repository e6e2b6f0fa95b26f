"""Styles of net: how each is called, and what is known about it."""
