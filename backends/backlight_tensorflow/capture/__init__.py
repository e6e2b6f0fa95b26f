"""From a net to the core's graph: it is traced, opened up, and put in the core's terms."""
