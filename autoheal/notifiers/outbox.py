"""The outbox: messages on the disk until they are delivered, so that no crash makes a heal silent.

``post`` is durable when it returns and never waits for a receiver; ``run`` is the supervised task that delivers, each
receiver's messages in order, with back-off in real time. Every message also goes to the log at once. What surprises:
it is bounded a receiver: when full, the *oldest* message gives way (and is counted), for news outranks history; and a
message that was delivered just before a crash may be delivered once more, with the same key.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from autoheal.clock import Clock
from autoheal.durable import PASSING, make_folder, replace_file
from autoheal.notifiers.contract import DeliveryError, Message, Notifier
from autoheal.notifiers.log import LogNotifier

_LOG = logging.getLogger(__name__)
_MESSAGE: Final = TypeAdapter(Message)
#: Undelivered messages of one receiver.
ROOM: Final = 200
#: Keys of settled messages that are remembered, so that a repeated step posts nothing.
MEMORY: Final = 2000
#: Real seconds between tries, doubling from the first to the last.
FIRST_PAUSE: Final = 1.0
LAST_PAUSE: Final = 300.0
TRIES: Final = 50


class Outbox:
    """``folder`` is for this outbox alone. Names without a notifier are kept until one is configured again."""

    def __init__(
        self, folder: Path, notifiers: Sequence[Notifier], clock: Clock, *, room: int = ROOM
    ) -> None:
        self._waiting, self._settled = folder / "waiting", folder / "settled"
        self._clock = clock
        self._room = room
        self._notifiers = {n.name: n for n in notifiers}
        self._news = asyncio.Event()
        self._posting = asyncio.Lock()
        self._log = LogNotifier()
        self.delivered = 0
        self.dropped = 0
        self.given_up = 0
        for part in (self._waiting, self._settled):
            make_folder(part)
            for unfinished in part.glob(f"{PASSING}*"):
                unfinished.unlink()
        self._order = 1 + max((_number(p) for p in self._waiting.iterdir()), default=0)

    def names(self) -> Sequence[str]:
        return tuple(self._notifiers)

    def configure(self, notifiers: Sequence[Notifier]) -> None:
        """Take the notifiers of a new configuration."""
        self._notifiers = {n.name: n for n in notifiers}
        self._news.set()

    def posted(self, key: str) -> bool:
        """Whether the message of this key is waiting or settled."""
        name = _digest(key)
        return (self._settled / name).exists() or any(self._waiting.glob(f"*-{name}"))

    @property
    def waiting(self) -> int:
        return sum(1 for _ in self._waiting.iterdir())

    async def post(self, key: str, to: str, text: str, facts: Mapping[str, str]) -> None:
        """Keep a message for delivery; the same key again changes nothing."""
        message = Message(key, to, text, dict(facts))
        async with self._posting:
            fresh = await asyncio.to_thread(self._keep, message)
        if fresh:
            await self._log.send(message)
            self._news.set()

    async def run(self) -> None:
        """Deliver for ever; a supervised task. Each receiver has a task of its own while it has messages."""
        busy: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                self._news.clear()
                for to in {message.to for _, message in await asyncio.to_thread(self._all)}:
                    if to in self._notifiers and to not in busy:
                        busy[to] = asyncio.create_task(self._drain(to), name=f"outbox {to}")
                news = asyncio.ensure_future(self._news.wait())
                await asyncio.wait({news, *busy.values()}, return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
                for to in [to for to, task in busy.items() if task.done()]:
                    busy.pop(to).result()
        finally:
            for task in busy.values():
                task.cancel()
            await asyncio.gather(*busy.values(), return_exceptions=True)

    async def _drain(self, to: str) -> None:
        """One receiver's messages in order, until none is left."""
        while (notifier := self._notifiers.get(to)) is not None:
            mine = [(path, m) for path, m in await asyncio.to_thread(self._all) if m.to == to]
            if not mine:
                return
            path, message = mine[0]
            if await self._deliver(notifier, message):
                await asyncio.to_thread(self._settle, path, message)

    async def _deliver(self, notifier: Notifier, message: Message) -> bool:
        """Try until it is taken or given up; False when its receiver is no longer configured."""
        pause = FIRST_PAUSE
        for _ in range(TRIES):
            try:
                await notifier.send(message)
            except DeliveryError as error:
                if not error.retryable:
                    _LOG.error("%s does not take a message: %s", message.to, error)
                    break
                _LOG.warning(
                    "%s is not reached, next try in %g s: %s", message.to, max(pause, error.after), error
                )
                await self._clock.sleep(max(pause, error.after))
                pause = min(2 * pause, LAST_PAUSE)
                if self._notifiers.get(message.to) is not notifier:
                    return False
            else:
                self.delivered += 1
                return True
        self.given_up += 1
        return True

    def _keep(self, message: Message) -> bool:
        if self.posted(message.key):
            return False
        mine = [path for path, waiting in self._all() if waiting.to == message.to]
        for path in mine[: len(mine) + 1 - self._room]:
            path.unlink(missing_ok=True)
            self.dropped += 1
        name = f"{self._order:012d}-{_digest(message.key)}"
        self._order += 1
        replace_file(self._waiting / name, _MESSAGE.dump_json(message))
        return True

    def _all(self) -> list[tuple[Path, Message]]:
        """Waiting messages, the oldest first; what cannot be read is set aside."""
        found = []
        for path in sorted(p for p in self._waiting.iterdir() if not p.name.startswith(".")):
            message = _read(path)
            if message is None:
                path.unlink(missing_ok=True)
            else:
                found.append((path, message))
        return found

    def _settle(self, path: Path, message: Message) -> None:
        """First remember the key, then forget the message: a crash in between repeats nothing."""
        replace_file(self._settled / _digest(message.key), b"")
        path.unlink(missing_ok=True)
        known = sorted(self._settled.iterdir(), key=lambda p: p.stat().st_mtime)
        for old in known[:-MEMORY]:
            old.unlink(missing_ok=True)


def _read(path: Path) -> Message | None:
    try:
        return _MESSAGE.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        _LOG.exception("a message in the outbox cannot be read: %s", path.name)
        return None


def _digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()[:24]


def _number(path: Path) -> int:
    head = path.name.split("-", 1)[0]
    return int(head) if head.isascii() and head.isdigit() else 0
