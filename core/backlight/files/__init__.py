"""Files that are being written, and files that hold models."""
