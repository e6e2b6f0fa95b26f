"""Functions in all the ways that people write them, each written once for all frameworks."""
