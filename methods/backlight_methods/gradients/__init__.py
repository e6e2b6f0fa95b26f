"""Techniques that read gradients with respect to the input."""
