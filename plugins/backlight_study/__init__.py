"""The study of a model's mistakes: what it gets right and wrong, and how sure that is."""
