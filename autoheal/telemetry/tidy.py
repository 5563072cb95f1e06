"""Forgetting: what is older or more than the limits leaves telemetry.db, and is counted. Called by the store's thread.

One transaction apart from the batches, so that a disk that refuses to forget does not lose a batch that it took.
"""

from __future__ import annotations

import sqlite3
from collections import Counter

from autoheal.domain.names import ModelName
from autoheal.telemetry import (
    batches_table,
    chunks_table,
    joins_table,
    outcomes_table,
    predictions_table,
    skew_table,
)
from autoheal.telemetry.limits import Limits
from autoheal.telemetry.reservoir import Reservoir

DAY = 86_400.0
#: With so many rows gone, models that have too many are left to the next round: those of one traffic have too many at
#: one time, and the writer waits for a round.
LEAST = 20_000


def forget(
    db: sqlite3.Connection,
    limits: Limits,
    sizes: dict[ModelName, int],
    stamp: float,
    keep: Reservoir,
    came: int,
) -> int:
    """Bring everything back within ``limits``, keep ``sizes`` (rows per model) right; how many outcomes were orphaned.
    ``came``: rows since the last round; twice as many may go.

    Predictions go by age of arrival and then by number, oldest data time first; one that goes without a label is
    counted as ``expired``, an outcome that goes without a prediction as ``orphaned``. ``keep`` sees rows before they go.
    """
    tally = Counter[tuple[str, str]]()
    edge = stamp - limits.row_days * DAY
    for expired in (
        predictions_table.expire(db, edge, keep.single),
        chunks_table.expire(db, edge, keep.chunk),
    ):
        for model, gone in expired.items():
            _left(sizes, tally, model, gone)
    room = max(LEAST, 2 * came)
    for model, size in tuple(sizes.items()):
        if size > limits.rows * 1.05 and room > 0:
            _left(sizes, tally, model, chunks_table.trim(db, model, size - limits.rows, keep.chunk))
            # What is left of the packed rows takes its part of the room.
            packed = sizes[model] - predictions_table.size(db, model)
            most = max(limits.rows - packed, 0)
            _left(sizes, tally, model, predictions_table.trim(db, model, most, keep.single))
            room -= size - sizes[model]
    keep.forget()
    batches_table.trim(db, limits.batches)
    lost = outcomes_table.expire(db, stamp - limits.waiting_days * DAY, limits.waiting)
    tally.update({(model, "orphaned"): n for model, n in lost.items()})
    in_vain = skew_table.forget(
        db, waited_since=stamp - limits.waiting_days * DAY, since=edge, most=limits.waiting
    )
    tally.update({(model, "features_orphaned"): n for model, n in in_vain.items()})
    joins_table.add(db, tally)
    return lost.total()


def _left(
    sizes: dict[ModelName, int],
    tally: Counter[tuple[str, str]],
    model: ModelName,
    gone: predictions_table.Gone,
) -> None:
    sizes[model] = sizes.get(model, 0) - gone.rows
    tally[model, "expired"] += gone.unlabelled
