"""The NumPy backend: models that are only functions of NumPy arrays, without gradients."""
