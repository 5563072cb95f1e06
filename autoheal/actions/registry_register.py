"""``registry.register``: make an immutable version of a candidate that passed its gate, with its reference.

The reference is what later windows of this version are compared with: its training data summarised, and how good it
was on the rows that were held back, as the gate measured it.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel

from autoheal.actions import dataset
from autoheal.actions.contract import ActionContext, ActionParams, Done, NotDone
from autoheal.domain.names import StepKey
from autoheal.domain.specs import ModelSpec
from autoheal.errors import ActionRefused


class RegisterParams(ActionParams):
    """``gated: false`` takes a candidate without a gate; its version then has no baseline to be measured against."""

    OUTPUTS: ClassVar = ("version",)

    model: str
    candidate: str
    gated: bool = True


class Register:
    name: ClassVar[str] = "registry.register"
    idempotent: ClassVar[bool] = True
    Params: ClassVar[type[BaseModel]] = RegisterParams

    async def probe(self, key: StepKey, params: RegisterParams, ctx: ActionContext) -> Done | NotDone:
        made = await asyncio.to_thread(ctx.registry.made_by, params.model, ctx.effect(key))
        return Done({"version": made.version}) if made else NotDone()

    async def apply(self, key: StepKey, params: RegisterParams, ctx: ActionContext) -> Done:
        return await asyncio.to_thread(_register, key, params, ctx)


def _register(key: StepKey, params: RegisterParams, ctx: ActionContext) -> Done:
    spec = ctx.spec(params.model)
    if made := ctx.registry.made_by(params.model, ctx.effect(key)):
        return Done({"version": made.version})
    gate = ctx.registry.notes(params.model, params.candidate, "gate")
    if params.gated and not (gate and gate.get("passed")):
        raise ActionRefused(f"candidate {params.candidate} of {params.model} has not passed its gate")
    origin = ctx.registry.notes(params.model, params.candidate, "origin") or {}
    version = ctx.registry.promote_candidate(
        params.model,
        params.candidate,
        key=ctx.effect(key),
        at=ctx.clock.now(),
        gate=(gate or {}).get("outputs", {}),
        reference=_reference(spec, Path(str(origin.get("dataset", ""))), gate or {}),
    )
    return Done({"version": version.version})


def _reference(spec: ModelSpec, data: Path, gate: dict[str, Any]) -> dict[str, Any]:
    """reference.json from the rows it was trained on and the gate's measurements."""
    from autoheal.telemetry.reference import build_reference  # noqa: PLC0415 - numpy, only here

    columns = dataset.read_columns(spec, data)
    return build_reference(
        spec.features, columns, gate.get("performance"), gate.get("latency_p95_ms"), slices=spec.slices
    )
