"""Passes over a program, forward and back, and what rules make of them."""
