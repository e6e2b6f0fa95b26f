"""JAX models."""
