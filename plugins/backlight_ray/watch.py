"""Whether Ray itself lives: the raylet of this process's node, and the cluster's GCS.

Where one of them is gone Ray waits for long, up to a minute, and then ends the process without a word.
"""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import final

import ray

from backlight_engines import EngineError

LOOK = 0.5
"""Seconds between two looks."""

SOON = 2.0
"""Seconds without an answer after which a process of this machine is gone."""

LATE = 30.0
"""Those of a cluster's GCS, which may be begun anew, also elsewhere. Ray itself waits for 60."""


@final
@dataclass(frozen=True)
class Vital:
    """A process of Ray's own without which a run does not go on.

    Attributes:
        name: what Ray calls it.
        address: where it listens, host and port.
        patience: how many seconds it may not answer.
    """

    name: str
    address: tuple[str, int]
    patience: float

    def answers(self) -> bool:
        with suppress(OSError), socket.create_connection(self.address, timeout=1.0):
            return True
        return False

    def gone(self) -> EngineError:
        host, port = self.address
        return EngineError(
            f"Ray's own process {self.name} has died or cannot be reached: nothing has answered at "
            f"{host}:{port} for {self.patience:g} s. Blocks that are done stay done: the same again goes "
            "on with the others, on a cluster as soon as `ray status` finds it."
        )


def vitals(own: bool) -> list[Vital]:
    """What the connection of this process depends on.

    Args:
        own: whether the cluster is there for this process alone.
    """
    if ray.util.client.ray.is_connected():  # type: ignore[no-untyped-call]
        return []  # by "ray://...": another process is connected for this one
    context = ray.get_runtime_context()
    here = context.get_node_id()
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    node = next(node for node in nodes if node["NodeID"] == here)
    host, _, port = context.gcs_address.rpartition(":")
    raylet = node["NodeManagerAddress"], node["NodeManagerPort"]
    gcs = host.strip("[]"), int(port)
    return [Vital("raylet", raylet, SOON), Vital("gcs_server", gcs, SOON if own else LATE)]


@final
class Watch:
    """Looks at processes until it ends, or one of them is gone, which it says once.

    Args:
        say: is called in another thread.
    """

    def __init__(self, vitals: list[Vital], say: Callable[[EngineError], object]) -> None:
        self._vitals = vitals
        self._say = say
        self._ended = threading.Event()
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        heard = dict.fromkeys(self._vitals, time.monotonic())
        while not self._ended.wait(LOOK):
            for one in self._vitals:
                if one.answers():
                    heard[one] = time.monotonic()
                elif time.monotonic() - heard[one] > one.patience:
                    self._say(one.gone())
                    return

    def end(self) -> None:
        self._ended.set()
