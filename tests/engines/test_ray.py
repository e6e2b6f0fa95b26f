"""Ray: a cluster of two nodes on this machine, one with a GPU that is none, and one of a script's own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from backlight import BacklightWarning
from backlight.errors import HyperParameterError
from backlight.termination import terminable
from backlight_engines import Engine, EngineError, make_engine
from backlight_engines.environment import put_back
from backlight_ray import Ray
from backlight_ray.cluster import Need, connect, connected
from tests.engines.laws import (  # noqa: F401
    none_left,
    test_a_worker_that_dies_is_replaced,
    test_an_error_of_the_work_ends_the_run,
    test_each_block_is_done_once,
    test_what_is_not_asked_for_is_not_done,
    test_without_blocks_nothing_starts,
    whole,
)
from tests.engines.stopping import stopped
from tests.engines.works import Writing, noted, processes, told

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

# Ray forks to begin its own programs, of which JAX warns where another test has imported it before.
pytestmark = pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")


@pytest.fixture(scope="module")
def cluster() -> Iterator["Cluster"]:
    """A cluster that this process is connected to, without tokens, which go into the home folder."""
    before = {name: os.environ.get(name) for name in ("RAY_AUTH_MODE", "RAY_USAGE_STATS_ENABLED")}
    handler = signal.getsignal(signal.SIGTERM)
    os.environ |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "include_dashboard": False}
    found = Cluster(initialize_head=True, head_node_args=head)
    try:
        found.add_node(num_cpus=1, num_gpus=1)
        ray.init(found.address, log_to_driver=False)
        yield found
    finally:
        ray.shutdown()
        found.shutdown()
        put_back(before)
        signal.signal(signal.SIGTERM, handler)


def test_an_end_that_is_asked_for_while_ray_begins_is_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By then Ray has its own handler, which exits with the number of the signal."""
    import ray

    def begin(*args: object, **kwargs: object) -> None:
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(ray, "init", begin)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    before = signal.getsignal(signal.SIGTERM)
    with terminable() as seen, pytest.raises(KeyboardInterrupt), connected(None, 1):
        pass
    assert (seen, signal.getsignal(signal.SIGTERM)) == ([signal.SIGTERM], before)


def test_whatever_ray_says_where_it_cannot_begin_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def begin(*args: object, **kwargs: object) -> None:
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray, "init", begin)
    with pytest.raises(EngineError, match=r"cannot begin on this machine: .*timed out during"):
        connect(None, 1)


@pytest.fixture
def engine(cluster: "Cluster") -> Engine:
    return Ray(workers=2)


def test_workers_are_on_both_nodes_with_their_threads(engine: Engine) -> None:
    found = told(engine, 2, "RAY_RAYLET_PID", "OMP_NUM_THREADS", "NPROC", "TF_NUM_INTRAOP_THREADS")
    assert {threads[1:] for threads in found} == {("1", "1", "1")}


@pytest.mark.usefixtures("cluster")
def test_a_worker_has_a_gpu_of_its_own() -> None:
    """Ray counts the GPUs that a node says it has, and tells CUDA which to show."""
    one = Ray(workers=1, gpus_per_worker=1)
    assert told(one, 1, "CUDA_VISIBLE_DEVICES") == {("0",)}


@pytest.mark.parametrize(
    ("options", "need"),
    [
        ({"cpus_per_worker": 2}, "2 CPU and 0 GPU"),
        ({"gpus_per_worker": 2}, "1 CPU and 2 GPU"),
    ],
)
@pytest.mark.usefixtures("cluster")
def test_what_no_node_has_is_said_at_once(
    tmp_path: Path, options: dict[str, int], need: str
) -> None:
    """Both nodes together would have the two CPUs."""
    engine = make_engine("ray", options)
    with pytest.raises(EngineError) as caught:
        list(engine.run(Writing(tmp_path), range(3)))
    assert str(caught.value).startswith(
        f"A worker needs {need}, which no node of the cluster has ("
    )
    assert "1 CPU and 0 GPU" in str(caught.value)
    assert "1 CPU and 1 GPU" in str(caught.value)


@pytest.mark.usefixtures("cluster")
def test_workers_without_room_are_not_waited_for(tmp_path: Path) -> None:
    many = Ray(workers=5, gpus_per_worker=0.5)
    with pytest.warns(
        BacklightWarning, match=r"has room for 1 of 5 workers, each with 1 CPU and 0\.5"
    ):
        receipts = list(many.run(Writing(tmp_path), range(20)))
    assert len(receipts) == 20
    assert noted(tmp_path)["start"] == 1


@pytest.mark.parametrize(
    ("resources", "need", "room"),
    [
        ({"CPU": 8.0}, Need(3, 0), 2),
        ({"CPU": 8.0}, Need(1, 1), 0),
        ({"CPU": 8.0, "GPU": 4.0}, Need(1, 1), 4),
        ({"CPU": 8.0, "GPU": 4.0}, Need(1, 0.4), 8),
        ({"CPU": 9.0, "GPU": 2.0}, Need(1, 0.4), 4),
        ({"CPU": 8.0, "GPU": 5.0}, Need(1, 2), 2),
        ({}, Need(1, 0), 0),
    ],
)
def test_how_many_workers_fit_into_a_node(
    resources: dict[str, float], need: Need, room: int
) -> None:
    assert need.fits(resources) == room


def test_blocks_of_a_node_that_dies_are_done_by_others(cluster: "Cluster", tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=1)
    run = Ray(workers=3).run(Writing(tmp_path, 0.05), range(200))
    done = [next(run).block for _ in range(10)]
    while len(processes(tmp_path)) < 3:
        done.append(next(run).block)
    cluster.remove_node(node, allow_graceful=False)
    with pytest.warns(BacklightWarning, match=r"^A worker was lost by Ray \("):
        done += [receipt.block for receipt in run]
    assert sorted(done) == list(range(200))
    whole(tmp_path, range(200))
    none_left(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_driver(
    cluster: "Cluster", number: signal.Signals, tmp_path: Path
) -> None:
    stopped(number, tmp_path, "ray", "workers=1", f"address={cluster.address}")


def test_a_connection_of_the_process_is_kept(engine: Engine, tmp_path: Path) -> None:
    import ray

    assert len(list(engine.run(Writing(tmp_path), range(3)))) == 3
    assert ray.is_initialized()
    with pytest.raises(EngineError, match=r"connected to Ray already, so the address 'auto'"):
        list(Ray(address="auto").run(Writing(tmp_path), range(3)))


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nowhere", "host.invalid:6379"])
def test_where_no_cluster_is_that_is_said(address: str) -> None:
    with pytest.raises(EngineError, match=rf"^Ray cannot be reached at '{address}': .*ray start"):
        connect(address, 1)


SCRIPT = """
import os, signal
import ray
from backlight_engines import Receipt, Work
from backlight_ray import Ray
from backlight_ray.cluster import Need, connect, connected

class Here(Work):
    def __init__(self, net):
        self.net = net
    def start(self):
        return lambda block: Receipt(block, 0.0, self.net(block))

before = dict(os.environ), signal.getsignal(signal.SIGTERM)
run = Ray(workers=1).run(Here(lambda block: block * block), range(5))
print(sum(receipt.done for receipt in run))
assert before == (dict(os.environ), signal.getsignal(signal.SIGTERM))
assert not ray.is_initialized()
"""


def test_a_script_has_a_cluster_of_its_own(cluster: "Cluster", tmp_path: Path) -> None:
    """What the script defines itself is sent along; the cluster that runs is let be."""
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("30\n", "")


def test_without_ray_it_is_said_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EngineError, match=r"needs Ray.* pip install 'backlight\[ray\]'"):
        make_engine("ray", {}).run(Writing(tmp_path), range(3))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"workers": 0}, "Ray.workers must be"),
        ({"cpus_per_worker": 0}, "cpus_per_worker must be"),
        ({"restarts": 0.5}, "restarts must be"),
        ({"gpus_per_worker": -1}, "at least 0, and whole beyond 1"),
        ({"gpus_per_worker": 1.5}, "at least 0, and whole beyond 1, as Ray has it, got 1.5"),
    ],
)
def test_options_out_of_range(options: dict[str, object], said: str) -> None:
    with pytest.raises(HyperParameterError, match=said):
        make_engine("ray", options)


@pytest.mark.filterwarnings("ignore:A worker was lost by Ray:backlight.BacklightWarning")
def test_the_run_ends_soon_when_ray_dies(cluster: "Cluster", tmp_path: Path) -> None:
    """This one is the last of the cluster: its own raylet is killed."""
    import ray

    here = ray.get_runtime_context().get_node_id()
    node = next(one for one in cluster.list_all_nodes() if one.node_id == here)
    run = Ray(workers=1).run(Writing(tmp_path, slow=3), range(10))
    assert [next(run).block for _ in range(3)] == [0, 1, 2]
    node.kill_raylet()
    started = time.monotonic()
    with pytest.raises(EngineError, match=r"^Ray's own process raylet has died .* goes on"):
        next(run)
    assert time.monotonic() - started < 10.0  # Ray itself would end this process after that
    none_left(tmp_path)
