"""The study of a classifier on labelled examples: what it gets wrong, and what it looked at."""
