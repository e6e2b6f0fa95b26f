"""What all tests share: one thread per framework, and torch imported before TensorFlow."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import torch

torch.set_num_threads(1)
