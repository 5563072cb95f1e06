"""The demo's processes: started in groups of their own, waited for, ended whatever happens.

The demo plays the service manager: what dies (somebody tries ``kill -9``) is started again, as systemd would.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from autoheal.clock import Clock
from autoheal.demo.workspace import Workspace
from autoheal.errors import AutohealError
from autoheal.net import HTTPError, client

#: Real seconds that a process may take to answer for the first time, and to end.
UP, DOWN = 40.0, 10.0
#: Real seconds before a process that died is started again.
AGAIN = 0.5
#: One thread each: there are more processes than cores.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(slots=True)
class Processes:
    """``start`` and ``keep`` processes; the context manager ends them all."""

    workspace: Workspace
    clock: Clock
    said: Callable[[str], None]
    _running: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    _keepers: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self, name: str, *arguments: str) -> None:
        """A Python process of ours, its output in a log of its own."""
        with (self.workspace.root / "logs" / f"{name}.log").open("ab") as log:
            self._running[name] = await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                stdout=log,
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, **ENVIRONMENT},
            )

    async def keep(self, name: str, *arguments: str) -> None:
        """Start it, and start it again when it dies."""
        await self.start(name, *arguments)
        self._keepers.append(asyncio.create_task(self._keep(name, arguments)))

    async def _keep(self, name: str, arguments: tuple[str, ...]) -> None:
        while True:
            code = await self._running[name].wait()
            self.said(f"~ {name} ended with {code} and is started again")
            await self.clock.sleep(AGAIN)
            await self.start(name, *arguments)

    async def answers(self, name: str, url: str = "", socket: Path | None = None) -> None:
        """Wait until ``/healthz`` says 200. AutohealError with the end of the log when it does not."""
        until = self.clock.monotonic() + UP
        async with client(base_url=url, socket=str(socket) if socket else None, timeout=2) as http:
            while self.clock.monotonic() < until:
                with contextlib.suppress(HTTPError):
                    if (await http.get("/healthz")).status_code == 200:
                        return
                process = self._running.get(name)
                if process is not None and process.returncode is not None:
                    break
                await self.clock.sleep(0.1)
        raise AutohealError(f"{name} does not answer; the end of its log:\n{self._log_end(name)}")

    def _log_end(self, name: str) -> str:
        path = self.workspace.root / "logs" / f"{name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-15:]) if path.exists() else "(no log)"

    async def stop(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*(self._end(p) for p in self._running.values()))

    @staticmethod
    async def _end(process: asyncio.subprocess.Process) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), DOWN)
                break


@asynccontextmanager
async def running(
    workspace: Workspace, clock: Clock, said: Callable[[str], None]
) -> AsyncIterator[Processes]:
    """Model servers and gateway up; the daemon is for the caller to keep once the clock has started."""
    processes = Processes(workspace, clock, said)
    try:
        for model, port in workspace.model_ports.items():
            await processes.keep(
                model,
                *("-m", "autoheal.demo.model_server", "--model", model),
                *("--registry", str(workspace.registry), "--port", str(port)),
            )
        await processes.keep("gateway", "-m", "autoheal", "gateway", "--config", str(workspace.gateway_yaml))
        for model, port in workspace.model_ports.items():
            await processes.answers(model, f"http://127.0.0.1:{port}")
        await processes.answers("gateway", workspace.gateway)
        yield processes
    finally:
        await processes.stop()
