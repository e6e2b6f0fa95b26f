"""Files and folders that are being written, under hidden names that say by which process.

A process that is killed leaves them behind: whoever writes to the same place next finds them here.
"""

import os
import re
import secrets
import socket
import time
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Literal, TypeAlias

Ending: TypeAlias = Literal["partial", "before"]
"""What is not complete yet, and what was there before."""

TOKEN = re.compile(r"([0-9a-f]{8})-(\d+)-(\d+)-[0-9a-f]{8}\.(partial|before)")

LONGEST = 150
"""How many bytes of a name its hidden name repeats; file systems take about 255 in all."""

DAY = 24 * 3600.0


def hidden(target: Path, ending: Ending) -> Path:
    """A name beside `target` that this call alone uses."""
    pid = os.getpid()
    token = f"{home()}-{pid}-{started(pid) or 0}-{secrets.token_hex(4)}"
    return target.with_name(f"{prefix(target)}{token}.{ending}")


def is_hidden(path: Path, target: Path) -> bool:
    """Whether `path` has a name that `hidden` gives for `target`."""
    start = prefix(target)
    return path.name.startswith(start) and bool(TOKEN.fullmatch(path.name.removeprefix(start)))


def abandoned(target: Path, ending: Ending) -> list[Path]:
    """What processes that are gone have left beside `target`, the oldest first.

    A process of another machine or container cannot be looked for: what it wrote is abandoned when a
    day has passed since.
    """
    start, found = prefix(target), []
    for path in target.parent.iterdir() if target.parent.is_dir() else ():
        name = path.name
        match = TOKEN.fullmatch(name.removeprefix(start)) if name.startswith(start) else None
        if match is None or match[4] != ending:
            continue
        if gone(path, match[1], int(match[2]), int(match[3])):
            found.append(path)
    return sorted(found, key=lambda path: path.lstat().st_mtime)


def prefix(target: Path) -> str:
    return f".{os.fsdecode(os.fsencode(target.name)[:LONGEST])}."


def gone(path: Path, place: str, pid: int, start: int) -> bool:
    """Whether the process that wrote there has ended; another one may have its number by now."""
    if place == home():
        now = started(pid)
        if now is None:
            return True
        if now and start:
            return now != start
    return time.time() - path.lstat().st_mtime > DAY


@cache
def home() -> str:
    """Where this process's number means something: the machine, and the container if it is in one."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = ""
    return sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:8]


def started(pid: int) -> int | None:
    """When a process started, in the system's own count; 0 where that is not known, None if it ended."""
    try:
        status = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        if Path("/proc/self/stat").exists() or not running(pid):
            return None
        return 0
    return None if status[0] in (b"Z", b"X") else int(status[19])


def running(pid: int) -> bool:
    if os.name != "posix":  # signal 0 would end it there
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
