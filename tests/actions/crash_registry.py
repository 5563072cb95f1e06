"""Run as a script: repeat one registry operation in copies of a registry, killing it at its 1st, 2nd, 3rd ... file
operation (before it, and for writes half-way through). Prints how many places there were."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from autoheal.actions.targets.registry import Registry
from autoheal.actions.targets.versions import NewVersion

AT = datetime(2026, 3, 1, tzinfo=UTC)
WATCHED = ("open", "write", "fsync", "replace", "rename", "mkdir", "truncate")


def act(operation: str, registry: Registry, artefact: Path) -> None:
    if operation == "register":
        new = NewVersion(by_key="ns/R1/register", metrics={"mae": 1.0})
        registry.register("m", artefact, new, at=AT, reference={"rows": 1, "features": {}})
    elif operation == "first":
        registry.register("fresh", artefact, NewVersion(by_key="ns/R1/register"), at=AT)
    elif operation == "promote":
        registry.set_champion("m", "v2", by="R1/pin", key="ns/R1/pin", at=AT, previous="v1")
    elif operation == "good":
        registry.mark_good("m", "v1", AT)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(place: int) -> None:
    """Let the process die at its ``place``-th watched call."""
    calls = 0

    def wrap(name):
        real = getattr(os, name)

        def watched(*args, **kwargs):
            nonlocal calls
            calls += 1
            if calls == place:
                if name == "write":
                    real(args[0], bytes(args[1])[: len(args[1]) // 2])
                die()
            return real(*args, **kwargs)

        setattr(os, name, watched)

    for name in WATCHED:
        wrap(name)


def main(root: Path, artefact: Path, operation: str, out: Path) -> int:
    for place in range(1, 1000):
        copy = out / f"{place:03d}"
        shutil.copytree(root, copy)
        child = os.fork()
        if child == 0:
            registry = Registry.open(copy)
            arm(place)
            act(operation, registry, artefact)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            return place - 1
    raise AssertionError("it never ends")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))))
