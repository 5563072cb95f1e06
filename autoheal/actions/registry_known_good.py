"""``registry.known_good``: which version served healthy last, from the champion's history. Reads only.

``candidates`` are others that served before, the latest first: what ``evaluate.candidate`` may score beside it.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, Final

from pydantic import BaseModel

from autoheal.actions.contract import ActionContext, ActionParams, Done, NotDone
from autoheal.domain.names import StepKey
from autoheal.errors import ActionRefused

#: Others that are proposed: each one more asks for more evidence of all.
OTHERS: Final = 2


class KnownGoodParams(ActionParams):
    OUTPUTS: ClassVar = ("version", "champion", "candidates")

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
        present = champion.version if champion else ""
        others = await asyncio.to_thread(_others, ctx, params.model, {found, present})
        return Done({"version": found, "champion": present, "candidates": others})


def _others(ctx: ActionContext, model: str, taken: set[str]) -> list[str]:
    """Versions that served before and are still there, the latest first."""
    served = [line.version for line in reversed(ctx.registry.history(model))]
    known = [v for v in dict.fromkeys(served) if v not in taken and ctx.registry.has(model, v)]
    return known[:OTHERS]
