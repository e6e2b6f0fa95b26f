"""Passes over a traced net, under rules or not, as programs of TensorFlow."""
