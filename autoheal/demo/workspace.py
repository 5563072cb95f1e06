"""A folder in which one demo lives: registry with first versions, configuration, free ports. Writes files.

``build`` makes it, once; everything that the processes need to know is in the files it leaves.
"""

from __future__ import annotations

import shutil
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from autoheal.actions.targets.registry import Registry
from autoheal.demo import first_versions
from autoheal.demo.feeds import START
from autoheal.demo.fleet import FLEET


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where things are; ports are on loopback."""

    root: Path
    gateway_port: int
    telemetry_port: int
    model_ports: dict[str, int]

    @property
    def registry(self) -> Path:
        return self.root / "registry"

    @property
    def daemon_yaml(self) -> Path:
        return self.root / "autoheal.yaml"

    @property
    def gateway_yaml(self) -> Path:
        return self.root / "gateway.yaml"

    @property
    def view(self) -> Path:
        return self.root / "run" / "view.sock"

    @property
    def control(self) -> Path:
        return self.root / "run" / "control.sock"

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self.gateway_port}"

    @property
    def telemetry(self) -> str:
        return f"http://127.0.0.1:{self.telemetry_port}"


def build(root: Path) -> Workspace:
    """Make the folders, train the first versions, write the gateway's file. The daemon's file needs the time of the
    start and is written by ``start_clock``."""
    for part in ("conf", "logs", "scratch"):
        (root / part).mkdir(parents=True, exist_ok=True)
    ports = _free_ports(2 + len(FLEET))
    models = {m.name: port for m, port in zip(FLEET, ports[2:], strict=True)}
    workspace = Workspace(root, ports[0], ports[1], models)
    registry = Registry.open(workspace.registry)
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(first_versions.install, registry, m, root / "scratch") for m in FLEET]:
            done.result()
    for file in resources.files("autoheal.demo").joinpath("conf").iterdir():
        if file.name.endswith(".yaml"):
            (root / "conf" / file.name).write_bytes(file.read_bytes())
    _write(workspace.gateway_yaml, _gateway(workspace))
    return workspace


def start_clock(workspace: Workspace, anchor: datetime, speed: float) -> None:
    """Write the daemon's file: its clock shows the first day of service at ``anchor``."""
    _write(workspace.daemon_yaml, _daemon(workspace, anchor, speed))


def _gateway(workspace: Workspace) -> dict[str, Any]:
    return {
        "version": 1,
        "kind": "gateway",
        "listen": f"127.0.0.1:{workspace.gateway_port}",
        "telemetry": {"url": f"{workspace.telemetry}/v1/telemetry"},
        "models": {
            name: {
                "url": f"http://127.0.0.1:{port}",
                "weights": {"v1": 100},
                "fallback": first_versions.STAND_IN,
                "timeout": "10s",
            }
            for name, port in workspace.model_ports.items()
        },
    }


def _daemon(workspace: Workspace, anchor: datetime, speed: float) -> dict[str, Any]:
    return {
        "version": 1,
        "kind": "daemon",
        "name": "demo",
        "listen": f"127.0.0.1:{workspace.telemetry_port}",
        "clock": {"origin": START.isoformat(), "anchor": anchor.isoformat(), "speed": speed},
        "registry": {"path": "registry"},
        "gateway": {"url": workspace.gateway},
        "pipelines": [
            {
                "name": f"{m.name}-train",
                "argv": [sys.executable, "-m", "autoheal.demo.train"],
                "deadline": "60s",
                "env": {"OMP_NUM_THREADS": "1"},
            }
            for m in FLEET
        ],
        "good_after": "7d",
        "beat": "100ms",
    }


def _write(path: Path, data: dict[str, Any]) -> None:
    with path.open("w", encoding="utf-8") as stream:
        YAML().dump(data, stream)


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now; all held at once so that no two are the same."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


def remove(workspace: Workspace) -> None:
    shutil.rmtree(workspace.root, ignore_errors=True)
