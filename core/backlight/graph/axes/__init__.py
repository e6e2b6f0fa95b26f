"""What the axes of values are: examples, channels, places; and the feature map."""
