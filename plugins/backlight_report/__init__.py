"""The report on a model's mistakes."""
