"""A reference from what was served: the rows of a window as they lie in telemetry.db. Reads the file beside the daemon.

For ``autoheal reference``: when no training file is left, or the world has changed for good. The surprising part:
performance comes from rows that are older than the label lag alone, since labels that come early are seldom a fair
sample, and from answers of the version itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from autoheal.domain.names import ModelName, Version
from autoheal.domain.specs import ModelSpec
from autoheal.errors import TelemetryError
from autoheal.telemetry import chunks_table, predictions_table
from autoheal.telemetry.predictions_table import StoredRow
from autoheal.telemetry.reference import build_performance, build_reference
from autoheal.telemetry.schema import reader
from autoheal.telemetry.values import to_unix

#: Fewer rows say too little about a feature, fewer labels about performance; more rows change no bin any more.
LEAST_ROWS, LEAST_LABELS, MOST_ROWS = 200, 50, 50_000


@dataclass(frozen=True, slots=True)
class Served:
    """reference.json of ``rows`` rows; performance is in it when ``labels`` of them suffice."""

    reference: dict[str, Any]
    rows: int
    labels: int


def served_reference(
    path: Path,
    spec: ModelSpec,
    since: datetime,
    until: datetime,
    *,
    now: datetime,
    version: Version,
) -> Served:
    """From the newest rows with since < time <= until that ``version`` answered; TelemetryError when they are too few."""
    start, end = to_unix(since), to_unix(until)
    with closing(reader(path)) as db:
        found = [
            row
            for table in (predictions_table, chunks_table)
            for row in table.answered(db, spec.name, start, end, version, MOST_ROWS)
        ]
    rows = sorted(found, key=lambda row: (row.record.time, row.seq))[-MOST_ROWS:]
    if len(rows) < LEAST_ROWS:
        raise TelemetryError(
            f"{len(rows)} rows answered by {version} from {since.isoformat()} to {until.isoformat()} are left on disk,"
            f" {LEAST_ROWS} are needed"
        )
    matured = to_unix(now) - spec.label_lag.total_seconds()
    labelled = [row for row in rows if row.label is not None and row.record.time <= matured]
    latency = [row.record.latency_ms for row in rows if row.record.latency_ms is not None]
    made = build_reference(
        spec.features,
        _columns(spec, rows),
        _performance(spec, labelled) if len(labelled) >= LEAST_LABELS else None,
        float(np.quantile(latency, 0.95)) if latency else None,
        slices=spec.slices,
    )
    return Served(made, len(rows), len(labelled))


def rows_served(
    db: sqlite3.Connection, model: ModelName, since: float, until: float, limit: int = MOST_ROWS
) -> list[tuple[float, Mapping[str, Any]]]:
    """Time and features of the newest rows with since < time <= until, whoever answered them, the newest first."""
    found = [
        row
        for table in (predictions_table, chunks_table)
        for row in table.served(db, model, since=since, until=until, limit=limit)
    ]
    return sorted(found, key=lambda row: row[0], reverse=True)[:limit]


def _performance(spec: ModelSpec, rows: Sequence[StoredRow]) -> dict[str, Any]:
    scores = [np.nan if row.record.score is None else row.record.score for row in rows]
    said = [row.record.prediction for row in rows]
    labels, columns = [row.label for row in rows], _columns(spec, rows)
    return build_performance(spec.task, labels, said, scores, slices=spec.slices, columns=columns)


def _columns(spec: ModelSpec, rows: Sequence[StoredRow]) -> dict[str, list[Any]]:
    return {f.name: [row.record.features.get(f.name) for row in rows] for f in spec.features}
