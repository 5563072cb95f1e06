"""What monitors would have measured on the rows of one version and stretch of time, read off their summaries. Pure.

``facts`` asks for it stretch by stretch. Every number stands under the path of the finding that has it as its value; a
slice is measured against the slice's own part of the reference, as the monitor ``slices`` does it. The surprising part:
history gives each level of a category that has a seat a slice of its own, a reference perhaps fewer, and what the
reference calls the rest is then the sum of several slices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from autoheal.domain.specs import ModelSpec
from autoheal.monitors.reference import Reference, SlicedReference, SlicePart
from autoheal.monitors.scores import METRICS
from autoheal.monitors.slices.inputs import MOST_PAIRS
from autoheal.monitors.slicing import OTHER, fit
from autoheal.stats import psi
from autoheal.stats.ddsketch import DDSketch
from autoheal.telemetry.distances import compare, reference_summary, tally
from autoheal.telemetry.grid import FeatureGrid, Layout
from autoheal.telemetry.scored import scores_of
from autoheal.telemetry.slices import secret
from autoheal.telemetry.summary import LATENCY_ACCURACY, Answers, Summary, feature_total

#: Whether facts under a path are asked for.
Wanted = Callable[[str], bool]
#: The summaries of a stretch by slice; "" has all rows.
Parts = Mapping[str, Sequence[Summary]]


@dataclass(frozen=True, slots=True, eq=False)
class Gridded:
    """A reference, and the grid that rows beside it are counted on."""

    reference: Reference
    layout: Layout


class Said(NamedTuple):
    """As ``domain.past.Fact``; ``late``: labels are behind it, which are known a label lag later."""

    path: str
    value: float
    n: int
    error: float = 0.0
    reference: float | None = None
    more: Mapping[str, float] = {}
    late: bool = False


def measured(
    spec: ModelSpec, known: Gridded | None, parts: Parts, seconds: int, wanted: Wanted
) -> Iterator[Said]:
    """Of a stretch of so many seconds; what is not wanted may be among it."""
    whole, reference = parts.get("", ()), known.reference if known else None
    if known is not None:
        hidden = {f.name for f in spec.features if f.sensitive}
        for grid in known.layout.features:
            # Distances of many features are what costs.
            if any(wanted(path) for path in _paths(grid)):
                yield from _feature(known.reference, grid, whole, hide=grid.name in hidden)
    yield from _answers(whole, seconds, reference.latency_p95_ms if reference else None)
    baselines = reference.performance if reference else {}
    for score in scores_of(whole):
        base = baselines.get(score.metric)
        usual = None if base is None else base.value
        yield Said(f"performance/{score.metric}", score.value, score.n, score.error, usual, late=True)
    yield from _slices(spec, known, parts, wanted)


def _feature(
    reference: Reference, grid: FeatureGrid, parts: Sequence[Summary], *, hide: bool
) -> Iterator[Said]:
    """Of a sensitive feature only shares, and distances that have no unit."""
    known = reference.features.get(grid.name)
    summed = feature_total(grid, parts)
    if known is None or summed is None:
        return
    n = summed.present + summed.missing
    drift, missing, odd = _paths(grid)
    then = reference_summary(grid, known)
    if then is None:
        yield Said(drift, psi.psi(known.counts, tally(summed)), n)
    else:
        far = compare(then, summed)
        more = {"js": far.js}
        if far.ks is not None and far.wasserstein is not None:
            more |= {"ks": far.ks, "ks_error": far.ks_error}
            if not hide:
                more |= {"wasserstein": far.wasserstein, "wasserstein_error": far.wasserstein_error}
        yield Said(drift, far.psi, n, more=more)
    yield Said(missing, summed.missing / n, n, reference=known.missing)
    rare = float(known.counts[-2] / known.counts.sum()) if grid.kind == "levels" else 0.0
    yield Said(odd, summed.out_of_range / n, n, reference=rare)


def _paths(grid: FeatureGrid) -> tuple[str, str, str]:
    """Of a feature's drift, its missing values, and its values that the reference did not have."""
    quality = f"data_quality/{grid.name}"
    odd = "category" if grid.kind == "levels" else "range"
    return f"data_drift/{grid.name}", f"{quality}/missing", f"{quality}/{odd}"


def _answers(parts: Sequence[Summary], seconds: int, usual: float | None) -> Iterator[Said]:
    whole = Answers()
    for part in parts:
        whole.tally.update(part.answers.tally)
    rows = whole.tally["rows"]
    if rows:
        yield Said("serving/traffic", rows / seconds, rows)
        yield Said("serving/errors", whole.tally["failed"] / rows, rows)
        yield Said("serving/stand_in", whole.tally["fallback"] / rows, rows)
    latency = DDSketch(LATENCY_ACCURACY)
    for part in parts:
        latency = latency.merge(part.answers.latency)
    if latency.n:
        p50, p95, p99 = latency.quantiles([0.5, 0.95, 0.99]).tolist()
        off = p95 * LATENCY_ACCURACY * 1.05  # a share of the row's own value, which may be that much larger
        yield Said("serving/latency", p95, latency.n, off, usual, {"p50": p50, "p99": p99})


def _slices(spec: ModelSpec, known: Gridded | None, parts: Parts, wanted: Wanted) -> Iterator[Said]:
    metric = METRICS[spec.task][0]
    cuts = known.reference.slices if known else {}
    named = _as_cut(cuts, {name: mine for name, mine in parts.items() if name})
    own = {name: part for cut in cuts.values() for name, part in cut.parts.items()}
    most = max(MOST_PAIRS // max(len(own), 1), 1)
    unsaid = secret(spec)
    for name, mine in sorted(named.items()):
        score_path, drift_path = f"slices/{name}:{metric}", f"slices/{name}:drift"
        if unsaid(name):
            continue
        part = own.get(name)
        if wanted(score_path):
            base = part.performance.get(metric) if part else None
            usual = None if base is None else base.value
            for score in scores_of(mine):
                if score.metric == metric:
                    yield Said(score_path, score.value, score.n, score.error, usual, late=True)
        if known is not None and part is not None and wanted(drift_path):
            yield from _moved(drift_path, known.layout, part, mine, most)


def _as_cut(cuts: Mapping[str, SlicedReference], parts: Parts) -> Parts:
    """By the reference's names: a level that it gives no slice is among its others."""
    heads = {f"{fit(f)}=": frozenset(one.cut.names) for f, one in cuts.items() if not one.cut.bins}
    found: dict[str, list[Summary]] = {}
    for name, mine in parts.items():
        head = next((head for head in heads if name.startswith(head)), None)
        other = head is not None and name not in heads[head]
        found.setdefault(f"{head}{OTHER}" if other else name, []).extend(mine)
    return found


def _moved(path: str, layout: Layout, part: SlicePart, mine: Sequence[Summary], most: int) -> Iterator[Said]:
    """The feature that moved most, of those that the monitor can watch; ``more`` has each one's PSI."""
    grids = {grid.name: grid for grid in layout.features}
    found, n = {}, 0
    for name, known in list(part.features.items())[:most]:
        summed = feature_total(grids[name], mine) if name in grids else None
        if summed is not None:
            n = max(n, summed.present + summed.missing)
            found[name] = psi.psi(known.counts, tally(summed))
    if found:
        yield Said(path, max(found.values()), n, more=found)
