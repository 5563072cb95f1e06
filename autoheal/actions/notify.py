"""``notify``: tell people. Done means that the message is safely in the outbox, which delivers with retries.

So a dead webhook never holds a heal up, and a crash loses no message: at worst one is delivered twice, with the same
idempotency key.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, Field

from autoheal.actions.contract import ActionContext, ActionParams, Done, NotDone
from autoheal.domain.names import StepKey
from autoheal.errors import ActionRefused


class NotifyParams(ActionParams):
    OUTPUTS: ClassVar = ()

    to: str
    text: str = Field(max_length=10_000)
    model: str = ""


class Notify:
    name: ClassVar[str] = "notify"
    idempotent: ClassVar[bool] = True
    Params: ClassVar[type[BaseModel]] = NotifyParams

    async def probe(self, key: StepKey, params: NotifyParams, ctx: ActionContext) -> Done | NotDone:  # noqa: ARG002 - the key says it all
        return Done() if ctx.outbox.posted(ctx.effect(key)) else NotDone()

    async def apply(self, key: StepKey, params: NotifyParams, ctx: ActionContext) -> Done:
        if params.to not in ctx.outbox.names():
            known = ", ".join(sorted(ctx.outbox.names())) or "none"
            raise ActionRefused(f"no notifier is called {params.to!r}; there are: {known}")
        facts = {"step": str(key), "at": ctx.clock.now().isoformat()}
        if params.model:
            facts["model"] = params.model
        await ctx.outbox.post(ctx.effect(key), params.to, params.text, facts)
        return Done()
