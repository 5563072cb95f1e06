"""``evaluate.gate``: may this candidate become a version? Better than the champion and than nothing. Reads only.

Judged on the rows that ``data.validate`` held back: the evidence, then against the best constant answer, then latency.
What surprises: rows that the champion may have been trained on are left out as far as they can be, since they flatter
it; and "not better" is a refusal *for now*, because a candidate made of more rows is another one.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import BaseModel, Field

from autoheal.actions import baseline, comparing, dataset
from autoheal.actions.cleaning import Row
from autoheal.actions.comparing import EVIDENCE, Answers
from autoheal.actions.contract import ActionContext, ActionParams, Done, NotDone
from autoheal.domain.names import StepKey
from autoheal.domain.specs import ModelSpec
from autoheal.errors import ActionRefused

if TYPE_CHECKING:
    from autoheal.actions.targets.model_server import ModelServer

#: One-row requests whose time is taken.
LATENCY_ROWS: Final = 40


class GateParams(ActionParams):
    """``at_least``: smallest gain (accuracy points, or share of the mean absolute error). ``evidence``: log e, by default
    ln 20 for each candidate that was made against this champion (as far as they are kept), lest the fifth try wins by
    luck. ``max_latency``: how many times the champion's p95 the candidate's may be."""

    OUTPUTS: ClassVar = comparing.OUTPUTS

    model: str
    candidate: str
    min_rows: int = Field(default=50, ge=10)
    at_least: float = Field(default=0.0, ge=0.0)
    evidence: float | None = Field(default=None, ge=0.0)
    max_latency: float = Field(default=3.0, gt=0.0)


class EvaluateGate:
    name: ClassVar[str] = "evaluate.gate"
    idempotent: ClassVar[bool] = True
    Params: ClassVar[type[BaseModel]] = GateParams

    async def probe(self, key: StepKey, params: GateParams, ctx: ActionContext) -> Done | NotDone:
        gate = await asyncio.to_thread(ctx.registry.notes, params.model, params.candidate, "gate")
        return Done(gate["outputs"]) if gate and gate.get("key") == ctx.effect(key) else NotDone()

    async def apply(self, key: StepKey, params: GateParams, ctx: ActionContext) -> Done:
        spec = ctx.spec(params.model)
        present = await comparing.champion_of(ctx, params.model)
        champion, bar = present.version, await asyncio.to_thread(_bar, ctx, params, present.since)
        rows = await asyncio.to_thread(_held_back, ctx, spec, params, champion)
        server = await ctx.servers.of(params.model)
        new, scores = await comparing.new_answers(server, spec, params.candidate, rows)
        old, failure = await comparing.old_answers(server, champion, rows)
        answers = Answers(old, new, scores, failure)
        outputs = await asyncio.to_thread(_judged, ctx, spec, params, rows, answers, champion, bar)
        latency = await _latency(server, champion, params, rows, failed=old is None)
        result = {
            "key": ctx.effect(key),
            "passed": True,
            "outputs": outputs,
            "latency_p95_ms": latency,
            "performance": await asyncio.to_thread(_performance, spec, rows, answers),
        }
        await asyncio.to_thread(ctx.registry.note, params.model, params.candidate, "gate", result)
        return Done(outputs)


def _bar(ctx: ActionContext, params: GateParams, since: datetime) -> float:
    """The evidence that is asked for: ln(20 J), J candidates of this champion's time."""
    if params.evidence is not None:
        return params.evidence
    tried = {c.version for c in ctx.registry.candidates(params.model) if c.created_at >= since}
    return EVIDENCE + math.log(len(tried | {params.candidate}))


def _held_back(ctx: ActionContext, spec: ModelSpec, params: GateParams, champion: str) -> Sequence[Row]:
    """The candidate's held-back rows; those that the champion may have seen are left out if enough others remain."""
    origin = ctx.registry.notes(spec.name, params.candidate, "origin") or {}
    if not origin.get("holdout"):
        raise ActionRefused(f"candidate {params.candidate} of {spec.name} came without held-back rows")
    rows = dataset.read_rows(Path(origin["holdout"]).with_suffix(".jsonl"))
    if len(rows) < params.min_rows:
        raise ActionRefused(f"{len(rows)} rows were held back, {params.min_rows} are needed")
    seen = comparing.seen_until(ctx, spec.name, champion)
    unseen = [row for row in rows if seen is None or row["time"] > seen]
    return unseen if len(unseen) >= params.min_rows else rows


def _judged(
    ctx: ActionContext,
    spec: ModelSpec,
    params: GateParams,
    rows: Sequence[Row],
    answers: Answers,
    champion: str,
    bar: float,
) -> dict[str, object]:
    from autoheal.actions.judgement import compare, objection  # noqa: PLC0415 - numpy and scipy, only here

    found = comparing.compared(ctx, spec, rows, answers)
    why = objection(found, at_least=params.at_least, evidence=bar)
    comparing.insist(params.candidate, why, answers.failure)
    labels, scale = [row["label"] for row in rows], baseline.loss_scale(ctx.registry, spec.name)
    nothing = compare(spec.task, labels, None, answers.candidate, scale)
    if nothing.bounded_gain <= 0.0:
        comparing.insist(params.candidate, f"better than the champion, and no better than nothing: {nothing}")
    return comparing.outputs(found, champion)


async def _latency(
    server: ModelServer, champion: str, params: GateParams, rows: Sequence[Row], *, failed: bool
) -> float:
    """The candidate's p95 in milliseconds; ActionRefused when it is far slower than the champion."""
    from autoheal.actions.judgement import p95, slow  # noqa: PLC0415 - numpy and scipy, only here

    versions = [params.candidate] if failed else [params.candidate, champion]
    taken = await server.latencies(versions, [row["features"] for row in rows[:LATENCY_ROWS]])
    why = slow([] if failed else taken[1], taken[0], params.max_latency)
    if why:
        raise ActionRefused(f"{params.candidate} is refused: {why}")
    return p95(taken[0])


def _performance(spec: ModelSpec, rows: Sequence[Row], answers: Answers) -> dict[str, Any]:
    """What the version's reference will say about its quality, from rows that it was not trained on."""
    from autoheal.telemetry.reference import build_performance  # noqa: PLC0415 - numpy, only here

    labels = [row["label"] for row in rows]
    columns = {one.feature: [row["features"].get(one.feature) for row in rows] for one in spec.slices}
    return build_performance(
        spec.task, labels, answers.candidate, answers.scores, slices=spec.slices, columns=columns
    )
