"""A small production of our own: one model, its server, a gateway, a trainer and a daemon, all real processes."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from autoheal.actions.targets.registry import Registry
from autoheal.actions.targets.versions import Lineage, NewVersion
from autoheal.domain.events import Entry
from autoheal.domain.names import Task
from autoheal.domain.specs import FeatureSpec
from autoheal.store.reader import LogReader
from autoheal.telemetry.reference import build_performance, build_reference

HERE = Path(__file__).parent
MODEL = "scorer"
RIGHT, WRONG = 0.0, 1.5

MODEL_YAML = f"""
version: 1
kind: model
name: {MODEL}
task: classification
features: {{x: {{type: numeric}}}}
monitors: {{performance: {{min_rows: 200, every: 1s}}}}
pipeline: train
fallback: stand-in
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: Callable[[], Any], message: str, seconds: float = 30.0) -> Any:
    """Until ``what`` gives something true; an error of the connection counts as not yet."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(httpx.HTTPError, OSError):
            if found := what():
                return found
        time.sleep(0.05)
    raise AssertionError(message)


class Place:
    """Everything in one folder; ``close`` ends all processes."""

    def __init__(self, root: Path, policies: str = "", extra: str = "") -> None:
        self.root = root
        self.registry = Registry.open(root / "registry")
        self.gateway_url = f"http://127.0.0.1:{free_port()}"
        self.listen = f"127.0.0.1:{free_port()}"
        self.server_port = free_port()
        self.processes: list[subprocess.Popen[bytes]] = []
        self._write(policies, extra)

    def _write(self, policies: str, extra: str) -> None:
        (self.root / "conf").mkdir()
        (self.root / "work").mkdir()
        (self.root / "conf" / "scorer.yaml").write_text(MODEL_YAML)
        if policies:
            (self.root / "conf" / "policies.yaml").write_text(policies)
        self.config = self.root / "autoheal.yaml"
        self.config.write_text(
            f"version: 1\nkind: daemon\nname: place\nlisten: {self.listen}\nbeat: 200ms\n"
            f"gateway: {{url: '{self.gateway_url}'}}\n"
            f"pipelines: [{{name: train, argv: ['{sys.executable}', '{HERE / 'trainer.py'}'], cwd: work, deadline: 3s}}]\n"
            f"{extra}"
        )
        (self.root / "gateway.yaml").write_text(
            f"version: 1\nkind: gateway\nlisten: {self.gateway_url.removeprefix('http://')}\n"
            f"telemetry: {{url: 'http://{self.listen}/v1/telemetry'}}\n"
            f"models: {{{MODEL}: {{url: 'http://127.0.0.1:{self.server_port}', weights: {{v2: 100}}, fallback: stand-in}}}}\n"
        )

    # --- the past -------------------------------------------------------------------------------------------------

    def releases(self) -> None:
        """v1 was good and is known to be; v2 is the champion and bad; the stand-in is crude."""
        then = datetime.now(UTC) - timedelta(days=2)
        for version, threshold, role in (
            ("v1", RIGHT, "model"),
            ("v2", WRONG, "model"),
            ("stand-in", 0.3, "fallback"),
        ):
            source = self.root / f"source-{version}"
            source.mkdir()
            (source / "model.json").write_text(json.dumps({"threshold": threshold}))
            new = NewVersion(version=version, role=role, lineage=Lineage(then, then, 1))  # type: ignore[arg-type]
            self.registry.register(MODEL, source, new, at=then, reference=reference(threshold))
        self.registry.set_champion(MODEL, "v1", by="ci", at=then)
        self.registry.mark_good(MODEL, "v1", then + timedelta(hours=2))
        self.registry.set_champion(MODEL, "v2", by="ci", at=then + timedelta(hours=3))

    def telemetry(self, rows: int = 1500) -> list[dict[str, Any]]:
        """What v2 answered in the last hours, and the truth."""
        chance, now, sent = random.Random(3), datetime.now(UTC), []
        for n in range(rows):
            at = (now - timedelta(seconds=10 * (rows - n))).isoformat()
            x = chance.gauss(0, 1)
            label = int(x + chance.gauss(0, 0.2) > RIGHT)
            sent.append(
                {
                    "kind": "prediction",
                    "model": MODEL,
                    "version": "v2",
                    "id": f"r{n}",
                    "time": at,
                    "features": {"x": x},
                    "prediction": int(x > WRONG),
                }
            )
            sent.append({"kind": "outcome", "model": MODEL, "id": f"r{n}", "time": at, "label": label})
        return sent

    # --- processes ------------------------------------------------------------------------------------------------

    def spawn(self, *arguments: str) -> subprocess.Popen[bytes]:
        log = (self.root / f"log-{len(self.processes)}.txt").open("wb")
        process = subprocess.Popen(
            [sys.executable, *arguments], stdout=log, stderr=log, start_new_session=True
        )
        log.close()
        self.processes.append(process)
        return process

    def start_outside(self) -> None:
        """The model server and the gateway."""
        self.spawn(str(HERE / "model_server.py"), str(self.root / "registry" / MODEL), str(self.server_port))
        self.spawn("-m", "autoheal", "gateway", "--config", str(self.root / "gateway.yaml"))
        for url in (f"http://127.0.0.1:{self.server_port}/healthz", f"{self.gateway_url}/healthz"):
            wait_for(lambda url=url: httpx.get(url).status_code == 200, f"{url} does not answer")

    def start_daemon(self, *killed_at: str) -> subprocess.Popen[bytes]:
        """The daemon, or the one that is killed at (step, before|after); waits until it answers."""
        if killed_at:
            process = self.spawn(str(HERE / "victim.py"), str(self.config), *killed_at)
        else:
            process = self.spawn("-m", "autoheal", "run", "--config", str(self.config))
        wait_for(
            lambda: (
                process.poll() is not None or httpx.get(f"http://{self.listen}/healthz").status_code == 200
            ),
            "the daemon does not answer",
        )
        return process

    def push(self, records: list[dict[str, Any]]) -> httpx.Response:
        return httpx.post(f"http://{self.listen}/v1/telemetry", json={"records": records}, timeout=20)

    def control(self) -> httpx.Client:
        socket_path = str(self.root / "run" / "control.sock")
        return httpx.Client(
            transport=httpx.HTTPTransport(uds=socket_path), base_url="http://autoheal", timeout=10
        )

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    # --- what came of it ------------------------------------------------------------------------------------------

    def entries(self) -> list[Entry]:
        with contextlib.closing(LogReader.open(self.root / "state")) as log:
            return list(log.scan(0))

    def of_kind(self, kind: str) -> list[Any]:
        return [e.event for e in self.entries() if e.event.kind == kind]

    def route(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self.gateway_url}/admin/routes").json()[MODEL]
        return found


def reference(threshold: float) -> dict[str, Any]:
    """What the version was measured as at its making: v2 was measured on data with the same mistake."""
    chance = random.Random(5)
    xs = [chance.gauss(0, 1) for _ in range(2000)]
    labels = [int(x + chance.gauss(0, 0.2) > threshold) for x in xs]
    performance = build_performance(Task.CLASSIFICATION, labels, [int(x > threshold) for x in xs])
    return build_reference((FeatureSpec("x", "numeric"),), {"x": xs}, performance)


@contextlib.contextmanager
def place(root: Path, **settings: str) -> Iterator[Place]:
    made = Place(root, **settings)
    try:
        made.releases()
        made.start_outside()
        yield made
    finally:
        made.close()
