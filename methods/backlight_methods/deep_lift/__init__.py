"""DeepLIFT: differences from a baseline, operation by operation."""
