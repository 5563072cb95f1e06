"""``evaluate.candidate``: would one of these versions do better than the champion *now*? A rollback's proof. Reads only.

Candidates (the known good one, others that served before) answer the newest matured labelled rows from after the
change, as the champion did; one is allowed when its one-sided log E reaches ln(20 J), J candidates, and it takes back
enough of the loss. The stand-in and other earlier versions are scored beside them for people. Where too few rows are in, a release at the right
time may be undone on timing alone (``timing.py``), since going back is reversible. What surprises: rows from before the
change say that the old version was good then, which nobody doubts, so they do not count.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import BaseModel, Field

from autoheal.actions import baseline, comparing, since, timing
from autoheal.actions.cleaning import Row, clean
from autoheal.actions.comparing import EVIDENCE, Answers
from autoheal.actions.contract import ActionContext, ActionParams, Done, NotDone
from autoheal.actions.since import Began, Since
from autoheal.domain.durations import Duration
from autoheal.domain.names import ModelName, StepKey
from autoheal.domain.specs import ModelSpec
from autoheal.errors import ActionError, ActionNotYet, ActionRefused

if TYPE_CHECKING:
    from autoheal.actions.judgement import Comparison
    from autoheal.actions.targets.model_server import ModelServer


#: Earlier versions that are scored for people only, at the most.
BESIDE: Final = 2


class CandidateParams(ActionParams):
    """``version`` first, then ``also``. ``since``: when the symptom began. ``at_least``: smallest gain (accuracy points,
    or share of the mean absolute error); without it a third of the loss that the change brought, where that is known.
    ``evidence``: log e, by default ln 20 for each candidate. ``timing``: whether a release may be undone on timing, when it
    was no longer than ``release_within`` from the symptom's start."""

    OUTPUTS: ClassVar = (*comparing.OUTPUTS, "version", "on", "candidates", "began", "blame")

    model: str
    version: str
    also: tuple[str, ...] = Field(default=(), max_length=10)
    min_rows: int = Field(default=200, ge=10)
    max_rows: int = Field(default=2_000, ge=10, le=20_000)
    since: Since = None
    at_least: float | None = Field(default=None, ge=0.0)
    evidence: float | None = Field(default=None, ge=0.0)
    timing: bool = True
    release_within: Duration = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Scored:
    """One candidate's comparison, or None, and why it may not replace the champion (nothing: it may)."""

    version: str
    found: Comparison | None
    why: str


class EvaluateCandidate:
    name: ClassVar[str] = "evaluate.candidate"
    idempotent: ClassVar[bool] = True
    Params: ClassVar[type[BaseModel]] = CandidateParams

    async def probe(self, key: StepKey, params: CandidateParams, ctx: ActionContext) -> NotDone:  # noqa: ARG002 - nothing is ever left behind
        return NotDone()

    async def apply(self, key: StepKey, params: CandidateParams, ctx: ActionContext) -> Done:  # noqa: ARG002 - reads only
        spec, champion = ctx.spec(params.model), await comparing.champion_of(ctx, params.model)
        if champion.version == params.version:
            raise ActionRefused(f"{params.version} is the champion of {params.model} already")
        began = await asyncio.to_thread(since.ask, ctx, spec, params.since)
        server = await ctx.servers.of(params.model)
        try:
            rows = await asyncio.to_thread(_newest, ctx, spec, champion.version, params, began)
        except ActionNotYet as few:
            rows = await _although_few(ctx, spec, server, champion.version, params) if began else ()
            if not rows:
                if began is None or not params.timing:
                    raise
                why = await asyncio.to_thread(timing.allowed, ctx, spec, began, params.release_within, few)
                return Done(_on_timing(params, began, why))
        old, failure = await comparing.old_answers(server, champion.version, rows)
        least = max((began.change.rise or 0.0) / 3.0, 0.0) if began and params.at_least is None else 0.0
        names = _names(params, champion.version)
        scored = [await _score(ctx, spec, server, one, params, rows, (old, failure), least) for one in names]
        beside = await _beside(ctx, spec, server, rows, (old, failure), {*names, champion.version})
        best = _chosen(scored, beside, failure)
        assert best.found is not None
        told = {s.version: str(s.found) if s.found else s.why for s in scored}
        return Done(
            {
                **comparing.outputs(best.found, champion.version),
                "version": best.version,
                "on": "labels",
                "candidates": told | beside,
                "began": str(began.change) if began else "",
                "blame": await asyncio.to_thread(since.explained, spec, began) if began else {},
            }
        )


def _names(params: CandidateParams, champion: str) -> list[str]:
    return [name for name in dict.fromkeys((params.version, *params.also)) if name != champion]


def _newest(
    ctx: ActionContext, spec: ModelSpec, champion: str, params: CandidateParams, began: Began | None
) -> Sequence[Row]:
    """Newest sound labelled rows from after the change that the first candidate cannot have seen, nor the champion
    if enough are left."""
    after = began.change.after if began else None
    theirs = comparing.seen_until(ctx, spec.name, params.version)
    ours = comparing.seen_until(ctx, spec.name, champion)
    count = 0
    for bound in dict.fromkeys((_latest(after, theirs, ours), _latest(after, theirs))):
        rows = _sound(ctx, spec, params, bound)
        count = len(rows)
        if count >= params.min_rows:
            return rows
    when = f" since the change ({began.change})" if began else ""
    raise ActionNotYet(
        f"{count} labelled rows of {spec.name}{when} that {params.version} was not trained on, "
        f"{params.min_rows} are needed"
    )


def _sound(
    ctx: ActionContext, spec: ModelSpec, params: CandidateParams, bound: datetime | None
) -> Sequence[Row]:
    rows = ctx.telemetry.labelled(
        ModelName(spec.name), now=ctx.clock.now(), since=bound, limit=params.max_rows
    )
    cleaned = clean(spec, rows, baseline.usual_missing(ctx.registry, spec.name))
    if cleaned.refusal:
        raise ActionRefused(f"the rows of {spec.name} cannot judge anything: {cleaned.refusal}")
    return cleaned.rows


def _latest(*times: datetime | None) -> datetime | None:
    return max((t for t in times if t is not None), default=None)


async def _although_few(
    ctx: ActionContext,
    spec: ModelSpec,
    server: ModelServer,
    champion: str,
    params: CandidateParams,
) -> Sequence[Row]:
    """A champion that does not answer at all is judged on any rows: no change of the world explains that."""
    theirs = comparing.seen_until(ctx, spec.name, params.version)
    rows = await asyncio.to_thread(_sound, ctx, spec, params, theirs)
    if len(rows) < params.min_rows:
        return ()
    old, _ = await comparing.old_answers(server, champion, rows[-1:])
    return rows if old is None else ()


async def _score(
    ctx: ActionContext,
    spec: ModelSpec,
    server: ModelServer,
    version: str,
    params: CandidateParams,
    rows: Sequence[Row],
    champion: tuple[list[Any] | None, str],
    least: float,
) -> _Scored:
    """One candidate on those of the rows that it cannot have seen."""
    from autoheal.actions.judgement import objection  # noqa: PLC0415 - numpy and scipy, only here

    only = version == params.version and not params.also
    try:
        found = await _compared(ctx, spec, server, version, rows, champion, params.min_rows)
    except ActionError as error:
        if only or (error.retryable and not isinstance(error, ActionNotYet)):
            raise
        return _Scored(version, None, str(error))
    bar = EVIDENCE + math.log(1 + len(params.also)) if params.evidence is None else params.evidence
    return _Scored(
        version, found, objection(found, at_least=params.at_least or 0.0, evidence=bar, least=least)
    )


async def _compared(
    ctx: ActionContext,
    spec: ModelSpec,
    server: ModelServer,
    version: str,
    rows: Sequence[Row],
    champion: tuple[list[Any] | None, str],
    min_rows: int,
) -> Comparison:
    seen = await asyncio.to_thread(comparing.seen_until, ctx, spec.name, version)
    places = [i for i, row in enumerate(rows) if seen is None or row["time"] > seen]
    if len(places) < min_rows:
        raise ActionNotYet(f"{len(places)} of {min_rows} rows that {version} was not trained on")
    mine = [rows[i] for i in places]
    new, scores = await comparing.new_answers(server, spec, version, mine)
    old = None if champion[0] is None else [champion[0][i] for i in places]
    return await asyncio.to_thread(
        comparing.compared, ctx, spec, mine, Answers(old, new, scores, champion[1])
    )


def _chosen(scored: Sequence[_Scored], beside: dict[str, str], failure: str) -> _Scored:
    """The first candidate if it may, else the one that gains most of those that may."""
    good = [s for s in scored if s.found is not None and not s.why]
    if not good:
        others = {s.version: s.why for s in scored[1:]} | beside
        told = "".join(f"; {version}: {why}" for version, why in others.items())
        comparing.insist(scored[0].version, f"{scored[0].why}{told}", failure)
    return good[0] if good[0] is scored[0] else max(good, key=lambda s: s.found.gain if s.found else 0.0)


async def _beside(
    ctx: ActionContext,
    spec: ModelSpec,
    server: ModelServer,
    rows: Sequence[Row],
    champion: tuple[list[Any] | None, str],
    taken: set[str],
) -> dict[str, str]:
    """How the stand-in and others that served before would have done: for people, who wonder what else there is."""
    history = await asyncio.to_thread(ctx.registry.history, spec.name)
    served = [v for v in dict.fromkeys(line.version for line in reversed(history)) if v not in taken]
    told = {}
    for version in (*served[:BESIDE], *([spec.fallback] if spec.fallback else [])):
        try:
            told[version] = str(await _compared(ctx, spec, server, version, rows, champion, 1))
        except ActionError as error:
            told[version] = str(error)
    return told


def _on_timing(params: CandidateParams, began: Began, why: str) -> dict[str, object]:
    return {
        **dict.fromkeys(("gain", "evidence", "champion_loss", "candidate_loss"), 0.0),
        "n": 0,
        "champion": began.champion.version,
        "version": params.version,
        "on": f"timing: {why}",
        "candidates": {},
        "began": str(began.change),
        "blame": {},
    }
