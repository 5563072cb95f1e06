"""Commands that are sent twice act once: what each ``Idempotency-Key`` led to, in memory and bounded.

A client that lost the answer repeats the command under its key and gets the first answer. The same key with another
body is a mistake of the client and refused. Failures are not remembered: repeating them is how they are overcome.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from autoheal.api.faults import Refused

Answer = TypeVar("Answer")


@dataclass(slots=True)
class Remembered:
    """The newest ``size`` keyed commands of one app."""

    size: int = 1000
    _seen: OrderedDict[str, tuple[str, asyncio.Task[Any]]] = field(default_factory=OrderedDict)

    async def once(self, key: str, body: str, command: Coroutine[Any, Any, Answer]) -> Answer:
        """The answer of ``command``, or of the one that came earlier under ``key``; an empty key is never shared."""
        if not key:
            return await command
        if key in self._seen:
            command.close()
            return cast("Answer", await self._earlier(key, body))
        task = asyncio.ensure_future(command)
        self._seen[key] = (body, task)
        while len(self._seen) > self.size:
            self._seen.popitem(last=False)
        try:
            return await asyncio.shield(task)
        except Exception:
            self._seen.pop(key, None)
            raise

    async def _earlier(self, key: str, body: str) -> object:
        first, task = self._seen[key]
        if first != body:
            raise Refused(422, "this Idempotency-Key was used for another command; take a new one")
        return await asyncio.shield(task)
