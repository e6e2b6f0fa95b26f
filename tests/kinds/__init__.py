"""Studies of texts, tables and series."""
