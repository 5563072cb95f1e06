"""``reference.anchor`` and ``reference.restore``: what a version is compared with from now on, and back again.

After a promotion of a version that came without a reference (CI registered it), or to stop comparing one with something
that no longer holds. A version that has a reference keeps it unless ``anew``: a retraining of ours brings its own.
Never from what is served now, since a sick window must not become the measure of health.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, ClassVar

from pydantic import BaseModel

from autoheal.actions.contract import ActionContext, ActionParams, Done, NotDone
from autoheal.domain.names import StepKey
from autoheal.domain.specs import ModelSpec


class AnchorParams(ActionParams):
    """``anew``: also when it has a reference. Outputs: ``how`` is kept or lineage, ``detail`` says which rows."""

    OUTPUTS: ClassVar = ("version", "how", "detail")

    model: str
    version: str
    anew: bool = False


class ReferenceAnchor:
    name: ClassVar[str] = "reference.anchor"
    idempotent: ClassVar[bool] = True
    Params: ClassVar[type[BaseModel]] = AnchorParams

    async def probe(self, key: StepKey, params: AnchorParams, ctx: ActionContext) -> Done | NotDone:
        made = await asyncio.to_thread(ctx.registry.anchored_by, params.model, ctx.effect(key))
        return _done(params, made.how, made.detail) if made else NotDone()

    async def apply(self, key: StepKey, params: AnchorParams, ctx: ActionContext) -> Done:
        return await asyncio.to_thread(_anchor, key, params, ctx)


class RestoreParams(ActionParams):
    OUTPUTS: ClassVar = ("version",)

    model: str
    version: str


class ReferenceRestore:
    name: ClassVar[str] = "reference.restore"
    idempotent: ClassVar[bool] = True
    Params: ClassVar[type[BaseModel]] = RestoreParams

    async def probe(self, key: StepKey, params: RestoreParams, ctx: ActionContext) -> Done | NotDone:
        undone = await asyncio.to_thread(ctx.registry.restored_by, params.model, ctx.effect(key))
        return Done({"version": params.version}) if undone else NotDone()

    async def apply(self, key: StepKey, params: RestoreParams, ctx: ActionContext) -> Done:
        ctx.spec(params.model)
        await asyncio.to_thread(
            ctx.registry.restore_reference,
            params.model,
            params.version,
            by=str(key),
            at=ctx.clock.now(),
            key=ctx.effect(key),
        )
        return Done({"version": params.version})


def _anchor(key: StepKey, params: AnchorParams, ctx: ActionContext) -> Done:
    from autoheal.actions.lineage import of_lineage  # noqa: PLC0415 - orjson, only here

    spec, registry = ctx.spec(params.model), ctx.registry
    if made := registry.anchored_by(params.model, ctx.effect(key)):
        return _done(params, made.how, made.detail)
    if not params.anew and registry.reference_path(params.model, params.version) is not None:
        return _done(params, "kept", "")
    story = of_lineage(spec, registry, params.version, lambda since, until: _served(ctx, spec, since, until))
    line = registry.anchor(
        params.model,
        params.version,
        story.reference,
        how="lineage",
        by=str(key),
        at=ctx.clock.now(),
        detail=story.detail,
        key=ctx.effect(key),
    )
    return _done(params, line.how, line.detail)


def _served(ctx: ActionContext, spec: ModelSpec, since: datetime, until: datetime) -> list[dict[str, Any]]:
    from autoheal.telemetry.served_reference import MOST_ROWS  # noqa: PLC0415 - numpy, only here

    rows = ctx.telemetry.served(spec.name, since=since, until=until, limit=MOST_ROWS)
    return [row["features"] for row in reversed(rows)]


def _done(params: AnchorParams, how: str, detail: str) -> Done:
    return Done({"version": params.version, "how": how, "detail": detail})
