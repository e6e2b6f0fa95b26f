"""What a net computes: its equations, and they as the core's graph of operations."""
