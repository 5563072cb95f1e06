"""Notifier ``log``: the daemon's own log, which is always there."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from autoheal.notifiers.contract import Message

_LOG = logging.getLogger("autoheal.notify")


@dataclass(frozen=True, slots=True)
class LogNotifier:
    name: str = "log"

    async def send(self, message: Message) -> None:
        facts = " ".join(f"{key}={value}" for key, value in message.facts.items())
        _LOG.info("%s: %s [%s]", message.to, message.text.replace("\n", " / "), facts)
