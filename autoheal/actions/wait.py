"""``wait``: let policy time pass, counted from the first start of the step, over restarts."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from autoheal.actions.contract import ActionContext, ActionParams, Done, NotDone, Running
from autoheal.domain.durations import Duration
from autoheal.domain.names import StepKey
from autoheal.durable import make_folder, replace_file


class WaitParams(ActionParams):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    OUTPUTS: ClassVar = ()

    duration: Duration = Field(alias="for")


class Wait:
    name: ClassVar[str] = "wait"
    idempotent: ClassVar[bool] = True
    Params: ClassVar[type[BaseModel]] = WaitParams

    async def probe(self, key: StepKey, params: WaitParams, ctx: ActionContext) -> Done | NotDone | Running:
        begun = _begun(key, ctx)
        if begun is None:
            return NotDone()
        return Done() if ctx.clock.now() >= begun + params.duration else Running()

    async def apply(self, key: StepKey, params: WaitParams, ctx: ActionContext) -> Done:
        begun = _begun(key, ctx)
        if begun is None:
            begun = ctx.clock.now()
            make_folder(ctx.job(key))
            replace_file(ctx.job(key) / "begun", begun.isoformat().encode())
        await ctx.clock.sleep_until(begun + params.duration)
        return Done()


def _begun(key: StepKey, ctx: ActionContext) -> datetime | None:
    try:
        return datetime.fromisoformat((ctx.job(key) / "begun").read_text(encoding="ascii"))
    except FileNotFoundError:
        return None
