"""Techniques that change the input and look at the score."""
