"""``pipeline.train``: run the model's trainer on a validated data set and stage what it makes as a candidate.

The trainer is a process of its own that outlives the daemon (``targets.jobs``). The same key attaches to it, reads how
it ended, or starts it again after an end that was already passed on. What comes out is not trusted: result.json is
checked, numbers must be numbers, and the artefact is copied into the registry as a candidate, which no pointer names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, JsonValue, ValidationError

from autoheal.actions import dataset
from autoheal.actions.contract import (
    ActionContext,
    ActionParams,
    CommandPipeline,
    Done,
    NotDone,
    Probe,
    Running,
)
from autoheal.actions.targets import jobs
from autoheal.actions.targets.versions import Lineage, NewVersion, VersionInfo
from autoheal.domain.names import StepKey
from autoheal.errors import ActionError, ActionRefused

#: Real seconds between two looks at a running trainer.
POLL: Final = 0.2
#: Starts of a runner within one ``apply``, should it be lost before it begins.
STARTS: Final = 3
MAX_RESULT: Final = 1 << 20


class TrainParams(ActionParams):
    """``pipeline`` is by default the one that the model's file names."""

    OUTPUTS: ClassVar = ("candidate", "metrics")

    model: str
    dataset: str
    holdout: str
    pipeline: str = ""


class TrainerResult(BaseModel):
    """out/result.json, as a trainer must write it."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    metrics: Annotated[Mapping[str, FiniteFloat], Field(max_length=200)] = {}
    parameters: Mapping[str, JsonValue] = {}
    code_revision: Annotated[str, Field(max_length=200)] = ""


class Train:
    name: ClassVar[str] = "pipeline.train"
    idempotent: ClassVar[bool] = True
    Params: ClassVar[type[BaseModel]] = TrainParams

    async def probe(self, key: StepKey, params: TrainParams, ctx: ActionContext) -> Probe:
        if staged := await asyncio.to_thread(_staged, key, params, ctx):
            return _done(staged)
        folder = ctx.job(key)
        state = await asyncio.to_thread(jobs.state, folder)
        if state == "running" or (state == "ended" and not jobs.was_reported(folder)):
            return Running()
        return NotDone()

    async def apply(self, key: StepKey, params: TrainParams, ctx: ActionContext) -> Done:
        if staged := await asyncio.to_thread(_staged, key, params, ctx):
            return _done(staged)
        end = await _follow(key, params, ctx)
        if not end.good:
            said = jobs.log_end(ctx.job(key))
            await asyncio.to_thread(jobs.report, ctx.job(key))
            raise ActionError(
                f"training {params.model} failed: {end}{f' ({said})' if said else ''}",
                retryable=end.code is not None and not end.late,
            )
        try:
            return _done(await asyncio.to_thread(_stage, key, params, ctx))
        except ActionError as error:
            if not error.retryable:
                await asyncio.to_thread(jobs.report, ctx.job(key))
            raise


async def _follow(key: StepKey, params: TrainParams, ctx: ActionContext) -> jobs.Exit:
    """Start or attach, and wait for the end."""
    folder, starts, seen = ctx.job(key), 0, False
    while True:
        state = await asyncio.to_thread(jobs.state, folder)
        if state == "ended" and (starts or not jobs.was_reported(folder)):
            return jobs.read_exit(folder)
        if state == "running":
            seen = True
            await ctx.clock.sleep(POLL)
            continue
        if seen or starts >= STARTS:
            raise ActionError(f"the runner of {params.model}'s trainer was lost", retryable=True)
        if state == "ended":
            await asyncio.to_thread(jobs.clear, folder)
        starts += 1
        await asyncio.to_thread(jobs.start, folder, _pipeline(params, ctx), _job(key, params, ctx))


def _pipeline(params: TrainParams, ctx: ActionContext) -> CommandPipeline:
    name = params.pipeline or ctx.spec(params.model).pipeline
    if not name:
        raise ActionRefused(f"{params.model} has no pipeline: write pipeline: NAME into its file")
    if name not in ctx.pipelines:
        raise ActionRefused(
            f"no pipeline is called {name!r}; there are: {', '.join(sorted(ctx.pipelines)) or 'none'}"
        )
    return ctx.pipelines[name]


def _job(key: StepKey, params: TrainParams, ctx: ActionContext) -> dict[str, Any]:
    """job.json, what the trainer reads."""
    spec = ctx.spec(params.model)
    for path in (params.dataset, params.holdout):
        if not Path(path).is_file():
            raise ActionRefused(f"there is no data set {path}")
    champion = ctx.registry.champion(params.model)
    return {
        "key": str(key),
        "model": params.model,
        "task": spec.task.value,
        "dataset": params.dataset,
        "holdout": params.holdout,
        "features": [f.name for f in spec.features],
        "types": {f.name: f.kind for f in spec.features},
        "label": dataset.label_column(spec),
        "time": dataset.time_column(spec),
        "parent": champion.version if champion else "",
        "out": str(ctx.job(key) / "out"),
    }


def _stage(key: StepKey, params: TrainParams, ctx: ActionContext) -> VersionInfo:
    """Check what the trainer wrote and put it into the registry as a candidate."""
    out = ctx.job(key) / "out"
    result = _result(out / "result.json")
    champion = ctx.registry.champion(params.model)
    new = NewVersion(
        version=_candidate(key, ctx),
        role="candidate",
        by_key=ctx.effect(key),
        lineage=_lineage(Path(params.dataset).parent),
        code_revision=result.code_revision,
        parent=champion.version if champion else "",
        parameters=dict(result.parameters),
        metrics=dict(result.metrics),
    )
    origin = {"dataset": params.dataset, "holdout": params.holdout}
    return ctx.registry.stage(params.model, out / "artefact", new, at=ctx.clock.now(), origin=origin)


def _result(path: Path) -> TrainerResult:
    try:
        if path.stat().st_size > MAX_RESULT:
            raise ActionError(f"the trainer's result.json has more than {MAX_RESULT} bytes")
        return TrainerResult.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ActionError(f"the trainer ended well and left no result.json: {error.strerror}") from error
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'result.json'}: {e['msg']}" for e in error.errors()[:3]
        )
        raise ActionError(f"the trainer's result.json is not sound: {wrong}") from error


def _lineage(folder: Path) -> Lineage:
    """From what ``data.validate`` wrote beside the data set."""
    known = dataset.read_validated(folder)
    if known is None:
        return Lineage()
    return Lineage(
        datetime.fromisoformat(known["from"]), datetime.fromisoformat(known["to"]), int(known["rows"])
    )


def _candidate(key: StepKey, ctx: ActionContext) -> str:
    """The candidate's name: one a key, for ever."""
    return f"c-{sha256(ctx.effect(key).encode()).hexdigest()[:12]}"


def _staged(key: StepKey, params: TrainParams, ctx: ActionContext) -> VersionInfo | None:
    name = _candidate(key, ctx)
    return ctx.registry.info(params.model, name) if ctx.registry.has(params.model, name) else None


def _done(candidate: VersionInfo) -> Done:
    return Done({"candidate": candidate.version, "metrics": dict(candidate.metrics)})
