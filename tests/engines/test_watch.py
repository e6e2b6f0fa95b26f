"""Whether Ray lives is told by who listens, for as long as that may be asked."""

import socket
import time
from queue import Empty, SimpleQueue

import pytest

from backlight_engines import EngineError

pytest.importorskip("ray")

from backlight_ray.watch import Vital, Watch


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backlight_ray.watch.LOOK", 0.01)


def listening(port: int = 0) -> socket.socket:
    return socket.create_server(("127.0.0.1", port))


@pytest.mark.parametrize("back", [True, False])
def test_who_is_silent_for_long_is_gone(back: bool) -> None:
    """And is said so once; who is back before is not."""
    said: SimpleQueue[EngineError] = SimpleQueue()
    with listening() as raylet, listening() as gcs:
        vitals = [
            Vital("raylet", raylet.getsockname(), 0.0),
            Vital("gcs_server", gcs.getsockname(), 0.3),
        ]
        watch = Watch(vitals, said.put)
        with pytest.raises(Empty):
            said.get(timeout=0.5)
        place = gcs.getsockname()
        gcs.close()
        if back:
            time.sleep(0.1)
            gcs = listening(place[1])
            with gcs, pytest.raises(Empty):
                said.get(timeout=0.5)
        else:
            told = str(said.get(timeout=10.0))
            assert told.startswith("Ray's own process gcs_server has died or cannot be reached")
            assert f"127.0.0.1:{place[1]} for 0.3 s. Blocks that are done stay done" in told
            with pytest.raises(Empty):
                said.get(timeout=0.1)
        watch.end()
