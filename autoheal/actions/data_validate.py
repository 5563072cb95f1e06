"""``data.validate``: turn labelled telemetry into a data set for training, or say why it must not be used.

Writes data.csv and holdout.csv (for the trainer), holdout.jsonl (the same rows as they were served, for the gate) and,
last, validated.json into the step's job folder. Rows since the start of the change are taken when there are enough of
them, else the newest ones. Drift against the champion's reference is noted and not refused: it is why we retrain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import orjson
from pydantic import AwareDatetime, BaseModel, Field

from autoheal.actions import baseline, dataset
from autoheal.actions.cleaning import Cleaned, Row, clean, one_class, split
from autoheal.actions.contract import ActionContext, ActionParams, Done, NotDone
from autoheal.actions.targets import jobs
from autoheal.domain.durations import Duration
from autoheal.domain.names import ModelName, StepKey
from autoheal.domain.specs import ModelSpec
from autoheal.durable import make_folder, replace_file, write_file
from autoheal.errors import ActionError, ActionRefused


class ValidateParams(ActionParams):
    """``since``: the start of the change, when somebody knows it. ``window``: no rows older than this. ``held``:
    whether the rows held back are spread over the newer part, or are the newest."""

    OUTPUTS: ClassVar = ("dataset", "holdout", "rows", "held_back", "from", "to", "dropped", "drift")

    model: str
    min_rows: int = Field(default=500, ge=10)
    max_rows: int = Field(default=20_000, ge=10, le=200_000)
    since: AwareDatetime | None = None
    window: Duration | None = None
    holdout: float = Field(default=0.2, gt=0.0, le=0.5)
    held: Literal["spread", "newest"] = "spread"


class Validate:
    name: ClassVar[str] = "data.validate"
    idempotent: ClassVar[bool] = True
    Params: ClassVar[type[BaseModel]] = ValidateParams

    async def probe(self, key: StepKey, params: ValidateParams, ctx: ActionContext) -> Done | NotDone:  # noqa: ARG002 - the key says it all
        outputs = dataset.read_validated(ctx.job(key))
        return NotDone() if outputs is None else Done(outputs)

    async def apply(self, key: StepKey, params: ValidateParams, ctx: ActionContext) -> Done:
        return Done(await asyncio.to_thread(_validate, ctx.job(key), params, ctx))


def _validate(folder: Path, params: ValidateParams, ctx: ActionContext) -> dict[str, Any]:
    spec = ctx.spec(params.model)
    cleaned = _gather(params, spec, ctx)
    if one_class(spec, cleaned.rows):
        raise ActionRefused(
            f"all {len(cleaned.rows)} labels are {cleaned.rows[0]['label']!r}: nothing to learn"
        )
    learn, held = split(cleaned.rows, params.holdout, spread=params.held == "spread")
    jobs.prune(folder.parent)
    make_folder(folder)
    write_file(folder / "data.csv", dataset.as_csv(spec, learn))
    write_file(folder / "holdout.csv", dataset.as_csv(spec, held))
    write_file(folder / "holdout.jsonl", dataset.as_lines(held))
    outputs = {
        "dataset": str(folder / "data.csv"),
        "holdout": str(folder / "holdout.csv"),
        "rows": len(learn),
        "held_back": len(held),
        "from": cleaned.rows[0]["time"].isoformat(),
        "to": cleaned.rows[-1]["time"].isoformat(),
        "dropped": dict(cleaned.dropped),
        "drift": _drift(ctx, spec, cleaned.rows),
    }
    replace_file(folder / "validated.json", orjson.dumps(outputs))
    return outputs


def _gather(params: ValidateParams, spec: ModelSpec, ctx: ActionContext) -> Cleaned:
    """Sound rows, since the change if they suffice. Too few may become enough: that is worth a retry."""
    missing, now = baseline.usual_missing(ctx.registry, params.model), ctx.clock.now()
    oldest = now - params.window if params.window else None
    cleaned = Cleaned(())
    for since in dict.fromkeys((params.since or oldest, oldest)):
        rows = ctx.telemetry.labelled(ModelName(params.model), now=now, since=since, limit=params.max_rows)
        cleaned = clean(spec, rows, missing)
        if cleaned.refusal:
            raise ActionRefused(f"the data of {params.model} must not be learned from: {cleaned.refusal}")
        if len(cleaned.rows) >= params.min_rows:
            return cleaned
    raise ActionError(
        f"{len(cleaned.rows)} sound labelled rows of {params.model}, {params.min_rows} are needed",
        retryable=True,
    )


def _drift(ctx: ActionContext, spec: ModelSpec, rows: Sequence[Row]) -> Mapping[str, float]:
    """PSI of each numeric feature against the champion's reference: for people, who ask why it was retrained."""
    from autoheal.stats.psi import psi  # noqa: PLC0415 - scipy, only here
    from autoheal.telemetry.reference import load_reference  # noqa: PLC0415 - numpy, only here

    raw = baseline.reference(ctx.registry, spec.name)
    if raw is None:
        return {}
    noted = {}
    for name, known in load_reference(raw).features.items():
        if known.bins is None or spec.feature(name) is None:
            continue
        cells = (row["features"].get(name) for row in rows)
        values = [float(v) if isinstance(v, int | float) else float("nan") for v in cells]
        noted[name] = round(psi(known.counts, known.bins.counts(values)), 4)
    return noted
