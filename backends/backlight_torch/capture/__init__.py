"""From a run of a net to the core's graph."""
