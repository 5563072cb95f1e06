"""What a notifier is: it takes one message to people or other systems, or says whether another try may help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from autoheal.errors import AutohealError


class DeliveryError(AutohealError):
    """A message was not taken. ``after`` is the real seconds that the receiver asked us to wait, 0 for none."""

    def __init__(self, message: str, *, retryable: bool, after: float = 0.0) -> None:
        self.retryable = retryable
        self.after = after
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Message:
    """``key`` stays the same over retries, so that a receiver can tell a repeat; ``facts`` are for machines."""

    key: str
    to: str
    text: str
    facts: Mapping[str, str] = field(default_factory=dict)


class Notifier(Protocol):
    """A plug-in: one receiver, by the name that runbooks write under ``to:``."""

    @property
    def name(self) -> str: ...

    async def send(self, message: Message) -> None:
        """Deliver, within a bounded time. Raises DeliveryError."""
        ...
