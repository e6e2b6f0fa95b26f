"""What is compared, and what counts as the same, where nothing is said."""

DEFAULT = ("gradient", "integrated_gradients")
"""The techniques whose maps are compared."""

TOLERANCE = 1e-3
"""How far numbers of the same net may be apart, relative to the largest one: frameworks sum in other
orders, and float32 loses a digit with each few layers."""
