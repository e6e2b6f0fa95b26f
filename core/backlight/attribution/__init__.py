"""The result of an explanation, and its file."""
