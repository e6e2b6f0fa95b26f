"""Reports in processes of their own that get a signal at some moment, and are made again.

After the signal the folder holds the report that was there before, or nothing where there was none, or
the new one, whole. The same command then ends, with the numbers of a run that was let be, and leaves
nothing beside its folder.
"""

import json
import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backlight.command_line import main

NETS = {
    "torch": """
import torch


def net():
    torch.manual_seed(0)
    conv, head = torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.Linear(8 * 144, 3)
    return torch.nn.Sequential(conv, torch.nn.ReLU(), torch.nn.Flatten(), head).eval()
""",
    "jax": """
import jax
import numpy as np
from functools import partial

rng = np.random.default_rng(0)
w, v = rng.normal(size=(144, 32)) / 12, rng.normal(size=(32, 3))
w, v = w.astype("float32"), v.astype("float32")


def function(parameters, x):
    w, v = parameters
    return jax.nn.relu(x.reshape(len(x), -1) @ w) @ v


net = partial(function, (w, v))
""",
}

SPENT = ("created", "seconds", "passes")
"""What two runs differ in: a run that goes on with another's results spends less itself."""

NEW = ("-m", "integrated_gradients:steps=16", "-m", "occlusion:window=3,stride=2", "--limit", "12")
OLD = ("-m", "gradient", "--metric", "none", "--limit", "3")
"""Techniques of the report that is to be, and of the one that is there before."""


class Runs(ABC):
    """Runs of `backlight report`, one after the other, on what is in a folder."""

    def __init__(self, folder: Path, framework: str) -> None:
        self.folder, self.framework = folder, framework

    @abstractmethod
    def begin(self, options: Sequence[str]) -> int:
        """Begin one: the process's number."""

    @abstractmethod
    def end(self) -> tuple[int, str]:
        """Wait for it: how it ended, and what it said as errors."""

    def whole(self, options: Sequence[str]) -> None:
        """Make a report, to the end."""
        self.begin(options)
        code, said = self.end()
        assert code == 0, said

    def arguments(self, options: Sequence[str]) -> list[str]:
        net, data, out = (f"{self.folder}/{name}" for name in ("net.py:net", "data.npz", "out"))
        return ["report", net, data, "-o", out, "--framework", self.framework, *options]


class Commands(Runs):
    """As a user runs it: seconds of each go into imports."""

    def begin(self, options: Sequence[str]) -> int:
        command = "from backlight.command_line import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", command, *self.arguments(options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "JAX_PLATFORMS": "cpu"},
        )
        return self.process.pid

    def end(self) -> tuple[int, str]:
        _, said = self.process.communicate(timeout=300)
        return self.process.returncode, said


ALONE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""A process that forks must have no threads of its own: a child waits for those for ever."""


class Forks(Runs):
    """In children of a process that has imported everything: see `serve`."""

    def __init__(self, folder: Path, framework: str) -> None:
        super().__init__(folder, framework)
        self.server = subprocess.Popen(
            [sys.executable, "-m", "tests.kills"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **ALONE},
        )
        self._ask(self.arguments(NEW))

    def begin(self, options: Sequence[str]) -> int:
        return int(self._ask(self.arguments(options)))

    def end(self) -> tuple[int, str]:
        code, said = json.loads(self._ask(None))
        return code, said

    def close(self) -> None:
        self.server.communicate()

    def _ask(self, asked: list[str] | None) -> str:
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        print(json.dumps(asked), file=self.server.stdin, flush=True)
        return self.server.stdout.readline()


def serve() -> None:
    """Make the report of the first line; begin those of others in children, whose numbers are written; at
    `null` wait for the last one, and write how it ended and what it said."""
    first, child, said = True, 0, Path(os.devnull)
    for line in sys.stdin:
        asked = json.loads(line)
        if first:
            with suppress(SystemExit), redirect_stdout(sys.stderr):
                main(asked)
            first = False
            print(flush=True)
        elif asked is None:
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            print(json.dumps([code, said.read_text()]), flush=True)
        else:
            said = Path(asked[2]).with_name("said.txt")
            child = os.fork()
            if not child:
                with said.open("w") as file:
                    os.dup2(file.fileno(), 1)
                    os.dup2(file.fileno(), 2)
                main(asked)
            print(child, flush=True)


@dataclass(frozen=True)
class Place:
    """A folder with a net and its examples.

    Attributes:
        runs: of reports on them, written to `out`.
        expected: the numbers of the new report.
        seconds: that it takes.
        old: the files of the report that may be there before, by name.
    """

    runs: Runs
    expected: dict[str, Any]
    seconds: float
    old: dict[str, bytes]

    @property
    def out(self) -> Path:
        return self.runs.folder / "out"

    def beside(self) -> set[str]:
        """What is there that was not there before, and is no report."""
        before = {"net.py", "data.npz", "said.txt", "out"}
        return {one.name for one in self.runs.folder.iterdir()} - before


def place(folder: Path, framework: str, kind: type[Runs]) -> Place:
    """Make the net, the examples and both reports."""
    rng = np.random.default_rng(0)
    (folder / "net.py").write_text(NETS[framework])
    x = rng.integers(0, 256, (40, 12, 12), dtype=np.uint8)
    np.savez(folder / "data.npz", x=x, y=rng.integers(0, 3, 40))
    runs, out = kind(folder, framework), folder / "out"
    runs.whole(OLD)
    old = files(out)
    started = time.monotonic()
    runs.whole(NEW)
    return Place(runs, numbers(out), time.monotonic() - started, old)


def stopped(place: Place, number: signal.Signals, delay: float, before: bool) -> tuple[bool, str]:
    """Send a report this signal so many seconds after its beginning, and make it again.

    Args:
        before: whether another report is there before.

    Returns: whether the signal came before its end, and what the folder held then.

    Raises:
        AssertionError: something is not as this module says.
    """
    put(place.out, place.old if before else {})
    child = place.runs.begin(NEW)
    time.sleep(delay)
    os.kill(child, number)
    code, said = place.runs.end()
    wanted = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    # While the library itself is imported nothing of it runs: Python ends as it always does.
    assert code in (0, wanted, -number), said
    assert "Traceback" not in said or code == -number, said
    found = state(place, before)
    if number != signal.SIGKILL:
        assert place.beside() <= {"out.unfinished"}, f"beside the folder: {place.beside()}"
    place.runs.whole(NEW)
    assert numbers(place.out) == place.expected, "the numbers are others"
    assert not place.beside(), f"beside the folder: {place.beside()}"
    return code != 0, found


def state(place: Place, before: bool) -> str:
    """What the report's folder holds: the old report, or nothing where there was none; or the new one."""
    now = files(place.out)
    if now == (place.old if before else {}):
        return "old"
    assert numbers(place.out) == place.expected, f"the folder is half: {sorted(now)}"
    return "new"


def numbers(out: Path) -> dict[str, Any]:
    """What a report says, and its pictures."""
    told = json.loads((out / "study.json").read_text(encoding="utf-8"))
    pictures = {name: one for name, one in files(out).items() if name.startswith("pictures/")}
    assert (out / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
    return {**timeless(told), "files": pictures}


def timeless(told: Any) -> Any:
    """The same without what two runs differ in, at any depth."""
    if isinstance(told, list):
        return [timeless(one) for one in told]
    if isinstance(told, dict):
        return {key: timeless(one) for key, one in told.items() if key not in SPENT}
    return told


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(one.relative_to(folder)): one.read_bytes()
        for one in sorted(folder.rglob("*"))
        if one.is_file()
    }


def put(folder: Path, contents: dict[str, bytes]) -> None:
    """Have these files in a folder and no others; no folder for none."""
    for one in sorted(folder.rglob("*"), reverse=True):
        one.rmdir() if one.is_dir() else one.unlink()
    if folder.exists():
        folder.rmdir()
    for name, data in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    serve()
