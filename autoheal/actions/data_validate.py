"""``data.validate``: turn labelled telemetry into a data set for training, or say why it must not be used.

Writes data.csv and holdout.csv (for the trainer), holdout.jsonl (the same rows as they were served, for the gate) and,
last, validated.json into the step's job folder. With ``since`` only rows from after the change are taken, and too few of
them are refused for now: a model of the old world does not heal, however many rows it has seen. Drift against the
champion's reference is noted and not refused: it is why we retrain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import orjson
from pydantic import BaseModel, Field

from autoheal.actions import baseline, dataset, since
from autoheal.actions.cleaning import Cleaned, Row, clean, one_class
from autoheal.actions.contract import ActionContext, ActionParams, Done, NotDone
from autoheal.actions.holdout import Held, hold_back
from autoheal.actions.since import Began, Since
from autoheal.actions.targets import jobs
from autoheal.domain.durations import Duration
from autoheal.domain.names import ModelName, StepKey
from autoheal.domain.specs import ModelSpec
from autoheal.durable import make_folder, replace_file, write_file
from autoheal.errors import ActionNotYet, ActionRefused


class ValidateParams(ActionParams):
    """``since``: when the symptom began; where the new world begins is worked out from there. ``window``: no rows older
    than this. ``held``: which rows are held back (``holdout.py``)."""

    OUTPUTS: ClassVar = (
        "dataset", "holdout", "rows", "held_back", "held", "from", "to", "began", "dropped", "drift", "blame",
    )  # fmt: skip

    model: str
    min_rows: int = Field(default=500, ge=10)
    max_rows: int = Field(default=20_000, ge=10, le=200_000)
    since: Since = None
    window: Duration | None = None
    holdout: float = Field(default=0.2, gt=0.0, le=0.5)
    held: Held = "auto"


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
    began = since.ask(ctx, spec, params.since)
    cleaned = _gather(params, spec, ctx, began)
    if one_class(spec, cleaned.rows):
        raise ActionNotYet(
            f"all {len(cleaned.rows)} labels are {cleaned.rows[0]['label']!r}: nothing to learn"
        )
    learn, held, how = hold_back(spec, cleaned.rows, params.holdout, params.held)
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
        "held": how,
        "from": cleaned.rows[0]["time"].isoformat(),
        "to": cleaned.rows[-1]["time"].isoformat(),
        "began": str(began.change) if began else "",
        "dropped": dict(cleaned.dropped),
        "drift": _drift(ctx, spec, cleaned.rows),
        "blame": since.explained(spec, began) if began else {},
    }
    replace_file(folder / "validated.json", orjson.dumps(outputs))
    return outputs


def _gather(params: ValidateParams, spec: ModelSpec, ctx: ActionContext, began: Began | None) -> Cleaned:
    """Sound rows from after the change, or the newest where none is known."""
    now = ctx.clock.now()
    floors = (now - params.window if params.window else None, began.world if began else None)
    floor = max((t for t in floors if t is not None), default=None)
    rows = ctx.telemetry.labelled(ModelName(params.model), now=now, since=floor, limit=params.max_rows)
    cleaned = clean(spec, rows, baseline.usual_missing(ctx.registry, params.model))
    if cleaned.refusal:
        raise ActionRefused(f"the data of {params.model} must not be learned from: {cleaned.refusal}")
    if len(cleaned.rows) < params.min_rows:
        when = f" since the change ({began.change})" if began else ""
        raise ActionNotYet(
            f"{len(cleaned.rows)} of {params.min_rows} sound labelled rows of {params.model}{when}"
        )
    return cleaned


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
