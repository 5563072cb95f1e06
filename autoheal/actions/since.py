"""The start of the change as actions use it: reads the champion and its labelled rows, ``change`` does the sums.

Called in a thread by ``data.validate`` and ``evaluate.candidate``. What surprises: a run that a person started has no
incident, so its ``since`` is an empty text; then nothing is known to have changed and ``ask`` gives None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AwareDatetime, BeforeValidator

from autoheal.actions import baseline
from autoheal.actions.contract import ActionContext
from autoheal.domain.names import ModelName
from autoheal.domain.specs import ModelSpec

if TYPE_CHECKING:
    from autoheal.actions.change import Change
    from autoheal.actions.targets.champion import Champion

Row = Mapping[str, Any]


def _or_none(value: object) -> object:
    return None if value == "" else value


#: ``since: "${{ since }}"``: when the incident began, or nothing.
Since = Annotated[AwareDatetime | None, BeforeValidator(_or_none)]


@dataclass(frozen=True, slots=True)
class Began:
    """``rows`` are the champion's own labelled answers, the oldest first; ``scale`` bounds an absolute error."""

    change: Change
    champion: Champion
    rows: Sequence[Row] = ()
    scale: float = 1.0
    made_of: datetime | None = field(default=None)

    @property
    def world(self) -> datetime:
        """From when on rows show the present world: after the change, or what a champion was made of that was bad
        from its first row on and replaced another."""
        if self.change.from_the_first and self.made_of is not None:
            return min(self.made_of, self.change.after)
        return self.change.after


def ask(ctx: ActionContext, spec: ModelSpec, since: datetime | None) -> Began | None:
    """When it began; None without an incident or without a champion."""
    from autoheal.actions import change  # noqa: PLC0415 - numpy and scipy, only here

    champion = ctx.registry.champion(spec.name)
    if since is None or champion is None:
        return None
    found = ctx.telemetry.labelled(
        ModelName(spec.name), now=ctx.clock.now(), since=champion.since, limit=change.LOOK_BACK
    )
    rows = change.answered(spec.task, found, champion.version, champion.since)
    loss = (baseline.reference(ctx.registry, spec.name) or {}).get("loss")
    where = change.locate(spec.task, rows, loss, since, whole=len(found) < change.LOOK_BACK)
    made_of = ctx.registry.info(spec.name, champion.version).lineage.data_from if champion.previous else None
    return Began(where, champion, rows, float((loss or {}).get("scale", 1.0)), made_of)


def explained(spec: ModelSpec, began: Began) -> dict[str, list[str]]:
    """Segments and inputs that the champion's losses point to."""
    from autoheal.actions import blame, change  # noqa: PLC0415 - numpy and scipy, only here

    if began.scale <= 0.0:
        return {"segments": [], "inputs": []}
    before = [r for r in began.rows if r["time"] <= began.change.before]
    after = [r for r in began.rows if r["time"] > began.change.after]
    old, new = (change.losses(spec.task, rows, began.scale) for rows in (before, after))
    return blame.blame(spec, before, after, old, new)
