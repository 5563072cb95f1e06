"""One turn of the kernel: facts decided one after the other, their entries gathered for one append. No I/O.

Made and thrown away by the kernel; the world in it is a proposal until its entries are on the disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from autoheal.domain.events import Entry, Event, Ticked
from autoheal.domain.world import World

_LOG = logging.getLogger(__name__)


class Stepped(Protocol):
    """What deciding yields: ``autoheal.engine.step.Step``."""

    @property
    def world(self) -> World: ...

    @property
    def events(self) -> tuple[Event, ...]: ...

    @property
    def wake_at(self) -> datetime | None: ...


Decide = Callable[[World, Event, datetime], Stepped]


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that waits for a decision; ``done`` is told its number, None when the kernel itself brought it."""

    event: Event
    done: asyncio.Future[int] | None = None

    def tell(self, seq: int) -> None:
        if self.done is not None and not self.done.done():
            self.done.set_result(seq)

    def fail(self, error: Exception) -> None:
        if self.done is not None and not self.done.done():
            self.done.set_exception(error)


@dataclass(slots=True)
class Turn:
    """Starts with the world as published; ``take`` moves it on."""

    world: World
    decide: Decide
    entries: list[Entry] = field(default_factory=list)
    taken: list[tuple[Fact, int]] = field(default_factory=list)
    wake_at: datetime | None = None

    @property
    def decided(self) -> bool:
        return bool(self.taken)

    @property
    def ticked(self) -> bool:
        """Whether time itself was heard in this turn."""
        return any(isinstance(fact.event, Ticked) for fact, _ in self.taken)

    def take(self, fact: Fact, now: datetime) -> None:
        """Decide on one fact. An engine that chokes on a fact from outside refuses that fact alone; one that chokes
        on the passing of time is broken, and its error goes up."""
        first = self.world.seq + 1
        try:
            step = self.decide(self.world, fact.event, now)
        except Exception as error:
            if fact.done is None:
                raise
            _LOG.exception("the engine chokes on a %s; it is refused", fact.event.kind)
            fact.fail(error)
            return
        self.entries += [Entry(first + i, now, event) for i, event in enumerate(step.events)]
        self.taken.append((fact, first))
        self.world, self.wake_at = step.world, step.wake_at

    def tell(self) -> None:
        for fact, seq in self.taken:
            fact.tell(seq)

    def fail(self, error: Exception) -> None:
        for fact, _ in self.taken:
            fact.fail(error)
