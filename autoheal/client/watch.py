"""Follow a daemon for as long as it takes: snapshot, then events, through restarts and lost links.

``watch`` yields a new ``ClientState`` whenever something changed; the caller only draws. When entries arrive the
snapshot is fetched again, but not before ``REFETCH`` real seconds have passed, however fast they come. After a lost link it goes on
from the last entry, so the tail has neither gap nor double; if the log cannot continue it (410), it begins anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from autoheal.api.wire import Ended, Line
from autoheal.client.connection import Connection
from autoheal.client.state import ClientState, heard, lost, restarted
from autoheal.clock import Clock, SystemClock
from autoheal.domain.events import Entry
from autoheal.errors import DoorError

#: Real seconds between two snapshots, and at least so many times as long as the last one took: a large fleet's daemon
#: has other things to do than to be looked at.
REFETCH = 0.5
RESPITE = 10
#: Entries before the present that a new tail begins with.
HISTORY = 200
#: Lines that may wait here; past them the daemon notices, and cuts a reader off that never catches up.
_WAITING = 5000
_GONE = 410


async def watch(
    connection: Connection, *, clock: Clock | None = None, refetch: float = REFETCH, history: int = HISTORY
) -> AsyncGenerator[ClientState, None]:
    """States for ever; close the generator to stop. It raises nothing that a daemon can cause."""
    ticking = clock or SystemClock()
    state = ClientState()
    yield state
    while True:
        try:
            async with aclosing(_linked(connection, state, ticking, refetch, history)) as states:
                async for state in states:
                    yield state
        except DoorError as problem:
            if problem.status == _GONE:
                state = restarted(state)
                continue
            state = lost(state, ticking.monotonic(), str(problem))
            yield state
            await ticking.sleep(max(0.0, state.link.retry_at - ticking.monotonic()))


async def _linked(
    connection: Connection, state: ClientState, clock: Clock, refetch: float, history: int
) -> AsyncGenerator[ClientState, None]:
    """States of one link, until it breaks with DoorError."""
    began = clock.monotonic()
    snapshot = await connection.snapshot()
    fetched = clock.monotonic()
    pause = max(refetch, RESPITE * (fetched - began))
    state = heard(state, fetched, snapshot)
    yield state
    after = state.seq or (max(0, snapshot.seq - history) if state.restarts == 0 else snapshot.seq)
    inbox: asyncio.Queue[Line | DoorError] = asyncio.Queue(_WAITING)
    pump = asyncio.create_task(_pump(connection, after, inbox))
    try:
        while True:
            lines = [await inbox.get()]
            await clock.sleep(max(0.0, fetched + pause - clock.monotonic()))
            while not inbox.empty():
                lines.append(inbox.get_nowait())
            entries = [line for line in lines if isinstance(line, Entry)]
            if entries and entries[-1].seq > snapshot.seq:
                began = clock.monotonic()
                snapshot = await connection.snapshot()
                fetched = clock.monotonic()
                pause = max(refetch, RESPITE * (fetched - began))
            state = heard(state, clock.monotonic(), snapshot, entries)
            yield state
            for line in lines:
                if isinstance(line, DoorError):
                    raise line
    finally:
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)


async def _pump(connection: Connection, after: int, inbox: asyncio.Queue[Line | DoorError]) -> None:
    """Carry lines into the inbox; the last thing there is why the stream ended."""
    try:
        async with aclosing(connection.lines(after)) as lines:
            async for line in lines:
                if isinstance(line, Ended):
                    await inbox.put(DoorError(line.end))
                    return
                await inbox.put(line)
        await inbox.put(DoorError("the daemon closed the event stream"))
    except DoorError as problem:
        await inbox.put(problem)
