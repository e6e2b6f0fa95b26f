"""Models from files: PyTorch's, Keras's and TensorFlow's; what would run code is not loaded."""
