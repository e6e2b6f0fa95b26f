"""Where a store keeps its files: a local folder, or any file system that fsspec knows."""
