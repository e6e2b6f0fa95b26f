"""Which technique to believe: metrics, the controls beside them, and the table of both."""
