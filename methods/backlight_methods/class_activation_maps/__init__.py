"""Class activation maps: what a feature map says, and the maps made of it."""
