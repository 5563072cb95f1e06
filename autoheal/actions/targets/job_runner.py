"""The process between the daemon and a trainer: keeps its deadline, its output cap and its exit status.

Started as ``python -I job_runner.py FOLDER`` by ``jobs``; a script of the standard library alone, so that it starts in
milliseconds and outlives the daemon, its upgrade included. Reads runner.json, writes process.json (whom to kill),
log.txt (capped, with its end kept) and, last, exit.json. What surprises: it goes into the background first and tells
its starter only then, and it holds ``runner.lock`` while it lives: a second runner of the same job leaves at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from typing import IO, Any

BLOCK = 8192
#: Characters of process names may hold blanks; the start time is this many fields after the closing bracket.
_START_FIELD = 19


def main(folder: Path) -> None:
    """Become a background process, then run the job if nobody does or did."""
    ready, told = os.pipe()
    if os.fork():
        os.close(told)
        os.read(ready, 1)
        os._exit(0)
    os.close(ready)
    os.umask(0o077)
    if not hold(folder / "runner.lock") or (folder / "exit.json").exists():
        return
    os.close(told)
    write(folder / "exit.json", run(folder, json.loads((folder / "runner.json").read_text())))


def hold(path: Path) -> bool:
    """Take the lock for as long as we live; whoever only looks whether it is held lets go of it in no time."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    nap = threading.Event()
    for _ in range(20):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            nap.wait(0.01)
        else:
            return True
    return False


def run(folder: Path, spec: dict[str, Any]) -> dict[str, Any]:
    """Carry the job out; the answer is exit.json."""
    kill_left_over(folder)
    shutil.rmtree(folder / "out", ignore_errors=True)
    (folder / "out").mkdir()
    (folder / "tmp").mkdir(exist_ok=True)
    try:
        trainer = subprocess.Popen(  # noqa: S603 - an argv list of the operator's configuration
            spec["argv"],
            cwd=spec["cwd"],
            env=spec["env"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return {"code": None, "late": False, "error": f"cannot start {spec['argv'][0]}: {error.strerror}"}
    write(folder / "process.json", {"pid": trainer.pid, "started": started(trainer.pid), "boot": boot()})
    assert trainer.stdout is not None
    reader = threading.Thread(
        target=keep_log, args=(trainer.stdout, folder / "log.txt", spec["log_cap"]), daemon=True
    )
    reader.start()
    late = not ended(trainer, spec["deadline"])
    if late:
        kill_group(trainer.pid, signal.SIGTERM)
        ended(trainer, spec["grace"])
    kill_group(trainer.pid, signal.SIGKILL)
    code = trainer.wait()
    reader.join(5)
    return {"code": code, "late": late, "error": ""}


def ended(trainer: subprocess.Popen[bytes], within: float) -> bool:
    try:
        trainer.wait(within)
    except subprocess.TimeoutExpired:
        return False
    return True


def keep_log(stream: IO[bytes], path: Path, cap: int) -> None:
    """The first half of the cap as it comes, and of the rest the newest half; reads on for ever, or trainers block."""
    tail: deque[bytes] = deque()
    kept = lost = 0
    with path.open("wb", buffering=0) as log:
        written = 0
        while data := os.read(stream.fileno(), BLOCK):
            if written < cap // 2:
                log.write(data)
                written += len(data)
                continue
            tail.append(data)
            kept += len(data)
            while kept > cap // 2:
                gone = len(tail.popleft())
                kept, lost = kept - gone, lost + gone
        if lost:
            log.write(f"\n[... {lost} bytes left out ...]\n".encode())
        log.write(b"".join(tail))


def kill_left_over(folder: Path) -> None:
    """End a trainer whose runner was killed; not a stranger that got its process number since."""
    try:
        known = json.loads((folder / "process.json").read_text())
    except (FileNotFoundError, ValueError):
        return
    if known["boot"] == boot() and known["started"] and known["started"] == started(known["pid"]):
        kill_group(known["pid"], signal.SIGKILL)


def kill_group(group: int, sign: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, sign)


def started(pid: int) -> str:
    """When a process began, in kernel ticks since boot; empty when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[_START_FIELD]


def boot() -> str:
    """Which boot of the machine this is."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def write(path: Path, data: dict[str, Any]) -> None:
    """Replace a small file at once and durably."""
    passing = path.with_name(f".passing-{path.name}")
    with passing.open("w") as stream:
        json.dump(data, stream)
        stream.flush()
        os.fsync(stream.fileno())
    passing.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
