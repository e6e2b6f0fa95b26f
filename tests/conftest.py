"""What all tests share: one thread per framework, torch imported before TensorFlow, and programs of JAX
compiled with the least work, since they are small and run once or twice, and each but once: the same net
built anew makes the same program.

Triton, which comes with torch's CUDA build and which torch.compile imports, ends the process where
TensorFlow was imported before it.
"""

import os
import signal
import tempfile
from importlib.util import find_spec

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# XLA's older emitters take 0.6 of the time. Numbers are judged, so that a program which they compile
# wrong is seen: one was, a net of Keras's layers, which tests/backends/jax/rules/test_compiling.py
# compiles as users do.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")

import torch

if find_spec("triton") is not None:
    import triton  # noqa: F401

# One folder for each process: JAX reads what another is still writing.
COMPILED = tempfile.TemporaryDirectory(prefix="backlight-compiled-")
os.environ["JAX_COMPILATION_CACHE_DIR"] = COMPILED.name
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "0"

torch.set_num_threads(1)
# A shell ignores interrupts for what it starts in the background, and what is started there inherits it.
signal.signal(signal.SIGINT, signal.default_int_handler)
