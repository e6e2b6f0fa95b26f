"""What a technique would do with each operation of a model: the command `backlight check`."""
