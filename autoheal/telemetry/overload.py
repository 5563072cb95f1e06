"""What to do when records come faster than they can be stored: refuse, or keep a fair sample. Pure.

A sample is taken by the hash of a prediction's id and not by chance, so that the same row is kept or dropped wherever
it is asked. Outcomes and metrics are always kept. The surprising part: what is dropped is counted as taken, because
the sender need not repeat it; the count is ``sampled_out``, and ``Telemetry.kept`` tells readers how much they see.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from autoheal.telemetry.id_index import hashes
from autoheal.telemetry.packed import Packed
from autoheal.telemetry.records import Prediction, Record

#: From this share of the room under way on, every further step halves what is kept.
BEGIN, STEPS = 0.5, 5
#: Batches are remembered one by one, or together as long as no more rows of them than these were stored.
STRETCH = 100


def share(pending: int, room: int) -> float:
    """How much to keep with ``pending`` of ``room`` records under way: 1, then 1/2, 1/4 ... 1/32.

    >>> share(10, 100), share(55, 100), share(65, 100), share(99, 100)
    (1.0, 0.5, 0.25, 0.03125)
    """
    over = pending / max(room, 1) - BEGIN
    if over < 0.0:
        return 1.0
    step = int(over / ((1.0 - BEGIN) / STEPS)) + 1
    return float(0.5 ** min(step, STEPS))


def thin(records: Sequence[Record], keep: float) -> tuple[Sequence[Record], Counter[str]]:
    """The records to store, and per model how many predictions were left out."""
    edge = np.uint64(min(keep, 1.0 - 2.0**-53) * 2.0**64)
    if isinstance(records, Packed):
        places = np.flatnonzero(hashes(records.ids) < edge).tolist()
        return records.where(places), Counter({records.model: len(records) - len(places)})
    chosen = hashes([r.id if isinstance(r, Prediction) else "" for r in records]) < edge
    kept: list[Record] = []
    dropped: Counter[str] = Counter()
    for record, ok in zip(records, chosen.tolist(), strict=True):
        if ok or not isinstance(record, Prediction):
            kept.append(record)
        else:
            dropped[record.model] += 1
    return kept, dropped


def counted(records: Sequence[Record]) -> Counter[str]:
    """Predictions of each model."""
    if isinstance(records, Packed):
        return Counter({records.model: len(records)})
    return Counter(r.model for r in records if isinstance(r, Prediction))


@dataclass(slots=True)
class Kept:
    """How much of each model's predictions was stored lately, in seconds of the daemon's clock, as far back as ``rows`` of
    them in memory reach, in however small batches they came."""

    rows: int = 20_000
    _seen: dict[str, deque[tuple[float, int, int]]] = field(default_factory=dict)

    def note(self, at: float, taken: Counter[str], dropped: Counter[str]) -> None:
        """One batch: how many predictions of each model were stored and dropped."""
        for model in taken.keys() | dropped.keys():
            seen = self._seen.setdefault(model, deque(maxlen=2 * self.rows // STRETCH + 2))
            stored, gone = taken[model], dropped[model]
            if seen and seen[-1][1] + stored <= STRETCH:
                _, before, lost = seen.pop()
                stored, gone = stored + before, gone + lost
            seen.append((at, stored, gone))

    def share(self, model: str, since: float) -> float:
        """Stored of all predictions that came since, in (0, 1]; 1 when nothing was dropped."""
        found = [(stored, gone) for at, stored, gone in self._seen.get(model, ()) if at >= since]
        dropped = sum(gone for _, gone in found)
        return 1.0 - dropped / sum(stored + gone for stored, gone in found) if dropped else 1.0
