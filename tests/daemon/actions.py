"""Actions that really do something (lines in a file), so that tests can count effects over crashes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from autoheal.actions.contract import ActionContext, Done, NotDone, Running, Unsure
from autoheal.domain.names import StepKey
from autoheal.errors import ActionError, ActionRefused


class Params(BaseModel):
    model_config = ConfigDict(extra="forbid")
    model: str
    how: str = "well"


class Ledger:
    """The outside world: one line an effect."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, *words: object) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps([str(w) for w in words]) + "\n")

    def lines(self) -> list[list[str]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def effects(self, key: str = "") -> list[list[str]]:
        return [line for line in self.lines() if line[0] == "effect" and (not key or line[1] == key)]


class Act:
    """Does as ``how`` says. Its effect is a line with the key; the probe looks for that line."""

    name: ClassVar[str] = "act"
    idempotent: ClassVar[bool] = True
    Params: ClassVar[type[BaseModel]] = Params

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.now = 0
        self.most = 0
        self.gate = asyncio.Event()

    async def probe(self, key: StepKey, params: Any, ctx: ActionContext) -> Done | NotDone | Running | Unsure:
        self.ledger.add("probe", key, params.how)
        if params.how == "unsure":
            return Unsure("it left no trace")
        if params.how == "probe breaks":
            raise OSError("the target is away")
        if params.how == "running":
            return Running()
        return Done({"key": key, "found": True}) if self.ledger.effects(key) else NotDone()

    async def apply(self, key: StepKey, params: Any, ctx: ActionContext) -> Done:
        self.ledger.add("apply", key)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            return await self._apply(key, params.how)
        finally:
            self.now -= 1

    async def _apply(self, key: StepKey, how: str) -> Done:
        match how:
            case "refuse":
                raise ActionRefused("not better than the champion")
            case "break":
                raise ActionError("target said 500", retryable=True)
            case "break once" if len([e for e in self.ledger.lines() if e[:2] == ["apply", key]]) == 1:
                raise ActionError("target said 503", retryable=True)
            case "surprise":
                raise ZeroDivisionError("a bug")
            case "socket timeout":
                raise TimeoutError("from inside")
            case "hang":
                await asyncio.Event().wait()
            case "hang after the effect":
                self.ledger.add("effect", key)
                await asyncio.Event().wait()
            case "deaf":
                await self._deaf()
            case "gate":
                await self.gate.wait()
            case "nothing":
                return None  # type: ignore[return-value]
            case "odd outputs":
                return Done({"x": object()})
        self.ledger.add("effect", key)
        return Done({"key": key})

    async def _deaf(self) -> None:
        while not self.gate.is_set():
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                continue


class Once(Act):
    """The same, but doing it twice is not harmless."""

    name: ClassVar[str] = "once"
    idempotent: ClassVar[bool] = False
