"""A metrics page as numbers: selectors, counters to rates, histograms to quantiles. Pure.

``scrape`` fetches the page, as OpenMetrics or as Prometheus' older text; here it is read, and two readings are
compared. A counter that went down, or whose ``_created`` moved, was reset and counts from zero; a histogram was reset
when any of its buckets was. A series that an earlier page with its family did not have counts from zero too, for
clients make series when they first happen. What surprises: whatever cannot be computed is None, a gap, never zero; so a
series that was NaN on one of the two pages counts for nothing between them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text_format

from autoheal.sources.selector import Labels, Selector

_SUFFIXES = ("_total", "_bucket", "_count", "_sum", "_created", "_gsum", "_gcount", "_info")
#: Milliseconds of one unit; seconds where nothing is said, the base unit of both formats.
_MILLISECONDS = {
    "seconds": 1e3,
    "milliseconds": 1.0,
    "ms": 1.0,
    "microseconds": 1e-3,
    "us": 1e-3,
    "nanoseconds": 1e-6,
}

#: Samples of one page: name and labels to value.
Samples = Mapping[tuple[str, Labels], float]


@dataclass(frozen=True, slots=True)
class Reading:
    """One page, when it was read (real seconds), and the kinds and units of its families. Values may be NaN."""

    at: float
    samples: Samples
    kinds: Mapping[str, str]
    units: Mapping[str, str] = field(default_factory=dict)

    def values(self, selector: Selector, suffix: str = "") -> dict[Labels, float]:
        """The samples that a selector picks, by their labels."""
        name = selector.name + suffix
        return {labels: v for (n, labels), v in self.samples.items() if n == name and selector.picks(labels)}

    def created(self, name: str, labels: Labels) -> float | None:
        """When the series began to count, where the page says so."""
        return self.samples.get((f"{family_of(name)}_created", labels))

    def milliseconds(self, name: str) -> float:
        """How many milliseconds one unit of a metric is: by ``# UNIT``, else by its name, else it is seconds."""
        family = family_of(name)
        unit = self.units.get(family) or family.rpartition("_")[2]
        return _MILLISECONDS.get(unit, 1e3)


def family_of(name: str) -> str:
    """The family that a sample's name belongs to.

    >>> family_of("requests_total"), family_of("latency_seconds_bucket"), family_of("queue")
    ('requests', 'latency_seconds', 'queue')
    """
    for suffix in _SUFFIXES:
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def read(text: str, at: float, *, strict: bool = False) -> Reading:
    """Parse a page, ``strict`` as OpenMetrics (which must end in ``# EOF``); raises ``ValueError`` when it is not one.

    Exemplars and the samples' own times are not used.
    """
    samples: dict[tuple[str, Labels], float] = {}
    kinds: dict[str, str] = {}
    units: dict[str, str] = {}
    try:
        families = openmetrics(text) if strict else text_format(text)  # type: ignore[no-untyped-call]
        for family in families:
            kinds[family.name] = family.type
            if family.unit:
                units[family.name] = family.unit
            for sample in family.samples:
                samples[sample.name, frozenset(sample.labels.items())] = float(sample.value)
    except (KeyError, IndexError, TypeError, AttributeError, AssertionError) as error:
        raise ValueError(f"is no metrics page: {type(error).__name__} {error}"[:200]) from None
    return Reading(at, samples, kinds, units)


def gauge(selector: Selector, now: Reading) -> float | None:
    """The present value, summed over what the selector picks; NaN and infinity are no values."""
    values = [v for v in now.values(selector).values() if math.isfinite(v)]
    return sum(values) if values else None


def increase(selector: Selector, before: Reading, now: Reading) -> float | None:
    """How much counters grew between two pages; None when no series of them can be compared."""
    new, old = now.values(selector), before.values(selector)
    known = any(name == selector.name for name, _ in before.samples)
    grown = [
        _grown(value, old.get(labels), reset=_begun_anew(selector.name, labels, before, now))
        for labels, value in new.items()
        if labels in old or known
    ]
    found = [one for one in grown if one is not None]
    return sum(found) if found else None


def _grown(value: float, was: float | None, *, reset: bool) -> float | None:
    """The growth of one series; ``was`` is None when it is new. None when it cannot be known."""
    if not math.isfinite(value) or value < 0 or (was is not None and not math.isfinite(was)):
        return None
    return value if was is None or reset or value < was else value - was


def _begun_anew(name: str, labels: Labels, before: Reading, now: Reading) -> bool:
    one, other = before.created(name, labels), now.created(name, labels)
    return one is not None and other is not None and one != other


def rate(selector: Selector, before: Reading, now: Reading) -> float | None:
    """Growth per real second."""
    grown, seconds = increase(selector, before, now), now.at - before.at
    return None if grown is None or seconds <= 0 else grown / seconds


def share(part: Selector, whole: Selector, before: Reading, now: Reading) -> float | None:
    """Growth of one counter as a share of another's; None when the other did not grow.

    A part that has no sample yet (no error ever happened) counts as zero as long as the whole is there; one that is
    there and not a number is unknown.
    """
    total = increase(whole, before, now)
    if not total:
        return None
    if not all(math.isfinite(v) for page in (before, now) for v in page.values(part).values()):
        return None
    return min((increase(part, before, now) or 0.0) / total, 1.0)


def quantile(selector: Selector, q: float, before: Reading, now: Reading) -> float | None:
    """A quantile of what a histogram saw between two pages, linear inside a bucket; None when it saw nothing.

    A summary or gauge of that name gives its own value.
    """
    new, old = _histograms(selector, now), _histograms(selector, before)
    if not new:
        picked = replace(selector, labels=selector.labels | {("quantile", f"{q:g}")})
        values = (now.values(picked) or _own_values(selector, now)).values()
        return max((v for v in values if math.isfinite(v)), default=None)
    known = any(name == f"{selector.name}_bucket" for name, _ in before.samples)
    seen = [
        grown
        for labels, buckets in new.items()
        if (labels in old or known)
        and (grown := _between(buckets, old.get(labels), _begun_anew(selector.name, labels, before, now)))
    ]
    return _inside(_merged(seen), q) if seen else None


def _own_values(selector: Selector, page: Reading) -> dict[Labels, float]:
    """What is no quantile of a summary, or is the very one that the selector asks for: another one is no stand-in."""
    asked = any(label == "quantile" for label, _ in selector.labels)
    found = page.values(selector)
    return found if asked else {own: v for own, v in found.items() if "quantile" not in dict(own)}


def _histograms(selector: Selector, page: Reading) -> dict[Labels, dict[float, float]]:
    """Cumulative counts by upper edge, for each histogram that the selector picks."""
    found: dict[Labels, dict[float, float]] = {}
    for labels, value in page.values(selector, "_bucket").items():
        plain = dict(labels)
        try:
            edge = float(plain.pop("le"))
        except (KeyError, ValueError):
            continue
        found.setdefault(frozenset(plain.items()), {})[edge] = value
    return found


def _between(
    new: dict[float, float], old: dict[float, float] | None, begun: bool
) -> dict[float, float] | None:
    """What one histogram saw between two pages, cumulative; None when that cannot be known.

    Buckets are reset together: other edges than before, or one bucket that went down, mean a new histogram.
    """
    if math.inf not in new or not all(math.isfinite(v) and v >= 0 for v in new.values()):
        return None
    if old is not None and not all(map(math.isfinite, old.values())):
        return None
    if old is None or begun or old.keys() != new.keys() or any(new[edge] < old[edge] for edge in new):
        old = dict.fromkeys(new, 0.0)
    grown, most = {}, 0.0
    for edge in sorted(new):
        most = grown[edge] = max(most, new[edge] - old[edge])
    return grown


def _merged(several: Iterable[dict[float, float]]) -> list[tuple[float, float]]:
    """The sum of histograms, on all their edges; one without an edge counts what it has below."""
    several = list(several)
    total: list[tuple[float, float]] = []
    for edge in sorted({edge for one in several for edge in one}):
        below = (max((v for e, v in one.items() if e <= edge), default=0.0) for one in several)
        total.append((edge, sum(below)))
    return total


def _inside(buckets: list[tuple[float, float]], q: float) -> float | None:
    total = buckets[-1][1]
    # With only an edge at infinity nothing is known of where they lie.
    if total <= 0 or math.isinf(buckets[0][0]):
        return None
    wanted = q * total
    low, below = min(0.0, buckets[0][0]), 0.0
    for edge, count in buckets:
        if count >= wanted and count > below:
            if math.isinf(edge):
                return low
            return low + (edge - low) * (wanted - below) / (count - below)
        low, below = edge, count
    return low
