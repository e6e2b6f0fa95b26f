"""Data sets that give their examples in an order only."""
