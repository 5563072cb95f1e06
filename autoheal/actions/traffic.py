"""``traffic.shift``, ``traffic.fallback``, ``traffic.restore``: who answers, through the gateway.

Each reads the route, plans new weights on that revision and sets them with the step key. The gateway remembers keys,
so ``probe`` sees whether the change happened, and what was before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, Field

from autoheal.actions.contract import ActionContext, ActionParams, Done, NotDone
from autoheal.domain.names import StepKey
from autoheal.errors import ActionRefused

if TYPE_CHECKING:
    from autoheal.actions.targets.gateway import GatewayClient, Route


class ShiftParams(ActionParams):
    """``percent`` of the traffic goes to ``version``; the others share the rest as they shared all before."""

    OUTPUTS: ClassVar = ("version", "percent", "previous")

    model: str
    version: str
    percent: float = Field(default=100.0, ge=0.0, le=100.0)


class RouteParams(ActionParams):
    OUTPUTS: ClassVar = ("version", "previous")

    model: str


class Shift:
    name: ClassVar[str] = "traffic.shift"
    idempotent: ClassVar[bool] = True
    Params: ClassVar[type[BaseModel]] = ShiftParams

    async def probe(self, key: StepKey, params: ShiftParams, ctx: ActionContext) -> Done | NotDone:
        previous = await _previous(key, params.model, ctx)
        return NotDone() if previous is None else _shifted(params, previous)

    async def apply(self, key: StepKey, params: ShiftParams, ctx: ActionContext) -> Done:
        if not await asyncio.to_thread(ctx.registry.has, params.model, params.version):
            raise ActionRefused(f"the registry has no version {params.version} of {params.model}")
        gateway = _gateway(ctx)
        route = await gateway.route(params.model)
        previous = await _set(
            key, params.model, ctx, route, _shared(route.weights, params.version, params.percent)
        )
        return _shifted(params, previous)


class _Whole:
    """All traffic to one version."""

    idempotent: ClassVar[bool] = True
    Params: ClassVar[type[BaseModel]] = RouteParams

    async def probe(self, key: StepKey, params: RouteParams, ctx: ActionContext) -> Done | NotDone:
        previous = await _previous(key, params.model, ctx)
        if previous is None:
            return NotDone()
        return _went(await _gateway(ctx).route(params.model), previous)


class Fallback(_Whole):
    """All traffic to the model's stand-in."""

    name: ClassVar[str] = "traffic.fallback"

    async def apply(self, key: StepKey, params: RouteParams, ctx: ActionContext) -> Done:
        route = await _gateway(ctx).route(params.model)
        version = route.fallback or ctx.spec(params.model).fallback
        if not version:
            raise ActionRefused(f"{params.model} has no stand-in")
        previous = await _set(key, params.model, ctx, route, {version: 100.0})
        return Done({"version": version, "previous": dict(previous)})


class Restore(_Whole):
    """All traffic back to the registry's champion."""

    name: ClassVar[str] = "traffic.restore"

    async def apply(self, key: StepKey, params: RouteParams, ctx: ActionContext) -> Done:
        champion = await asyncio.to_thread(ctx.registry.champion, params.model)
        if champion is None:
            raise ActionRefused(f"{params.model} has no champion")
        route = await _gateway(ctx).route(params.model)
        previous = await _set(key, params.model, ctx, route, {champion.version: 100.0})
        return Done({"version": champion.version, "previous": dict(previous)})


def _gateway(ctx: ActionContext) -> GatewayClient:
    if ctx.gateway is None:
        raise ActionRefused("no gateway is configured: write gateway: {url: ...} into the daemon's settings")
    return ctx.gateway


async def _previous(key: StepKey, model: str, ctx: ActionContext) -> Mapping[str, float] | None:
    """The weights before this key's change, or None when it made none."""
    move = (await _gateway(ctx).route(model)).moved_by(ctx.effect(key))
    return move.previous if move else None


async def _set(
    key: StepKey, model: str, ctx: ActionContext, route: Route, weights: Mapping[str, float]
) -> Mapping[str, float]:
    """Set the weights unless this key did before; the weights before its change."""
    effect = ctx.effect(key)
    if done := route.moved_by(effect):
        return done.previous
    after = await _gateway(ctx).put(model, weights, key=effect, if_revision=route.revision)
    done = after.moved_by(effect)
    return done.previous if done else route.weights


def _shared(weights: Mapping[str, float], version: str, percent: float) -> dict[str, float]:
    """The new weights, which add up to 100."""
    others = {name: share for name, share in weights.items() if name != version and share > 0}
    total = sum(others.values())
    if not total:
        if percent < 100.0:
            raise ActionRefused(f"{100 - percent:g} % of the traffic would have nowhere to go")
        return {version: 100.0}
    rest = {name: share * (100.0 - percent) / total for name, share in others.items()}
    return {name: share for name, share in {**rest, version: percent}.items() if share > 0}


def _shifted(params: ShiftParams, previous: Mapping[str, float]) -> Done:
    return Done({"version": params.version, "percent": params.percent, "previous": dict(previous)})


def _went(route: Route, previous: Mapping[str, float]) -> Done:
    version = max(route.weights, key=lambda name: route.weights[name], default="")
    return Done({"version": version, "previous": dict(previous)})
