"""How far the truth has come: per model version the share of answers that have their label, and up to when. Pure.

``Telemetry.maturity`` calls it on the rows in memory. The surprising part is the watermark: some labels never come,
so it is the time before which nearly all answers have theirs, not the first gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from autoheal.domain.names import Version
from autoheal.monitors.rows import Rows
from autoheal.telemetry.values import from_unix

#: Before the watermark at least this share of a version's answers has its label.
NEARLY_ALL = 0.95


@dataclass(frozen=True, slots=True)
class Maturity:
    """``answers`` are those held that are older than the label lag, ``matured`` of them have a label that counts;
    ``watermark`` is a prediction time: of the answers up to it 95% are matured (None: of the oldest already less)."""

    version: Version
    answers: int
    matured: int
    watermark: datetime | None

    @property
    def share(self) -> float | None:
        """Matured of all answers, in [0, 1]; None when there are none yet."""
        return self.matured / self.answers if self.answers else None


def maturity(rows: Rows, lag: float, as_of: float) -> tuple[Maturity, ...]:
    """One entry per version that answered itself; ``lag`` in seconds, ``as_of`` in unix seconds."""
    found = []
    own = ~rows.fallback & ~rows.failed
    done = np.maximum(rows.labelled, rows.time + lag) <= as_of
    for code, name in enumerate(rows.versions):
        places = np.flatnonzero(own & (rows.version == code) & (rows.time <= as_of - lag))
        if not len(places) and not bool((own & (rows.version == code)).any()):
            continue
        places = places[np.argsort(rows.time[places], kind="stable")]
        matured = np.cumsum(done[places])
        enough = np.flatnonzero(matured >= NEARLY_ALL * np.arange(1, len(places) + 1))
        mark = from_unix(float(rows.time[places[enough[-1]]])) if len(enough) else None
        found.append(Maturity(Version(name), len(places), int(matured[-1]) if len(places) else 0, mark))
    return tuple(found)


def count_matured(rows: Rows, lag: float, since: float, as_of: float, version: Version | None) -> int:
    """Rows with a matured label and a time after ``since``; with ``version`` only those that it answered itself."""
    mask = (np.maximum(rows.labelled, rows.time + lag) <= as_of) & (rows.time > since)
    if version is not None:
        mask &= rows.version_is(version) & ~rows.fallback & ~rows.failed
    return int(np.count_nonzero(mask))
