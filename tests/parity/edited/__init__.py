"""Nets of each framework and what a user may edit in them between two calls."""
