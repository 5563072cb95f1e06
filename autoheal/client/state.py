"""What a reader knows: the newest snapshot, the tail of events, and how the link does. Pure.

The world is not folded here (that is the engine's business): when entries arrive, a new snapshot replaces the old one.
Called by ``client.watch``; the dashboard draws from it. Times of the link are *real* monotonic seconds, because the
daemon's clock may run at another speed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from autoheal.api.wire import Snapshot
from autoheal.domain.events import Entry

#: Seconds without a sign of life after which data is old: three heartbeats.
STALE_AFTER = 15.0
#: Seconds before each new try; the last one repeats.
BACKOFF = (0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class Link:
    """``retrying`` waits until ``retry_at`` for try ``attempt``; ``detail`` says what went wrong."""

    state: Literal["connecting", "live", "retrying"] = "connecting"
    detail: str = ""
    attempt: int = 0
    retry_at: float = 0.0
    heard_at: float = 0.0


@dataclass(frozen=True, slots=True)
class ClientState:
    """``tail`` is in order without gaps; ``restarts`` counts how often it had to begin anew (the log went on too far)."""

    link: Link = field(default_factory=Link)
    snapshot: Snapshot | None = None
    tail: tuple[Entry, ...] = ()
    restarts: int = 0

    @property
    def seq(self) -> int:
        """The last entry of the tail: where the stream resumes."""
        return self.tail[-1].seq if self.tail else 0


def delay(attempt: int) -> float:
    """Seconds before try ``attempt`` (from 1). Without jitter: few readers, and tests that can be read."""
    return BACKOFF[min(attempt, len(BACKOFF)) - 1]


def is_stale(link: Link, at: float) -> bool:
    """Whether what is shown is old: the link is down, or nothing was heard for ``STALE_AFTER``."""
    return link.state == "retrying" or (link.state == "live" and at - link.heard_at > STALE_AFTER)


def heard(
    state: ClientState,
    at: float,
    snapshot: Snapshot | None = None,
    entries: Sequence[Entry] = (),
    *,
    keep: int = 1000,
) -> ClientState:
    """A sign of life at ``at``, perhaps with a newer snapshot and new entries; entries known already are dropped."""
    last = state.seq
    fresh = tuple(e for e in entries if e.seq > last)
    tail = (*state.tail, *fresh)[-keep:]
    return replace(state, link=Link("live", heard_at=at), snapshot=snapshot or state.snapshot, tail=tail)


def lost(state: ClientState, at: float, detail: str) -> ClientState:
    """The link broke at ``at``; what is known stays."""
    attempt = state.link.attempt + 1
    link = Link("retrying", detail, attempt, at + delay(attempt), state.link.heard_at)
    return replace(state, link=link)


def restarted(state: ClientState) -> ClientState:
    """The tail cannot be continued (the log is another one, or has moved on too far): begin anew."""
    return replace(state, tail=(), restarts=state.restarts + 1)
