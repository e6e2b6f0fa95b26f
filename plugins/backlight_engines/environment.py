"""What the environment of a worker process says: how many threads it may use, and which GPUs."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

THREADS = ("OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "TF_NUM_INTRAOP_THREADS", "NPROC")
"""What NumPy's BLAS and PyTorch, Apple's BLAS, TensorFlow and XLA (JAX) look at as they are loaded."""

GPUS = "CUDA_VISIBLE_DEVICES"

_altering = threading.Lock()


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """The NVIDIA GPUs that this process may use, as CUDA names them."""
    said = os.environ.get(GPUS)
    if said is not None:
        return [name.strip() for name in said.split(",") if name.strip()]
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    asked = [program, "--query-gpu=index", "--format=csv,noheader"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split()


def thread_variables(threads: int | None, workers: int) -> dict[str, str]:
    """The variables that limit threads.

    Args:
        threads: of each worker; None for its part of the cores, where the user's environment does not
            say otherwise.
    """
    if threads is not None:
        return dict.fromkeys(THREADS, str(threads))
    part = str(max(cores() // workers, 1))
    return {name: os.environ.get(name, part) for name in THREADS}


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """For processes that are begun inside: frameworks read these as they are loaded, and what is in
    the process itself is loaded before any code of ours runs there."""
    with _altering:
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            yield
        finally:
            put_back(before)


def put_back(before: Mapping[str, str | None]) -> None:
    """Variables as they were; None where there was none."""
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
