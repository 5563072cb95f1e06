"""History as a backtest wants it: per stretch of time what the monitors would have measured, and how surely. Pure.

A ``Fact`` is a number that a finding has as its value, under the finding's path, read off summaries and sums of service
metrics instead of rows, with a bound on what it may differ from that of the rows that were there. Where there was no
row there is no fact: a gap, never a zero. The surprising part: a stretch is as long as ``step``, or longer where history
has been added up to wider buckets than that; every row counts in one stretch. In the one in which a version was anchored
anew, rows on the former grid are not counted in drift and data quality.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from itertools import groupby

from autoheal.domain.past import Fact
from autoheal.domain.specs import ModelSpec
from autoheal.monitors.reference import Reference
from autoheal.telemetry.ages import DAY, HOUR, MINUTE
from autoheal.telemetry.grid import layout
from autoheal.telemetry.measured import Gridded, Parts, Wanted, measured
from autoheal.telemetry.metric_sum import MetricSum
from autoheal.telemetry.summaries_table import Stored
from autoheal.telemetry.summary import Summary
from autoheal.telemetry.values import from_unix

#: All that a version was ever compared with, the present one first.
Ever = Callable[[str], Sequence[Reference]]
Yardsticks = Callable[[str], Sequence[Gridded]]


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


def yardsticks(spec: ModelSpec, references: Ever) -> Yardsticks:
    """The same on their grids; each version is asked for once."""
    return cache(lambda version: [Gridded(one, layout(spec, one)) for one in references(version)])


def facts_of(
    spec: ModelSpec,
    known: Yardsticks,
    found: Sequence[Stored],
    step: int,
    wanted: Wanted = _all,
) -> Iterator[Fact]:
    """Of all buckets of a time that starts and ends with a step, by time, and then by version; ``wanted`` paths only.
    Slices are measured as far as their buckets are among them; each stretch beside the reference that was in force.
    In memory is one stretch."""
    cut = Stretches.around(((one.bucket.start, one.bucket.width) for one in found), step)
    for span, inside in groupby(found, key=lambda one: cut.of(one.bucket.start)):
        for version, parts in sorted(_by_version(inside).items()):
            yield from _facts(spec, known(version), version, span, parts, wanted)


def _by_version(found: Iterable[Stored]) -> dict[str, dict[str, list[Summary]]]:
    """By version and slice, the sum of each grid's buckets."""
    sums: dict[str, dict[str, dict[str, Summary]]] = {}
    for one in found:
        version, slice_, grid = one.bucket.version, one.bucket.slice, one.bucket.grid
        by_grid = sums.setdefault(version, {}).setdefault(slice_, {})
        if grid in by_grid:
            by_grid[grid].add(one.summary)
        else:
            by_grid[grid] = one.summary
    return {
        version: {slice_: list(by_grid.values()) for slice_, by_grid in slices.items()}
        for version, slices in sums.items()
    }


def _facts(
    spec: ModelSpec,
    ever: Sequence[Gridded],
    version: str,
    span: tuple[int, int],
    parts: Parts,
    wanted: Wanted,
) -> Iterator[Fact]:
    since, until = from_unix(span[0]), from_unix(span[1])
    late = until + spec.label_lag
    for said in measured(spec, _in_force(ever, parts), parts, span[1] - span[0], wanted):
        if wanted(said.path):
            known_at = late if said.late else until
            yield Fact(since, until, version, *said[:5], known_at=known_at, more=said.more)


def _in_force(ever: Sequence[Gridded], parts: Parts) -> Gridded | None:
    """The newest on whose grid rows were counted; the present one where none was. Labels do not count: they come late, and
    are on the grid of the day on which they came."""
    grids = {part.layout.digest for mine in parts.values() for part in mine if part.rows}
    return next((one for one in ever if one.layout.digest in grids), ever[0] if ever else None)


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
