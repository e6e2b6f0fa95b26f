"""The weights of a net of any framework: read, replaced for a while, and put back bit for bit."""
