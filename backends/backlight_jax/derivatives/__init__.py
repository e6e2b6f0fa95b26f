"""Derivatives that are a convention, and those that are zero."""
