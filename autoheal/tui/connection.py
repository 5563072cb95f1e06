"""The worker that follows the daemon and posts what it hears. I/O; it touches no widget.

A *feed* is whatever yields client states: a daemon over its socket, or a recording. The link's state machine
(connecting, live, stale, retrying) is in ``client.state`` and judged by ``viewstate.link_view``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

from textual.message import Message

from autoheal.client.connection import Connection
from autoheal.client.state import ClientState
from autoheal.client.watch import watch
from autoheal.clock import Clock
from autoheal.domain.past import Samples

#: Entries before the present that the tail begins with: many are findings, which it does not show.
HISTORY = 1000

#: Raw rows that a page shows.
SAMPLED = 50

Feed = Callable[[], AsyncGenerator[ClientState, None]]
#: Raw rows of a model; DoorError when nobody answers.
Sampler = Callable[[str], Awaitable[Samples]]


class News(Message):
    """The client knows more, or the link changed."""

    def __init__(self, state: ClientState) -> None:
        super().__init__()
        self.state = state


def daemon(socket: str | Path, clock: Clock) -> Feed:
    """The daemon behind ``socket``, through restarts and lost links."""

    async def follow() -> AsyncGenerator[ClientState, None]:
        async with (
            Connection(socket, clock=clock) as connection,
            aclosing(watch(connection, clock=clock, history=HISTORY)) as states,
        ):
            async for state in states:
                yield state

    return follow


def sampler(socket: str | Path, clock: Clock) -> Sampler:
    """Asks the daemon behind ``socket`` for raw rows of a model, on a connection of its own."""

    async def ask(model: str) -> Samples:
        async with Connection(socket, clock=clock) as connection:
            return await connection.samples(model, SAMPLED)

    return ask


async def report(feed: Feed, post: Callable[[Message], object]) -> None:
    """Post every state of ``feed`` until it ends or the worker is cancelled."""
    async with aclosing(feed()) as states:
        async for state in states:
            post(News(state))
