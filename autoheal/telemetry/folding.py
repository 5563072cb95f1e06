"""Adds buckets of summaries up to wider ones as they get old, and forgets them. Part of the round of forgetting, in the
writer's thread.

The writer waits meanwhile, and at the full hour the minutes of every model get old at once: so a round does a part of it
and leaves the rest to the next. The surprising part: while some are left, narrow buckets lie in the time of wide ones;
readers add them up all the same.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from autoheal.telemetry import summaries_table
from autoheal.telemetry.ages import DAY, HOUR, MINUTE, Ages, coarse, wider
from autoheal.telemetry.summaries_table import Bucket
from autoheal.telemetry.summary import total

#: Buckets of a round at least, over all models: about a tenth of a second with 50 features.
LEAST = 1_000
#: More for each bucket that was written since the last round: it is added up twice and forgotten once, so that no round
#: falls behind.
EACH = 3

Edges = tuple[int, int, int]


@dataclass(slots=True)
class Folding:
    """``written``: buckets since the last round."""

    written: int = 0
    #: Up to which edges all buckets of a model are as wide as they should be.
    _done: dict[str, Edges] = field(default_factory=dict)

    def give_up(self) -> None:
        """A transaction was rolled back, perhaps that of a round."""
        self._done.clear()

    def fold(self, db: sqlite3.Connection, ages: Ages, newest: Mapping[str, float]) -> None:
        room, self.written = max(LEAST, EACH * self.written), 0
        for model, until in newest.items():
            edges = ages.edges(until)
            # Buckets are made as wide as they should be: there is nothing to do until an edge has moved.
            if self._done.get(model) == edges:
                continue
            room = _fold(db, model, edges, room)
            if room <= 0:
                break
            self._done[model] = edges


def _fold(db: sqlite3.Connection, model: str, edges: Edges, room: int) -> int:
    """Of one model at most so many buckets; for how many there is room after it."""
    for width, before in coarse(edges):
        old = summaries_table.finer(db, model, width, before, room)
        room -= len(old)
        _widen(db, old)
        summaries_table.delete(db, old)
    for width in (MINUTE, HOUR, DAY):
        old = summaries_table.finer(db, model, width, edges[2], room)
        room -= len(old)
        summaries_table.delete(db, old)
    return room


def _widen(db: sqlite3.Connection, buckets: Sequence[Bucket]) -> None:
    """Add buckets to the wider ones that hold them."""
    targets: dict[Bucket, list[Bucket]] = {}
    for bucket in buckets:
        width = wider(bucket.width)
        target = bucket._replace(width=width, start=bucket.start // width * width)
        targets.setdefault(target, []).append(bucket)
    layouts = {grid: summaries_table.layout_of(db, grid) for grid in {target.grid for target in targets}}
    for target, parts in targets.items():
        known = layouts[target.grid]
        if known is not None:
            found = (summaries_table.read(db, bucket, known) for bucket in (target, *parts))
            summaries_table.write(db, target, total(known, (s for s in found if s is not None)))
