"""What happened to a model over time, from its summaries: windows as sums of buckets, series of distances and scores.

Read side of ``summaries_table``; ``Telemetry.history`` makes one. Callers are backtests, exports and the CLI. The
surprising part: after a new reference a version has buckets on two grids, which cannot be added; a window then says
which grid most of its rows are on, and how many rows it left out.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from autoheal.domain.names import ModelName
from autoheal.domain.past import Fact
from autoheal.domain.specs import ModelSpec
from autoheal.telemetry import metric_buckets_table, metrics_table, summaries_table
from autoheal.telemetry.ages import DAY
from autoheal.telemetry.facts import Ever, check_step, facts_of, metric_facts, yardsticks
from autoheal.telemetry.metric_sum import MetricSum, added
from autoheal.telemetry.sample import sample
from autoheal.telemetry.schema import reader
from autoheal.telemetry.slices import secret
from autoheal.telemetry.summaries_table import Bucket, Stored
from autoheal.telemetry.summary import Answers, FeatureSummary, Summary, total
from autoheal.telemetry.values import from_unix, to_unix

#: The columns of ``records``: what is exported.
COLUMNS = (
    "model", "version", "slice", "start", "seconds", "rows", "subject", "present", "missing", "out_of_range",
    "mean", "variance", "low", "high", "counts",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Window:
    """The sum of all buckets of a stretch of time that are on one grid; ``left_out`` rows are on other grids."""

    since: datetime
    until: datetime
    summary: Summary
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """Samples of a service metric from ``start`` on, over so many seconds; 0: one sample, as it came."""

    metric: str
    start: datetime
    seconds: int
    sum: MetricSum


class History:
    """Summaries of telemetry.db, for any thread. ``path`` is read only."""

    def __init__(self, path: Path) -> None:
        self._db = reader(path)
        self._lock = threading.Lock()

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _looking(self) -> Iterator[None]:
        """One moment of the file for several questions: rows may be on their way from one table to another."""
        with self._lock:
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("COMMIT")

    def buckets(
        self,
        model: ModelName,
        since: datetime,
        until: datetime,
        *,
        version: str | None = None,
        slice_: str | None = "",
    ) -> list[Stored]:
        """All buckets that lie wholly in [since, until), in order of time; ``slice_`` None gives all slices."""
        with self._lock:
            return summaries_table.between(
                self._db, model, to_unix(since), to_unix(until), slice_=slice_, version=version
            )

    def window(
        self,
        model: ModelName,
        since: datetime,
        until: datetime,
        *,
        version: str | None = None,
        slice_: str = "",
    ) -> Window | None:
        """One sum over a stretch of time; None where there is nothing."""
        by_grid: dict[str, list[Stored]] = {}
        for one in self.buckets(model, since, until, version=version, slice_=slice_):
            by_grid.setdefault(one.bucket.grid, []).append(one)
        if not by_grid:
            return None
        parts = ((many[0].layout, (one.summary for one in many)) for many in by_grid.values())
        sums = sorted((total(*part) for part in parts), key=lambda one: -one.rows)
        return Window(since, until, sums[0], sum(one.rows for one in sums[1:]))

    def metrics(self, model: ModelName) -> list[str]:
        """Names of the service metrics of which anything is kept."""
        with self._looking():
            return sorted(
                {*metrics_table.known(self._db, model), *metric_buckets_table.known(self._db, model)}
            )

    def series(self, model: ModelName, metric: str | None, since: datetime, until: datetime) -> list[Point]:
        """Samples of a service metric (None: of all), with since <= time < until, by metric and time: the newest as
        they are, older ones as sums over minutes, hours, days; of sums those that lie wholly inside."""
        span = to_unix(since), to_unix(until)
        with self._looking():
            found = [
                Point(bucket.name, from_unix(bucket.start), bucket.width, summed)
                for bucket, summed in metric_buckets_table.between(self._db, model, *span, metric)
            ]
            found += [
                Point(name, from_unix(time), 0, added([(time, value)]))
                for name, time, value in metrics_table.between(self._db, model, *span, metric)
            ]
        return sorted(found, key=lambda point: (point.metric, point.start, point.seconds))

    def facts(
        self,
        spec: ModelSpec,
        references: Ever,
        since: datetime,
        until: datetime,
        step: timedelta,
        *,
        path: str = "*",
    ) -> Iterator[Fact]:
        """What the monitors would have measured in each step that lies wholly in [since, until), in order of time: the
        input of a backtest. Of a part of a step nothing is said, since it would be taken for the whole. ``path`` is a
        glob of what is wanted.

        ``references`` gives all that a version was ever compared with, the present one first, so that the time before
        it was anchored anew is told beside what was in force then. See ``telemetry.facts``; ValueError for a step that is
        no whole part of an hour or day, or whole days.
        """
        seconds = check_step(step)
        whole = -(-to_unix(since) // seconds) * seconds, to_unix(until) // seconds * seconds
        known = yardsticks(spec, references)
        # Slices are many times the buckets of the whole: read only when they may be asked for.
        slices = None if overlap(path, "slices/") else ""
        for span in _spans(*whole, max(seconds, DAY)):
            found = self.buckets(spec.name, *span, slice_=slices)
            yield from facts_of(spec, known, found, seconds, lambda one: fnmatchcase(one, path))
            yield from (f for f in self._service(spec.name, *span, seconds) if fnmatchcase(f.path, path))

    def _service(self, model: ModelName, since: datetime, until: datetime, step: int) -> Iterator[Fact]:
        points = self.series(model, None, since, until)
        for name, mine in itertools.groupby(points, key=lambda point: point.metric):
            samples = [(to_unix(point.start), point.seconds, point.sum) for point in mine]
            yield from metric_facts(name, samples, step)

    def sample(
        self,
        spec: ModelSpec,
        since: datetime,
        until: datetime,
        size: int = 20,
        *,
        version: str | None = None,
    ) -> list[dict[str, Any]]:
        """A uniform sample of the raw rows with since < time <= until, without sensitive features, also of those that
        have left the disk (see ``telemetry.sample``); the same on every call."""
        with self._looking():
            return sample(self._db, spec, to_unix(since), to_unix(until), size, version)


def _spans(at: float, end: float, size: int) -> Iterator[tuple[datetime, datetime]]:
    """The time between, in unix seconds, cut at whole multiples of ``size`` seconds: no bucket of a day or less is cut."""
    while at < end:
        upto = min((at // size + 1) * size, end)
        yield from_unix(at), from_unix(upto)
        at = upto


def overlap(glob: str, head: str) -> bool:
    """Whether something with this head may fit the glob: it does up to the glob's first sign."""
    plain = re.split(r"[*?\[]", glob, maxsplit=1)[0]
    return plain.startswith(head) or (head.startswith(plain) and plain != glob)


def export(
    path: Path, specs: dict[ModelName, ModelSpec], since: datetime, until: datetime, slice_: str | None = None
) -> Iterator[dict[str, Any]]:
    """One record a bucket and subject (a feature, ``answers``, or ``metric/NAME``), as COLUMNS; nothing raw of sensitive
    features. ``slice_``: only slices that this pattern fits, like ``region=*``; metrics belong to the whole, ""."""
    history = History(path)
    try:
        for model, spec in specs.items():
            hidden, unsaid = {f.name for f in spec.features if f.sensitive}, secret(spec)
            for span in _spans(to_unix(since), to_unix(until), DAY):
                for one in history.buckets(model, *span, slice_=None):
                    name = one.bucket.slice
                    if (slice_ is None or fnmatchcase(name, slice_)) and not unsaid(name):
                        yield from records(one.bucket, one.summary, hidden)
            if slice_ is None or fnmatchcase("", slice_):
                yield from (_metric(model, point) for point in history.series(model, None, since, until))
    finally:
        history.close()


def records(bucket: Bucket, summary: Summary, hidden: set[str]) -> Iterator[dict[str, Any]]:
    """One bucket as flat records: its answers, then each feature."""
    head = {
        "model": bucket.model,
        "version": bucket.version,
        "slice": bucket.slice,
        "start": from_unix(bucket.start),
        "seconds": bucket.width,
        "rows": summary.rows,
    }
    yield head | {"subject": "answers", "counts": _answers(summary.answers)}
    for grid in summary.layout.features:
        yield head | _feature(summary.feature(grid.name), hide=grid.name in hidden)


def _metric(model: str, point: Point) -> dict[str, Any]:
    """A service metric as a flat record; it belongs to no version."""
    one = point.sum
    return {
        "model": model,
        "version": "",
        "slice": "",
        "start": point.start,
        "seconds": point.seconds,
        "rows": one.n,
        "subject": f"metric/{point.metric}",
        "present": one.n,
        "mean": one.mean,
        "variance": one.variance,
        "low": one.low,
        "high": one.high,
        "counts": {"last": one.last[1]} | {f"p{p}": one.quantile(p / 100) for p in (50, 95, 99)},
    }


def _answers(answers: Answers) -> dict[str, Any]:
    return {
        **{name: n for name, n in answers.tally.items() if name != "rows"},
        "scores": answers.scores.tolist(),
        "confusion": [[*pair, n] for pair, n in sorted(answers.confusion.items())],
        "labelled": answers.errors[0] or sum(answers.confusion.values()),
        **_latency(answers),
    }


def _latency(answers: Answers) -> dict[str, float]:
    """Quantiles in milliseconds; nothing where no row had a latency."""
    if not answers.latency.n:
        return {}
    found = answers.latency.quantiles([0.5, 0.95, 0.99]).tolist()
    return dict(zip(("latency_p50_ms", "latency_p95_ms", "latency_p99_ms"), found, strict=True))


def _feature(one: FeatureSummary, *, hide: bool) -> dict[str, Any]:
    """Cells by their place; smallest, largest and names of levels are raw values, and hidden where asked."""
    numbers = one.grid.kind == "numbers" and one.present and not hide
    return {
        "subject": one.grid.name,
        "present": one.present,
        "missing": one.missing,
        "out_of_range": one.out_of_range,
        "mean": None if hide else one.mean,
        "variance": None if hide else one.variance,
        "low": one.low if numbers else None,
        "high": one.high if numbers else None,
        "counts": _named(one) if one.grid.kind == "levels" and not hide else one.counts.tolist(),
    }


def _named(one: FeatureSummary) -> dict[str, int]:
    labels = (*one.grid.names, "<other>", "<null>", "<absent>", "<wrong type>")
    return {name: int(n) for name, n in zip(labels, one.counts.tolist(), strict=True) if n}
