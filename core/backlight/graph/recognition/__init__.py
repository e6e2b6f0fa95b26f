"""Which operations a part of a graph is, recognised by what it computes."""
