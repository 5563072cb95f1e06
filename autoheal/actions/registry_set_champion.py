"""``registry.set_champion``: which version is meant to serve. With ``previous`` it is compare-and-set."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import ClassVar

from pydantic import BaseModel

from autoheal.actions.contract import ActionContext, ActionParams, Done, NotDone
from autoheal.actions.targets.champion import Moved
from autoheal.domain.names import StepKey


class SetChampionParams(ActionParams):
    """``previous``: the champion that the plan was made for; any other one means that somebody else moved it."""

    OUTPUTS: ClassVar = ("version", "previous")

    model: str
    version: str
    previous: str | None = None


class SetChampion:
    name: ClassVar[str] = "registry.set_champion"
    idempotent: ClassVar[bool] = True
    Params: ClassVar[type[BaseModel]] = SetChampionParams

    async def probe(self, key: StepKey, params: SetChampionParams, ctx: ActionContext) -> Done | NotDone:
        moved = await asyncio.to_thread(ctx.registry.moved_by, params.model, ctx.effect(key))
        return _done(moved) if moved else NotDone()

    async def apply(self, key: StepKey, params: SetChampionParams, ctx: ActionContext) -> Done:
        move = partial(
            ctx.registry.set_champion,
            params.model,
            params.version,
            by=str(key),
            at=ctx.clock.now(),
            key=ctx.effect(key),
            previous=params.previous,
        )
        return _done(await asyncio.to_thread(move))


def _done(moved: Moved) -> Done:
    return Done({"version": moved.version, "previous": moved.previous})
