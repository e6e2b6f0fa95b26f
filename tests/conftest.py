"""What all tests share: one thread per framework, torch imported before TensorFlow, and programs of JAX
compiled in a fifth of the time: they are small, and run once or twice.

Triton, which comes with torch's CUDA build and which torch.compile imports, ends the process where
TensorFlow was imported before it.
"""

import os
import signal
from importlib.util import find_spec

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

import torch

if find_spec("triton") is not None:
    import triton  # noqa: F401

torch.set_num_threads(1)
# A shell ignores interrupts for what it starts in the background, and what is started there inherits it.
signal.signal(signal.SIGINT, signal.default_int_handler)
