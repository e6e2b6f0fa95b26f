"""Scores: the number per example that is explained."""
