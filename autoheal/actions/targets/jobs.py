"""A trainer as a job in a folder: start it, attach to it after a restart, read how it ended.

``pipeline.train`` calls this; the work itself runs below ``job_runner``, which outlives us. Everything known about a
job is in its folder, so nothing here is remembered in the process:

    job.json  runner.json    what to do              runner.lock  held by the living runner
    process.json             whom the runner started  out/, log.txt  what came of it
    exit.json                how it ended, for ever   reported.json  that we passed this end on

What surprises: liveness is the lock, which the kernel frees when the runner dies, so a recycled process number cannot
pass for a living job; process number and start time together serve only to end a trainer that lost its runner.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import orjson

from autoheal.actions.contract import CommandPipeline
from autoheal.durable import is_locked, make_folder, replace_file
from autoheal.errors import ActionError

_RUNNER: Final = Path(__file__).with_name("job_runner.py")
#: Bytes of a trainer's output that are kept.
LOG_CAP: Final = 512 * 1024
#: Finished job folders that are kept.
KEEP_JOBS: Final = 50

State = Literal["absent", "running", "ended", "lost"]


@dataclass(frozen=True, slots=True)
class Exit:
    """exit.json: ``code`` is None when the trainer could not be started; ``late`` when its deadline ended it."""

    code: int | None
    late: bool
    error: str

    @property
    def good(self) -> bool:
        return self.code == 0 and not self.late

    def __str__(self) -> str:
        if self.error:
            return self.error
        if self.late:
            return "it did not end by its deadline and was stopped"
        if self.code is not None and self.code < 0:
            return f"it was ended by signal {-self.code}"
        return f"it ended with status {self.code}"


def state(folder: Path) -> State:
    """``lost``: it was started and its runner is gone without a word (killed, or the machine went down)."""
    if (folder / "exit.json").exists():
        return "ended"
    lock = folder / "runner.lock"
    if lock.exists() and is_locked(lock):
        return "running"
    if (folder / "exit.json").exists():  # it ended between the two looks
        return "ended"
    return "lost" if (folder / "process.json").exists() else "absent"


def start(folder: Path, pipeline: CommandPipeline, job: Mapping[str, Any]) -> None:
    """Write the job down and start its runner; returns when the runner holds the job (or another one does)."""
    make_folder(folder)
    replace_file(folder / "job.json", orjson.dumps(job))
    spec = {
        "argv": list(pipeline.argv),
        "cwd": str(pipeline.cwd),
        "env": _environment(folder, pipeline),
        "deadline": pipeline.deadline.total_seconds(),
        "grace": pipeline.grace.total_seconds(),
        "log_cap": LOG_CAP,
    }
    replace_file(folder / "runner.json", orjson.dumps(spec))
    try:
        subprocess.run(  # noqa: S603 - our own script
            [sys.executable, "-I", str(_RUNNER), str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={"PATH": os.defpath},
            start_new_session=True,
            check=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ActionError(f"the trainer's runner did not start: {error}", retryable=True) from error


def read_exit(folder: Path) -> Exit:
    data = orjson.loads((folder / "exit.json").read_bytes())
    return Exit(data["code"], data["late"], data["error"])


def log_end(folder: Path, lines: int = 3) -> str:
    """The last words of the trainer, for people."""
    try:
        text = (folder / "log.txt").read_bytes()[-2000:].decode(errors="replace")
    except FileNotFoundError:
        return ""
    said = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(said[-lines:])[:400]


def report(folder: Path) -> None:
    """Remember that this end was passed on, so that a retry of the same key starts anew."""
    replace_file(folder / "reported.json", b"{}")


def was_reported(folder: Path) -> bool:
    return (folder / "reported.json").exists()


def clear(folder: Path) -> None:
    """Make room for another try of the same job; the last log stays as log.previous.txt."""
    with contextlib.suppress(FileNotFoundError):
        (folder / "log.txt").replace(folder / "log.previous.txt")
    for name in ("process.json", "exit.json", "reported.json"):
        (folder / name).unlink(missing_ok=True)


def prune(jobs: Path, keep: int = KEEP_JOBS) -> None:
    """Forget the oldest folders that nobody works in."""
    if not jobs.is_dir():
        return
    by_age = sorted((p for p in jobs.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)
    for folder in by_age[:-keep]:
        if state(folder) != "running":
            shutil.rmtree(folder, ignore_errors=True)


def _environment(folder: Path, pipeline: CommandPipeline) -> dict[str, str]:
    """The whole environment of a trainer: fixed, plus what the operator wrote. ``python`` is the daemon's own."""
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "TMPDIR": str(folder / "tmp"),
        "PYTHONUNBUFFERED": "1",
        **pipeline.env,
        "AUTOHEAL_JOB": str(folder / "job.json"),
    }
