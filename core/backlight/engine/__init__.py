"""Passes over a graph, forward and back, for frameworks that run the graph's operations themselves."""
