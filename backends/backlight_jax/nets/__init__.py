"""The sorts of net: where each keeps its weights, and how it is called."""
