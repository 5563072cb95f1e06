"""What people may do: each POST is checked against the world, then becomes one event in the log, signed by its actor.

The check here is for the person (a clear 404 or 409 at once); the engine decides anew on the event, so a race between
the two is harmless. Only the control socket mounts these routes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Header, Request
from pydantic import BaseModel

from autoheal.api.faults import Refused, documented
from autoheal.api.hub import Hub
from autoheal.api.parts import ActorPart, HubPart, RememberedPart
from autoheal.api.wire import (
    Accepted,
    ApprovalAnswer,
    NoteRequest,
    PauseRequest,
    Reloaded,
    ResumeRequest,
    RunRequest,
    SilenceRequest,
)
from autoheal.domain.events import (
    ApprovalAnswered,
    IncidentClosedByPerson,
    PauseLifted,
    PauseSet,
    RunCancelled,
    RunRequested,
    RunStarted,
    SilenceSet,
)
from autoheal.domain.names import ApprovalId, IncidentId, ModelName, RunId, RunState
from autoheal.domain.records import Approval, Pause, Silence
from autoheal.domain.world import World

FLEET = "fleet"
Answer = TypeVar("Answer")
router = APIRouter(prefix="/v1", responses=documented(400, 403, 404, 409, 413, 422, 503))
#: Two silences must not take the same number: asking for the seq and using it are one step.
_numbering = asyncio.Lock()


class Command:
    """One call: who, under which key, on what hub."""

    def __init__(
        self,
        request: Request,
        hub: HubPart,
        actor: ActorPart,
        remembered: RememberedPart,
        idempotency_key: Annotated[
            str, Header(max_length=200, description="Repeat a command under its key: it acts once")
        ] = "",
    ) -> None:
        self.hub = hub
        self.actor = actor
        self._remembered = remembered
        self._place = request.url.path
        self._key = idempotency_key

    @property
    def world(self) -> World:
        return self.hub.kernel.world

    @property
    def now(self) -> datetime:
        return self.hub.clock.now()

    async def once(self, body: BaseModel | None, work: Coroutine[Any, Any, Answer]) -> Answer:
        key = f"{self.actor} {self._place} {self._key}" if self._key else ""
        return await self._remembered.once(key, "" if body is None else body.model_dump_json(), work)


CommandPart = Annotated[Command, Depends(Command)]


@router.post("/reload", summary="Read the configuration again; on problems the last good set stays")
async def reload(command: CommandPart) -> Reloaded:
    async def work() -> Reloaded:
        problems = tuple(await command.hub.reload(command.actor))
        return Reloaded(not problems, problems)

    return await command.once(None, work())


@router.post("/approvals/{approval_id}", summary="Answer an open question, bound to the plan that was shown")
async def answer(approval_id: str, body: ApprovalAnswer, command: CommandPart) -> Accepted:
    async def work() -> Accepted:
        asked = _open_approval(command.world, approval_id, body.plan_hash)
        event = ApprovalAnswered(asked.id, body.answer, body.plan_hash, command.actor, body.note)
        return Accepted(await command.hub.kernel.submit(event))

    return await command.once(body, work())


def _open_approval(world: World, approval_id: str, plan_hash: str) -> Approval:
    asked = world.approvals.get(ApprovalId(approval_id))
    if asked is None:
        raise Refused(404, f"there is no approval {_shown(approval_id)}")
    if asked.state != "open":
        raise Refused(
            409, f"{asked.id} is {asked.state} already{f' by {asked.actor}' if asked.actor else ''}"
        )
    if asked.plan_hash != plan_hash:
        raise Refused(
            409, f"{asked.id} asks about another plan now (hash {asked.plan_hash}); look at it again"
        )
    return asked


@router.post("/pause", summary="Decide, but do not act: for the fleet or one model")
async def pause(body: PauseRequest, command: CommandPart) -> Accepted:
    async def work() -> Accepted:
        now = command.now
        _check_scope(command.world, body.scope)
        if body.until is not None and body.until <= now:
            raise Refused(422, f"until is in the past: it is {now.isoformat()}")
        event = PauseSet(Pause(body.scope, command.actor, body.reason, now, body.until))
        return Accepted(await command.hub.kernel.submit(event))

    return await command.once(body, work())


@router.post("/resume", summary="Lift a pause")
async def resume(body: ResumeRequest, command: CommandPart) -> Accepted:
    async def work() -> Accepted:
        if body.scope not in command.world.pauses:
            raise Refused(409, f"{_shown(body.scope)} is not paused")
        return Accepted(await command.hub.kernel.submit(PauseLifted(body.scope, command.actor)))

    return await command.once(body, work())


def _check_scope(world: World, scope: str) -> None:
    if scope != FLEET and scope not in _models(world):
        raise Refused(404, f"there is no model {_shown(scope)} (scope is {FLEET} or a model's name)")


def _models(world: World) -> set[str]:
    return set(world.models) | set(world.config.models)


@router.post("/silences", summary="Let matching alarms open no incident for a while")
async def silence(body: SilenceRequest, command: CommandPart) -> Accepted:
    async def work() -> Accepted:
        now = command.now
        if body.until <= now:
            raise Refused(422, f"until is in the past: it is {now.isoformat()}")
        async with _numbering:
            name = f"S-{command.world.seq + 1}"
            event = SilenceSet(
                Silence(name, body.target, body.path, command.actor, body.reason, now, body.until)
            )
            return Accepted(await command.hub.kernel.submit(event))

    return await command.once(body, work())


@router.post("/silences/{silence_id}/expire", summary="End a silence now")
async def expire(silence_id: str, command: CommandPart) -> Accepted:
    async def work() -> Accepted:
        now, known = command.now, command.world.silences.get(silence_id)
        if known is None:
            raise Refused(404, f"there is no silence {_shown(silence_id)}")
        if known.until <= now:
            raise Refused(409, f"{known.id} ended at {known.until.isoformat()}")
        return Accepted(await command.hub.kernel.submit(SilenceSet(replace(known, until=now))))

    return await command.once(None, work())


@router.post("/runs", summary="Start a runbook by hand for one model")
async def start_run(body: RunRequest, command: CommandPart) -> Accepted:
    async def work() -> Accepted:
        _check_run(command.world, body)
        event = RunRequested(body.runbook, ModelName(body.model), body.inputs, command.actor)
        seq = await command.hub.kernel.submit(event)
        return Accepted(seq, await _run_of(command.hub, seq))

    return await command.once(body, work())


def _check_run(world: World, body: RunRequest) -> None:
    runbook = world.config.runbooks.get(body.runbook)
    if runbook is None:
        raise Refused(
            404, f"there is no runbook {_shown(body.runbook)}; there are {_listed(world.config.runbooks)}"
        )
    if body.model not in _models(world):
        raise Refused(404, f"there is no model {_shown(body.model)}")
    if unknown := sorted(set(body.inputs) - set(runbook.inputs)):
        raise Refused(
            422, f"{body.runbook} has no input {_listed(unknown)}; it has {_listed(runbook.inputs)}"
        )
    busy = next(
        (r for r in world.runs.values() if r.model == body.model and r.state is RunState.RUNNING), None
    )
    if busy is not None:
        raise Refused(409, f"{busy.id} ({busy.runbook.name}) runs on {body.model}: one run per model")


async def _run_of(hub: Hub, seq: int) -> str:
    """The run that the request at ``seq`` started: its event follows in the same step."""
    for entry in await asyncio.to_thread(hub.log.read, seq, 20):
        if isinstance(entry.event, RunStarted):
            return entry.event.run.id
    return ""


@router.post("/runs/{run_id}/cancel", summary="Stop a run at the next step border")
async def cancel(run_id: str, body: NoteRequest, command: CommandPart) -> Accepted:
    async def work() -> Accepted:
        run = command.world.runs.get(RunId(run_id))
        if run is None:
            raise Refused(404, f"there is no run {_shown(run_id)}")
        if run.state is not RunState.RUNNING:
            raise Refused(409, f"{run.id} {run.state} already")
        return Accepted(await command.hub.kernel.submit(RunCancelled(run.id, command.actor, body.note)))

    return await command.once(body, work())


@router.post("/incidents/{incident_id}/close", summary="Close an incident by hand")
async def close(incident_id: str, body: NoteRequest, command: CommandPart) -> Accepted:
    async def work() -> Accepted:
        incident = command.world.incidents.get(IncidentId(incident_id))
        if incident is None:
            raise Refused(404, f"there is no incident {_shown(incident_id)}")
        if not incident.open:
            raise Refused(409, f"{incident.id} is closed already: {incident.outcome}")
        event = IncidentClosedByPerson(incident.id, command.actor, body.note)
        return Accepted(await command.hub.kernel.submit(event))

    return await command.once(body, work())


def _shown(name: str) -> str:
    return f"{name[:60]!a}"


def _listed(names: object) -> str:
    shown = sorted(str(n) for n in names) if hasattr(names, "__iter__") else []
    return ", ".join(shown[:12]) or "none"
