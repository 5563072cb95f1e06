"""May a release be undone on timing alone? Only where labels cannot tell yet, and only because going back is reversible.

Asked by ``evaluate.candidate`` when too few labelled rows are in since the change. Yes, when the champion was put in
place inside the 95 % interval of the start (without evidence in the labels: so close to the incident's own start) and
the inputs are what they were before it. Otherwise the refusal says what was missing, beside the count of rows.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from autoheal.actions.contract import ActionContext
from autoheal.actions.since import Began
from autoheal.domain.names import ModelName
from autoheal.domain.specs import ModelSpec
from autoheal.errors import ActionNotYet

#: Rows on each side of the release whose inputs are compared, at the most and at the least.
MOST: Final = 5_000
LEAST: Final = 100


def allowed(ctx: ActionContext, spec: ModelSpec, began: Began, within: timedelta, few: ActionNotYet) -> str:
    """Why the release may be undone; ActionNotYet, with ``few``'s numbers, why it may not."""
    against = _against(began, within) or _inputs(ctx, spec, began.champion.since)
    if against:
        raise ActionNotYet(f"{few}; nor by timing: {against}") from few
    return (
        f"{few}, but {began.champion.version} was put in place at {_plain(began.champion.since)}, "
        f"the symptom began then ({began.change}), and the inputs are what they were"
    )


def _against(began: Began, within: timedelta) -> str:
    change, deployed = began.change, began.champion.since
    if not began.champion.previous:
        return f"{began.champion.version} replaced nothing"
    labels = change.known_by == "labels"
    early, late = (
        (change.earliest, change.latest) if labels else (change.began - within, change.began + within)
    )
    # Rows are the champion's own: a start at its first one means at the release, however long after it that row came.
    if (early <= deployed <= late) or (labels and change.from_the_first):
        return ""
    return f"the release at {_plain(deployed)} is outside of the start, {_plain(early)} to {_plain(late)}"


def _inputs(ctx: ActionContext, spec: ModelSpec, deployed: datetime) -> str:
    """What speaks against "the inputs are what they were before the release"."""
    from autoheal.actions.blame import moved  # noqa: PLC0415 - numpy and scipy, only here

    name, now = ModelName(spec.name), ctx.clock.now()
    after = ctx.telemetry.served(name, since=deployed, until=now, limit=MOST)
    before = ctx.telemetry.served(name, since=None, until=deployed, limit=MOST)
    if min(len(before), len(after)) < LEAST:
        return f"{len(before)} rows before the release and {len(after)} after it do not show whether inputs moved"
    found = moved(spec, before, after)
    return f"the inputs moved: {found}" if found else ""


def _plain(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
