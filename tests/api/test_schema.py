"""Schemathesis' generators (its pytest plug-in does not know pytest 9.2) against the real control app over loopback TCP: whatever the document allows or forbids, no 5xx, and
answers as documented. Bounded in examples and in time; streams that stay are tested elsewhere."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, BaseSchema, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from autoheal.api.app import create_app
from autoheal.api.server import tcp_door
from tests.api.house import house


class Background:
    """A house with its own event loop in a thread: schemathesis calls from the outside, synchronously."""

    def __init__(self) -> None:
        self.address = ""
        self._up = threading.Event()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), name="house")

    async def _live(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        with tempfile.TemporaryDirectory(prefix="ah-") as folder:
            async with house(Path(folder), listen="") as home:
                await home.breach()
                door = tcp_door(create_app(home.hub), "127.0.0.1:0")
                await door.start()
                self.address = f"http://{door.address}"
                self._up.set()
                await self._stop.wait()
                await door.stop()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)


BOUNDED = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


@pytest.fixture(scope="module")
def api() -> Iterator[BaseSchema]:
    with Background() as background:
        yield schemathesis.openapi.from_url(f"{background.address}/openapi.json")


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_route_keeps_its_document(api: BaseSchema, mode: GenerationMode) -> None:
    operations = [found.ok() for found in api.get_all_operations()]
    assert len(operations) > 14
    for operation in operations:
        _exercise(operation, mode)


def _exercise(operation: APIOperation, mode: GenerationMode) -> None:
    """Cases as the document allows (positive) or forbids (negative)."""

    @BOUNDED
    @given(case=operation.as_strategy(generation_mode=mode))
    def exercise(case: Case) -> None:
        if case.path == "/v1/events" and case.query:
            case.query.pop("follow", None)
        case.call_and_validate(checks=CHECKS, timeout=10)

    try:
        exercise()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, "a route that takes anything has nothing to forbid"
