"""History as a backtest wants it: per stretch of time what the monitors would have measured, and how surely. Pure.

A ``Fact`` is a number that a finding has as its value, under the finding's path, read off summaries and sums of service
metrics instead of rows, with a bound on what it may differ from that of the rows that were there. Where there was no
row there is no fact: a gap, never a zero. The surprising part: a stretch is as long as ``step``, or longer where history
has been added up to wider buckets than that; every row counts in one stretch, except those on a grid that is not the
reference's, which ``n`` does not count.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from autoheal.domain.past import Fact
from autoheal.domain.specs import ModelSpec
from autoheal.monitors.reference import Reference
from autoheal.stats import psi
from autoheal.telemetry.ages import DAY, HOUR, MINUTE
from autoheal.telemetry.distances import compare, reference_summary, tally
from autoheal.telemetry.grid import FeatureGrid, layout
from autoheal.telemetry.metric_sum import MetricSum
from autoheal.telemetry.scored import scores_of
from autoheal.telemetry.summaries_table import Bucket
from autoheal.telemetry.summary import Answers, Summary, feature_total
from autoheal.telemetry.values import from_unix

#: The reference of a version, None where it has none.
Yardstick = Callable[[str], Reference | None]
#: Whether facts under a path are asked for.
Wanted = Callable[[str], bool]


def _all(_path: str) -> bool:
    return True


def check_step(step: timedelta) -> int:
    """Seconds of a step that buckets can be added up to; ValueError for another."""
    seconds = int(step.total_seconds())
    whole = seconds == step.total_seconds() and seconds > 0 and seconds % MINUTE == 0
    if not whole or not (
        HOUR % seconds == 0 or (seconds % HOUR == 0 and DAY % seconds == 0) or seconds % DAY == 0
    ):
        raise ValueError("a step is minutes that divide an hour, hours that divide a day, or days")
    return seconds


@dataclass(frozen=True, slots=True)
class Stretches:
    """Cuts time so that every bucket lies in one stretch: in steps, or as wide as the widest bucket there. While old
    buckets are being added up, narrower ones may lie in a wider one's time; they belong to its stretch."""

    step: int
    wide: tuple[tuple[int, int], ...]

    @classmethod
    def around(cls, buckets: Iterable[tuple[float, int]], step: int) -> Stretches:
        """Of buckets by start and width in unix seconds (width 0: a single moment)."""
        wide: list[tuple[int, int]] = []
        for start, width in sorted({b for b in buckets if b[1] > step}, key=lambda b: (b[0], -b[1])):
            if not wide or start >= wide[-1][1]:
                wide.append((int(start), int(start) + width))
        return cls(step, tuple(wide))

    def of(self, start: float) -> tuple[int, int]:
        """The stretch that a bucket is in, in unix seconds: from, to."""
        place = bisect_right(self.wide, start, key=lambda one: one[0]) - 1
        if place >= 0 and start < self.wide[place][1]:
            return self.wide[place]
        first = int(start) // self.step * self.step
        return first, first + self.step


def facts_of(
    spec: ModelSpec,
    references: Yardstick,
    found: Iterable[tuple[Bucket, Summary]],
    step: int,
    wanted: Wanted = _all,
) -> Iterator[Fact]:
    """Of all buckets of a time that starts and ends with a step, in order of time and version; ``wanted`` paths only."""
    buckets = list(found)
    cut = Stretches.around(((b.start, b.width) for b, _ in buckets), step)
    parts: dict[tuple[int, int, str], list[Summary]] = {}
    for bucket, summary in buckets:
        parts.setdefault((*cut.of(bucket.start), bucket.version), []).append(summary)
    for (start, end, version), summaries in sorted(parts.items(), key=lambda part: part[0]):
        yield from _window(spec, references(version), version, (start, end), summaries, wanted)


def metric_facts(name: str, samples: Sequence[tuple[float, int, MetricSum]], step: int) -> Iterator[Fact]:
    """Of one service metric: start in unix seconds, width (0: a single sample), sum."""
    cut = Stretches.around(((start, width) for start, width, _ in samples), step)
    parts: dict[tuple[int, int], MetricSum] = {}
    for start, _, one in samples:
        place = cut.of(start)
        parts[place] = parts[place] + one if place in parts else one
    for (first, last), one in sorted(parts.items(), key=lambda part: part[0]):
        middle = one.quantile(0.5)
        more = {"mean": one.mean, "low": one.low, "high": one.high, "last": one.last[1]}
        more |= {f"p{p}": one.quantile(p / 100) for p in (95, 99)}
        since, until = from_unix(first), from_unix(last)
        yield Fact(
            since, until, "", f"serving/{name}", middle, one.n, abs(middle) * 0.021, known_at=until, more=more
        )


def _window(
    spec: ModelSpec,
    reference: Reference | None,
    version: str,
    span: tuple[int, int],
    parts: Sequence[Summary],
    wanted: Wanted,
) -> Iterator[Fact]:
    since, until = from_unix(span[0]), from_unix(span[1])
    late = until + spec.label_lag
    for path, value, n, error, usual, more in _measured(spec, reference, parts, span[1] - span[0], wanted):
        if not wanted(path):
            continue
        known_at = late if path.startswith("performance/") else until
        yield Fact(since, until, version, path, value, n, error, usual, known_at, more)


_Said = tuple[str, float, int, float, float | None, dict[str, float]]


def _measured(
    spec: ModelSpec, reference: Reference | None, parts: Sequence[Summary], seconds: int, wanted: Wanted
) -> Iterator[_Said]:
    if reference is not None:
        hidden = {f.name for f in spec.features if f.sensitive}
        for grid in layout(spec, reference).features:
            # Distances of many features are what costs.
            if not any(wanted(path) for path in _paths(grid)):
                continue
            yield from _feature(reference, grid, parts, hide=grid.name in hidden)
    yield from _answers(parts, seconds)
    baselines = reference.performance if reference else {}
    for score in scores_of(parts):
        base = baselines.get(score.metric)
        usual = None if base is None else base.value
        yield f"performance/{score.metric}", score.value, score.n, score.error, usual, {}


def _feature(
    reference: Reference, grid: FeatureGrid, parts: Sequence[Summary], *, hide: bool
) -> Iterator[_Said]:
    """Of a sensitive feature only shares, and distances that have no unit."""
    known = reference.features.get(grid.name)
    summed = feature_total(grid, parts)
    if known is None or summed is None:
        return
    n = summed.present + summed.missing
    drift, missing, odd = _paths(grid)
    then = reference_summary(grid, known)
    if then is None:
        yield drift, psi.psi(known.counts, tally(summed)), n, 0.0, None, {}
    else:
        far = compare(then, summed)
        more = {"js": far.js}
        if far.ks is not None and far.wasserstein is not None:
            more |= {"ks": far.ks, "ks_error": far.ks_error}
            if not hide:
                more |= {"wasserstein": far.wasserstein, "wasserstein_error": far.wasserstein_error}
        yield drift, far.psi, n, 0.0, None, more
    yield missing, summed.missing / n, n, 0.0, known.missing, {}
    yield odd, summed.out_of_range / n, n, 0.0, 0.0, {}


def _paths(grid: FeatureGrid) -> tuple[str, str, str]:
    """Of a feature's drift, its missing values, and its values that the reference did not have."""
    quality = f"data_quality/{grid.name}"
    odd = "category" if grid.kind == "levels" else "range"
    return f"data_drift/{grid.name}", f"{quality}/missing", f"{quality}/{odd}"


def _answers(parts: Sequence[Summary], seconds: int) -> Iterator[_Said]:
    whole = Answers()
    for part in parts:
        whole.tally.update(part.answers.tally)
    rows = whole.tally["rows"]
    if rows:
        yield "serving/rows_per_s", rows / seconds, rows, 0.0, None, {}
        yield "serving/failed", whole.tally["failed"] / rows, rows, 0.0, None, {}
        yield "serving/stand_in", whole.tally["fallback"] / rows, rows, 0.0, None, {}
