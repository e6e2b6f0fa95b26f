"""Features: what belongs together in a value, such as the cells of a grid, superpixels, words,
columns."""
