"""``registry.known_good``: which version served healthy last, from the champion's history. Reads only."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from pydantic import BaseModel

from autoheal.actions.contract import ActionContext, ActionParams, Done, NotDone
from autoheal.domain.names import StepKey
from autoheal.errors import ActionRefused


class KnownGoodParams(ActionParams):
    OUTPUTS: ClassVar = ("version", "champion")

    model: str


class KnownGood:
    name: ClassVar[str] = "registry.known_good"
    idempotent: ClassVar[bool] = True
    Params: ClassVar[type[BaseModel]] = KnownGoodParams

    async def probe(self, key: StepKey, params: KnownGoodParams, ctx: ActionContext) -> NotDone:  # noqa: ARG002 - nothing is ever left behind
        return NotDone()

    async def apply(self, key: StepKey, params: KnownGoodParams, ctx: ActionContext) -> Done:  # noqa: ARG002 - reads only
        champion = await asyncio.to_thread(ctx.registry.champion, params.model)
        found = await asyncio.to_thread(ctx.registry.known_good, params.model)
        if found is None:
            raise ActionRefused(f"{params.model} has no known good version besides its champion")
        return Done({"version": found, "champion": champion.version if champion else ""})
