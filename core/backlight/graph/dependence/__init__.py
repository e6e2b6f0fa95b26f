"""What depends on the inputs, and where derivatives and rows go."""
