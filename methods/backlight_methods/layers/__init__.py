"""What inner values do on the way from a baseline to the input."""
