"""What all tests share: one thread per framework, and torch imported before TensorFlow.

Triton, which comes with torch's CUDA build and which torch.compile imports, ends the process where
TensorFlow was imported before it.
"""

import os
import signal
from importlib.util import find_spec

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import torch

if find_spec("triton") is not None:
    import triton  # noqa: F401

torch.set_num_threads(1)
# A shell ignores interrupts for what it starts in the background, and what is started there inherits it.
signal.signal(signal.SIGINT, signal.default_int_handler)
