"""Tar archives whose members belong together by name: the shards of WebDataset."""
