"""A living house in a thread, because commands run in an event loop of their own."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autoheal.cli import invoke
from tests.api.house import House, house


class Neighbour:
    """The house next door: ``ask`` does something in its loop, ``home`` may be looked at."""

    def __init__(self) -> None:
        self.home: House
        self.folder = Path()
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), name="house")

    async def _live(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        with tempfile.TemporaryDirectory(prefix="ah-") as folder:
            async with house(Path(folder), listen="") as self.home:
                self.folder = Path(folder) / "run"
                self._up.set()
                await self._stop.wait()

    def start(self) -> None:
        self._thread.start()
        assert self._up.wait(20)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(20)

    def ask(self, work: Callable[[], Awaitable[Any]]) -> Any:
        async def there() -> Any:
            return await work()

        return asyncio.run_coroutine_threadsafe(there(), self._loop).result(20)


@pytest.fixture
def next_door(monkeypatch: pytest.MonkeyPatch) -> Iterator[Neighbour]:
    neighbour = Neighbour()
    neighbour.start()
    monkeypatch.setenv("AUTOHEAL_SOCKET", str(neighbour.folder))
    monkeypatch.setenv("COLUMNS", "100")
    try:
        yield neighbour
    finally:
        neighbour.stop()


class Outcome:
    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err


@pytest.fixture
def autoheal(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command line; what it printed comes back."""

    def call(*argv: str) -> Outcome:
        capsys.readouterr()
        status = invoke(list(argv))
        told = capsys.readouterr()
        return Outcome(status, told.out, told.err)

    return call
