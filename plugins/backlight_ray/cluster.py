"""A connection to Ray, and whether workers have room in its cluster."""

import logging
import math
import os
import signal
import socket
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final
from urllib.parse import urlsplit

import ray

from backlight import BacklightWarning
from backlight.errors import reason
from backlight_engines import EngineError
from backlight_engines.environment import put_back

STORE = 80 * 2**20
"""Bytes of the object store of a cluster of our own, near the least that Ray takes: only receipts and the
work travel."""


@final
@dataclass(frozen=True)
class Need:
    """What Ray keeps for one worker."""

    cpus: int
    gpus: float

    def __str__(self) -> str:
        return f"{self.cpus} CPU and {self.gpus:g} GPU"

    def fits(self, resources: Mapping[str, float]) -> int:
        """How many workers fit into a node that has these."""
        fits = math.floor(resources.get("CPU", 0) / self.cpus)
        if self.gpus:
            whole, part = math.floor(resources.get("GPU", 0)), self.gpus
            fits = min(fits, whole * math.floor(1 / part) if part < 1 else math.floor(whole / part))
        return fits


@contextmanager
def connected(address: str | None, cpus: int) -> Iterator[bool]:
    """Be connected meanwhile, to a cluster of our own or not; afterwards what was begun for it is ended,
    and nothing else.

    Args:
        cpus: that a cluster of our own has. They are a number for Ray to count with.

    Raises:
        EngineError: there is no such cluster, or the process is connected to one already and an address
            is given.
    """
    if ray.is_initialized():
        if address is not None:
            raise EngineError(
                f"This process is connected to Ray already, so the address {address!r} cannot be taken. "
                "Give none, to take that connection; or end it before (ray.shutdown())."
            )
        yield False
        return
    before, handler = dict(os.environ), signal.getsignal(signal.SIGTERM)
    altered: dict[str, str | None] = {}
    try:
        try:
            connect(address, cpus)
        except SystemExit as ended:
            if ended.code != signal.SIGTERM:
                raise
            signal.signal(signal.SIGTERM, handler)  # by Ray's own one, while it still begins
            signal.raise_signal(signal.SIGTERM)
            raise
        if signal.getsignal(signal.SIGTERM) is not handler:  # Ray's own; in the main thread alone
            signal.signal(signal.SIGTERM, handler)
        altered = {one: before.get(one) for one in os.environ if os.environ[one] != before.get(one)}
        yield address is None
    finally:
        ray.shutdown()
        put_back(altered)


def connect(address: str | None, cpus: int) -> None:
    try:
        if address is None:
            ray.init(
                "local",
                num_cpus=cpus,
                object_store_memory=STORE,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        else:
            check_listens(address)
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises errors of any kind
        if address is None:
            raise EngineError(f"Ray cannot begin on this machine: {reason(error)}.") from error
        raise EngineError(
            f"Ray cannot be reached at {address!r}: {reason(error)}. `ray start --head` begins a cluster "
            "and says its address, host:port. Where it asks for tokens, this process needs "
            "RAY_AUTH_MODE=token."
        ) from error


def check_listens(address: str) -> None:
    """Raise OSError at once where nobody listens: Ray tries for two minutes."""
    place = urlsplit(address if "://" in address else f"//{address}")
    if place.hostname and place.port:
        socket.create_connection((place.hostname, place.port), timeout=10).close()


def check_room(need: Need, workers: int) -> None:
    """
    Warns:
        BacklightWarning: fewer workers fit into the cluster, were it free.

    Raises:
        EngineError: not a single one fits into any node, so that it would be waited for without end.
    """
    nodes = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    room = sum(need.fits(node["Resources"]) for node in nodes)
    if not room:
        had = "; ".join(
            f"{node['NodeManagerAddress']}: {node['Resources'].get('CPU', 0):g} CPU and "
            f"{node['Resources'].get('GPU', 0):g} GPU"
            for node in nodes
        )
        raise EngineError(
            f"A worker needs {need}, which no node of the cluster has ({had}). Ask for less, or begin "
            "nodes that have it (`ray start --num-gpus=...`)."
        )
    if room < workers:
        warnings.warn(
            f"The cluster has room for {room} of {workers} workers, each with {need}. The others begin "
            "if nodes join.",
            BacklightWarning,
            stacklevel=2,
        )
