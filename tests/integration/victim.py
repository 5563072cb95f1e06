"""The real daemon, with one wish: to be killed at a chosen moment of a chosen step.

``python victim.py CONFIG STEP before|after``: SIGKILL to itself right before or right after the effect of the step with
this id, the first time. Only the table of actions is wrapped; everything else is the daemon as it is.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from autoheal.actions import ACTIONS
from autoheal.cli import invoke
from autoheal.daemon import app


class Deadly:
    def __init__(self, action: Any, step: str, when: str) -> None:
        self._action, self._step, self._when = action, step, when
        self.name, self.idempotent, self.Params = action.name, action.idempotent, action.Params

    async def probe(self, key: Any, params: Any, ctx: Any) -> Any:
        return await self._action.probe(key, params, ctx)

    async def apply(self, key: Any, params: Any, ctx: Any) -> Any:
        mine = str(key).endswith(f"/{self._step}")
        if mine and self._when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        done = await self._action.apply(key, params, ctx)
        if mine:
            os.kill(os.getpid(), signal.SIGKILL)
        return done


class DeadlyActions(Mapping[str, Any]):
    def __init__(self, step: str, when: str) -> None:
        self._step, self._when = step, when

    def __getitem__(self, name: str) -> Any:
        return Deadly(ACTIONS[name], self._step, self._when)

    def __iter__(self) -> Iterator[str]:
        return iter(ACTIONS)

    def __len__(self) -> int:
        return len(ACTIONS)


app.ACTIONS = DeadlyActions(sys.argv[2], sys.argv[3])
sys.exit(invoke(["run", "--config", sys.argv[1]]))
