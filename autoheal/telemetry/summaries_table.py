"""All SQL about summaries: one row a bucket (model, version, slice, stretch of time, grid). Called by the writer thread
and by readers. Counts are packed in the smallest whole numbers that hold them, and only the cells that are not empty
where that is shorter; the rest is JSON.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import orjson

from autoheal.stats.ddsketch import DDSketch
from autoheal.telemetry.class_scores import CALIBRATION, ClassScores
from autoheal.telemetry.grid import Cells, Layout, load
from autoheal.telemetry.summary import LATENCY_ACCURACY, Answers, Summary

#: Whole numbers of so many bytes, the smallest first.
WIDTHS: Final[tuple[np.dtype[np.unsignedinteger[Any]], ...]] = (
    np.dtype("u1"),
    np.dtype("<u2"),
    np.dtype("<u4"),
    np.dtype("<u8"),
)


class Bucket(NamedTuple):
    """Names one row. ``width`` and ``start`` in seconds, unix time of the predictions; ``slice`` is empty for all."""

    model: str
    version: str
    slice: str
    width: int
    start: int
    grid: str


def write(db: sqlite3.Connection, bucket: Bucket, summary: Summary) -> None:
    """Put the bucket in place of what was there."""
    moments = np.concatenate([summary.sums.ravel(), summary.low.view("<i8"), summary.high.view("<i8")])
    db.execute(
        "INSERT OR REPLACE INTO summaries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *bucket,
            summary.rows,
            _packed(summary.counts),
            moments.astype("<i8").tobytes(),
            _said(summary.answers),
        ),
    )


def read(db: sqlite3.Connection, bucket: Bucket, layout: Layout) -> Summary | None:
    """The bucket, or None when there is none yet."""
    found = db.execute(
        "SELECT rows, counts, moments, answers FROM summaries"
        " WHERE model = ? AND version = ? AND slice = ? AND width = ? AND start = ? AND grid = ?",
        bucket,
    ).fetchone()
    return None if found is None else _summary(layout, *found)


@dataclass(frozen=True, slots=True)
class Stored:
    """A bucket as it lies on disk, a small part of what its ``summary`` takes in memory."""

    bucket: Bucket
    layout: Layout
    parts: tuple[int, bytes, bytes, bytes]

    @property
    def summary(self) -> Summary:
        """Unpacked anew each time."""
        return _summary(self.layout, *self.parts)


def between(
    db: sqlite3.Connection, model: str, since: float, until: float, *, slice_: str | None, version: str | None
) -> list[Stored]:
    """The buckets that lie wholly in [since, until), by time; None asks for all slices, all versions."""
    found = db.execute(
        "SELECT model, version, slice, width, start, grid, rows, counts, moments, answers FROM summaries"
        " WHERE model = ? AND start >= ? AND start + width <= ?"
        " AND slice = ifnull(?, slice) AND version = ifnull(?, version) ORDER BY start, width, version, slice",
        (model, since, until, slice_, version),
    ).fetchall()
    layouts = {grid: layout_of(db, grid) for grid in {row[5] for row in found}}
    made = []
    for *name, rows, counts, moments, answers in found:
        bucket = Bucket(*name)
        known = layouts[bucket.grid]
        # Earlier releases could lose a grid when the disk was full; nobody can tell what was counted on it.
        if known is not None:
            made.append(Stored(bucket, known, (rows, counts, moments, answers)))
    return made


def finer(db: sqlite3.Connection, model: str, width: int, before: int, most: int) -> list[Bucket]:
    """Buckets of a width that begin before a time, the oldest first."""
    found = db.execute(
        "SELECT model, version, slice, width, start, grid FROM summaries"
        " WHERE model = ? AND width = ? AND start < ? ORDER BY start LIMIT ?",
        (model, width, before, most),
    )
    return [Bucket(*row) for row in found]


def delete(db: sqlite3.Connection, buckets: Sequence[Bucket]) -> None:
    db.executemany(
        "DELETE FROM summaries WHERE model = ? AND version = ? AND slice = ? AND width = ? AND start = ? AND grid = ?",
        buckets,
    )


def newest(db: sqlite3.Connection, until: float) -> dict[str, int]:
    """Per model, where its newest bucket ends that began by ``until``."""
    found = db.execute(
        "SELECT model, max(start + width) FROM summaries WHERE start <= ? GROUP BY model", (until,)
    )
    return dict(found)


def slices(db: sqlite3.Connection, model: str, head: str) -> list[str]:
    """Names of slices that begin like this, of which there are buckets."""
    found = db.execute(
        "SELECT DISTINCT slice FROM summaries WHERE model = ? AND substr(slice, 1, ?) = ? ORDER BY slice",
        (model, len(head), head),
    )
    return [name for (name,) in found]


def keep_layout(db: sqlite3.Connection, model: str, version: str, layout: Layout) -> None:
    """Remember the grid by its digest, and as the one that this version is counted on now."""
    db.execute("INSERT OR IGNORE INTO grids (digest, layout) VALUES (?, ?)", (layout.digest, layout.dumped()))
    db.execute(
        "INSERT OR REPLACE INTO grid_of (model, version, digest) VALUES (?, ?, ?)",
        (model, version, layout.digest),
    )


def layout_of(db: sqlite3.Connection, digest: str) -> Layout | None:
    return _layout(db, "?", digest)


def layout_now(db: sqlite3.Connection, model: str, version: str) -> Layout | None:
    """The grid that a version was counted on last."""
    return _layout(db, "SELECT digest FROM grid_of WHERE model = ? AND version = ?", model, version)


def newest_layout(db: sqlite3.Connection, model: str) -> Layout | None:
    """The grid of a model's newest bucket."""
    return _layout(db, "SELECT grid FROM summaries WHERE model = ? ORDER BY start DESC LIMIT 1", model)


def _layout(db: sqlite3.Connection, named: str, *what: str) -> Layout | None:
    found = db.execute(f"SELECT layout FROM grids WHERE digest = ({named})", what).fetchone()  # noqa: S608 - constants
    return None if found is None else load(found[0])


def forget_layouts(db: sqlite3.Connection) -> None:
    """Drop the grids on which there is no bucket any more."""
    db.execute("DELETE FROM grids WHERE digest NOT IN (SELECT grid FROM summaries)")
    db.execute("DELETE FROM grid_of WHERE digest NOT IN (SELECT digest FROM grids)")


def _packed(counts: Cells) -> bytes:
    """One byte says how: the width of a number, plus 8 where places are given too."""
    taken = np.flatnonzero(counts)
    kind = next(i for i, w in enumerate(WIDTHS) if counts.max(initial=0) <= np.iinfo(w).max)
    if len(taken) * (4 + WIDTHS[kind].itemsize) < len(counts) * WIDTHS[kind].itemsize:
        return (
            bytes([kind + 8]) + taken.astype("<u4").tobytes() + counts[taken].astype(WIDTHS[kind]).tobytes()
        )
    return bytes([kind]) + counts.astype(WIDTHS[kind]).tobytes()


def _unpacked(packed: bytes, size: int) -> Cells:
    width = WIDTHS[packed[0] % 8]
    if packed[0] < 8:
        return np.frombuffer(packed, width, offset=1).astype(np.int64)
    taken = (len(packed) - 1) // (4 + width.itemsize)
    counts = np.zeros(size, np.int64)
    places = np.frombuffer(packed, "<u4", taken, offset=1)
    counts[places] = np.frombuffer(packed, width, taken, offset=1 + 4 * taken)
    return counts


def _said(answers: Answers) -> bytes:
    return orjson.dumps(
        {
            "tally": dict(answers.tally),
            "scores": answers.scores.tolist(),
            "confusion": [[*pair, n] for pair, n in answers.confusion.items()],
            "errors": [str(n) for n in answers.errors],
            "scored": [
                [name, one.bins.ravel().tolist(), str(one.squares), one.losses]
                for name, one in answers.scored.items()
            ],
            "latency": [answers.latency.zeros, sorted(answers.latency.positive.items())],
        }
    )


def _summary(layout: Layout, rows: int, counts: bytes, moments: bytes, said: bytes) -> Summary:
    features = len(layout.features)
    numbers = np.frombuffer(moments, "<i8")
    raw: dict[str, Any] = orjson.loads(said)
    return Summary(
        layout,
        rows,
        _unpacked(counts, layout.size),
        numbers[: 2 * features].reshape(features, 2).copy(),
        numbers[2 * features : 3 * features].view("<f8").copy(),
        numbers[3 * features :].view("<f8").copy(),
        Answers(
            Counter(raw["tally"]),
            np.array(raw["scores"], np.int64),
            Counter({(truth, said_): n for truth, said_, n in raw["confusion"]}),
            [int(n) for n in raw["errors"]],
            # Not in summaries of earlier releases.
            _scored(raw.get("scored", ())),
            _latency(*raw.get("latency", (0, ()))),
        ),
    )


def _scored(stored: Iterable[tuple[str, Sequence[int], str, tuple[int, int]]]) -> dict[str, ClassScores]:
    return {
        name: ClassScores(np.array(bins, np.int64).reshape(CALIBRATION, 2), int(squares), (hit, miss))
        for name, bins, squares, (hit, miss) in stored
    }


def _latency(zeros: int, buckets: Iterable[tuple[int, int]]) -> DDSketch:
    return DDSketch(LATENCY_ACCURACY, dict(buckets), zeros=zeros)
