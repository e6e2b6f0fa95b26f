"""TensorFlow and Keras models."""
