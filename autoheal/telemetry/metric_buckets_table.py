"""All SQL about sums of metric samples over stretches of time. Called by the store's writer thread and by readers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from autoheal.telemetry.metric_sum import MetricSum, dumped, loaded


class MetricBucket(NamedTuple):
    """Names one row: samples of a metric with start <= time < start + width, in unix seconds."""

    model: str
    name: str
    width: int
    start: int


_SAME = "model = ? AND name = ? AND width = ? AND start = ?"


def add(db: sqlite3.Connection, bucket: MetricBucket, more: MetricSum) -> None:
    """Add to what is there."""
    found = db.execute(f"SELECT n, data FROM metric_buckets WHERE {_SAME}", bucket).fetchone()  # noqa: S608 - constant
    whole = more if found is None else loaded(*found) + more
    db.execute(
        "INSERT OR REPLACE INTO metric_buckets (model, name, width, start, n, data) VALUES (?, ?, ?, ?, ?, ?)",
        (*bucket, whole.n, dumped(whole)),
    )


def older(
    db: sqlite3.Connection, model: str, width: int, before: int, most: int
) -> list[tuple[MetricBucket, MetricSum]]:
    """Buckets of a width that begin before a time, the oldest first."""
    found = db.execute(
        "SELECT model, name, width, start, n, data FROM metric_buckets"
        " WHERE model = ? AND width = ? AND start < ? ORDER BY start LIMIT ?",
        (model, width, before, most),
    )
    return [(MetricBucket(*row[:4]), loaded(*row[4:])) for row in found]


def delete(db: sqlite3.Connection, buckets: Sequence[MetricBucket]) -> None:
    db.executemany(f"DELETE FROM metric_buckets WHERE {_SAME}", buckets)  # noqa: S608 - constant


def between(
    db: sqlite3.Connection, model: str, since: float, until: float, name: str | None
) -> Iterator[tuple[MetricBucket, MetricSum]]:
    """The buckets that lie wholly in [since, until), by metric and time; None asks for all metrics."""
    found = db.execute(
        "SELECT model, name, width, start, n, data FROM metric_buckets WHERE model = ? AND start >= ?"
        " AND start + width <= ? AND name = ifnull(?, name) ORDER BY name, start",
        (model, since, until, name),
    )
    for row in found:
        yield MetricBucket(*row[:4]), loaded(*row[4:])


def known(db: sqlite3.Connection, model: str) -> list[str]:
    """The metrics of a model."""
    found = db.execute("SELECT DISTINCT name FROM metric_buckets WHERE model = ?", (model,))
    return [name for (name,) in found]


def newest(db: sqlite3.Connection, until: float) -> dict[str, float]:
    """Per model, where its newest bucket ends that began by ``until``."""
    found = db.execute(
        "SELECT model, max(start + width) FROM metric_buckets WHERE start <= ? GROUP BY model", (until,)
    )
    return {model: float(end) for model, end in found}
