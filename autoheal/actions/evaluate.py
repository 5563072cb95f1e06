"""``evaluate.candidate`` and ``evaluate.gate``: would this version do better than the champion? Reads only.

Both ask the model server for both versions' predictions on identical labelled rows and judge them by ``judgement``.
``candidate`` takes the newest labelled rows (a rollback proves itself before it switches); ``gate`` takes the rows that
``data.validate`` held back, and looks at answers and latency as well. What surprises: rows that a version may have been
trained on are left out as far as they can be, since they flatter it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import AwareDatetime, BaseModel, Field

from autoheal.actions import baseline, dataset
from autoheal.actions.cleaning import Row, clean
from autoheal.actions.contract import ActionContext, ActionParams, Done, NotDone
from autoheal.domain.names import ModelName, StepKey
from autoheal.domain.specs import ModelSpec
from autoheal.errors import ActionError, ActionRefused

if TYPE_CHECKING:
    from autoheal.actions.judgement import Comparison
    from autoheal.actions.targets.model_server import ModelServer

#: ln 20: a wrong "better" at most once in twenty.
EVIDENCE: Final = 2.995732
#: One-row requests whose time is taken.
LATENCY_ROWS: Final = 40


class CandidateParams(ActionParams):
    """``at_least``: smallest gain (accuracy points, or share of the mean absolute error). ``evidence``: log e."""

    OUTPUTS: ClassVar = ("gain", "n", "evidence", "champion_loss", "candidate_loss", "champion")

    model: str
    version: str
    min_rows: int = Field(default=200, ge=10)
    max_rows: int = Field(default=2_000, ge=10, le=20_000)
    since: AwareDatetime | None = None
    at_least: float = Field(default=0.0, ge=0.0)
    evidence: float = Field(default=EVIDENCE, ge=0.0)


class GateParams(ActionParams):
    """``max_latency``: how many times the champion's p95 the candidate's may be."""

    OUTPUTS: ClassVar = CandidateParams.OUTPUTS

    model: str
    candidate: str
    min_rows: int = Field(default=50, ge=10)
    at_least: float = Field(default=0.0, ge=0.0)
    evidence: float = Field(default=EVIDENCE, ge=0.0)
    max_latency: float = Field(default=3.0, gt=0.0)


@dataclass(frozen=True, slots=True)
class _Answers:
    """Both sides' predictions; the champion's are None when it fails, and ``failure`` says how."""

    champion: list[Any] | None
    candidate: list[Any]
    scores: list[float] | None
    failure: str = ""


class EvaluateCandidate:
    name: ClassVar[str] = "evaluate.candidate"
    idempotent: ClassVar[bool] = True
    Params: ClassVar[type[BaseModel]] = CandidateParams

    async def probe(self, key: StepKey, params: CandidateParams, ctx: ActionContext) -> NotDone:  # noqa: ARG002 - nothing is ever left behind
        return NotDone()

    async def apply(self, key: StepKey, params: CandidateParams, ctx: ActionContext) -> Done:  # noqa: ARG002 - reads only
        spec, champion = ctx.spec(params.model), await _champion(ctx, params.model)
        if champion == params.version:
            raise ActionRefused(f"{params.version} is the champion of {params.model} already")
        rows = await asyncio.to_thread(_newest, ctx, spec, champion, params)
        server = await ctx.servers.of(params.model)
        answers = await _ask(server, spec, champion, params.version, rows)
        found = await asyncio.to_thread(_compare, ctx, spec, rows, answers)
        _insist(params.version, found, answers, params.at_least, params.evidence)
        return Done(_outputs(found, champion))


class EvaluateGate:
    name: ClassVar[str] = "evaluate.gate"
    idempotent: ClassVar[bool] = True
    Params: ClassVar[type[BaseModel]] = GateParams

    async def probe(self, key: StepKey, params: GateParams, ctx: ActionContext) -> Done | NotDone:
        gate = await asyncio.to_thread(ctx.registry.notes, params.model, params.candidate, "gate")
        return Done(gate["outputs"]) if gate and gate.get("key") == ctx.effect(key) else NotDone()

    async def apply(self, key: StepKey, params: GateParams, ctx: ActionContext) -> Done:
        spec, champion = ctx.spec(params.model), await _champion(ctx, params.model)
        rows = await asyncio.to_thread(_held_back, ctx, spec, params, champion)
        server = await ctx.servers.of(params.model)
        answers = await _ask(server, spec, champion, params.candidate, rows)
        found = await asyncio.to_thread(_compare, ctx, spec, rows, answers)
        _insist(params.candidate, found, answers, params.at_least, params.evidence)
        latency = await _latency(server, champion, params, rows, failed=answers.champion is None)
        outputs = _outputs(found, champion)
        result = {
            "key": ctx.effect(key),
            "passed": True,
            "outputs": outputs,
            "latency_p95_ms": latency,
            "performance": await asyncio.to_thread(_performance, spec, rows, answers),
        }
        await asyncio.to_thread(ctx.registry.note, params.model, params.candidate, "gate", result)
        return Done(outputs)


async def _champion(ctx: ActionContext, model: str) -> str:
    champion = await asyncio.to_thread(ctx.registry.champion, model)
    if champion is None:
        raise ActionRefused(f"{model} has no champion to compare with")
    return champion.version


def _newest(ctx: ActionContext, spec: ModelSpec, champion: str, params: CandidateParams) -> Sequence[Row]:
    """Newest sound labelled rows that the version cannot have seen, nor the champion if enough are left."""
    theirs = _seen_until(ctx, spec.name, params.version)
    ours = _seen_until(ctx, spec.name, champion)
    now, missing, count = ctx.clock.now(), baseline.usual_missing(ctx.registry, spec.name), 0
    for bound in dict.fromkeys((_latest(params.since, theirs, ours), _latest(params.since, theirs))):
        rows = ctx.telemetry.labelled(ModelName(spec.name), now=now, since=bound, limit=params.max_rows)
        cleaned = clean(spec, rows, missing)
        if cleaned.refusal:
            raise ActionRefused(f"the rows of {spec.name} cannot judge anything: {cleaned.refusal}")
        count = len(cleaned.rows)
        if count >= params.min_rows:
            return cleaned.rows
    raise ActionError(
        f"{count} labelled rows of {spec.name} that {params.version} was not trained on, {params.min_rows} are needed",
        retryable=True,
    )


def _held_back(ctx: ActionContext, spec: ModelSpec, params: GateParams, champion: str) -> Sequence[Row]:
    """The candidate's held-back rows; those that the champion may have seen are left out if enough others remain."""
    origin = ctx.registry.notes(spec.name, params.candidate, "origin") or {}
    if not origin.get("holdout"):
        raise ActionRefused(f"candidate {params.candidate} of {spec.name} came without held-back rows")
    rows = dataset.read_rows(Path(origin["holdout"]).with_suffix(".jsonl"))
    if len(rows) < params.min_rows:
        raise ActionRefused(f"{len(rows)} rows were held back, {params.min_rows} are needed")
    seen = _seen_until(ctx, spec.name, champion)
    unseen = [row for row in rows if seen is None or row["time"] > seen]
    return unseen if len(unseen) >= params.min_rows else rows


def _seen_until(ctx: ActionContext, model: str, version: str) -> datetime | None:
    return ctx.registry.info(model, version).lineage.data_to


def _latest(*times: datetime | None) -> datetime | None:
    return max((t for t in times if t is not None), default=None)


async def _ask(
    server: ModelServer, spec: ModelSpec, champion: str, candidate: str, rows: Sequence[Row]
) -> _Answers:
    """Both versions' answers. A candidate that fails or gives anything unusable is refused."""
    from autoheal.actions.judgement import usable  # noqa: PLC0415 - numpy and scipy, only here
    from autoheal.actions.targets.model_server import VersionFailedError  # noqa: PLC0415 - httpx, only here

    features: list[Mapping[str, Any]] = [row["features"] for row in rows]
    try:
        new = await server.predict(candidate, features)
    except VersionFailedError as error:
        raise ActionRefused(f"{candidate} of {spec.name} does not work: {error}") from error
    bad = int((~usable(spec.task, new.predictions)).sum())
    if bad:
        raise ActionRefused(
            f"{candidate} of {spec.name} gives no usable answer to {bad} of {len(rows)} rows (NaN or null)"
        )
    try:
        old = await server.predict(champion, features)
    except VersionFailedError as error:
        return _Answers(None, new.predictions, new.scores, str(error))
    return _Answers(old.predictions, new.predictions, new.scores)


def _compare(ctx: ActionContext, spec: ModelSpec, rows: Sequence[Row], answers: _Answers) -> Comparison:
    from autoheal.actions.judgement import compare  # noqa: PLC0415 - numpy and scipy, only here

    labels = [row["label"] for row in rows]
    scale = baseline.loss_scale(ctx.registry, spec.name)
    return compare(spec.task, labels, answers.champion, answers.candidate, scale)


def _insist(candidate: str, found: Comparison, answers: _Answers, at_least: float, evidence: float) -> None:
    from autoheal.actions.judgement import objection  # noqa: PLC0415 - numpy and scipy, only here

    why = objection(found, at_least=at_least, evidence=evidence)
    if why:
        also = f" (the champion fails: {answers.failure})" if answers.failure else ""
        raise ActionRefused(f"{candidate} is refused: {why}{also}")


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


def _performance(spec: ModelSpec, rows: Sequence[Row], answers: _Answers) -> dict[str, Any]:
    """What the version's reference will say about its quality, from rows that it was not trained on."""
    from autoheal.telemetry.reference import build_performance  # noqa: PLC0415 - numpy, only here

    labels = [row["label"] for row in rows]
    return build_performance(spec.task, labels, answers.candidate, answers.scores)


def _outputs(found: Comparison, champion: str) -> dict[str, object]:
    return {
        "gain": found.gain,
        "n": found.n,
        "evidence": round(found.log_e, 4),
        "champion_loss": found.champion_loss,
        "candidate_loss": found.candidate_loss,
        "champion": champion,
    }
