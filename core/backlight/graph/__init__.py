"""The graph of operations that a net is, filled by a backend and understood here, once for all."""
