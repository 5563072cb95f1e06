"""A Prometheus text page as numbers: selectors, counters to rates, histograms to quantiles. Pure.

``scrape`` fetches the page; here it is read, and two readings are compared. The surprising part: a counter that went
down was reset, so its increase is what it shows now; and whatever cannot be computed is None, a gap, never zero.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

_SELECTOR = re.compile(r"^\s*([a-zA-Z_:][\w:]*)\s*(?:\{(.*)\})?\s*$")
_LABEL = re.compile(r"""\s*([a-zA-Z_]\w*)\s*=\s*["']?([^"',]*)["']?\s*(?:,|$)""")

#: Samples of one page: name and labels to value.
Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric's name, and the labels it must have: ``requests_total{code="500"}``."""

    name: str
    labels: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Selector:
        found = _SELECTOR.match(text)
        if found is None:
            raise ValueError(f'{text!r} is no metric: write name or name{{label="value"}}')
        return cls(found[1], frozenset(_LABEL.findall(found[2] or "")))


@dataclass(frozen=True, slots=True)
class Reading:
    """One page, when it was read (real seconds) and the kinds of its families."""

    at: float
    samples: Samples
    kinds: Mapping[str, str]

    def values(self, selector: Selector, suffix: str = "") -> dict[frozenset[tuple[str, str]], float]:
        """The samples that a selector picks, by their labels."""
        name = selector.name + suffix
        return {
            labels: v for (n, labels), v in self.samples.items() if n == name and selector.labels <= labels
        }


def read(text: str, at: float) -> Reading:
    """Parse a page; raises ``ValueError`` when it is not one."""
    samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    kinds: dict[str, str] = {}
    for family in text_string_to_metric_families(text):
        kinds[family.name] = family.type
        for sample in family.samples:
            if math.isfinite(sample.value):
                samples[sample.name, frozenset(sample.labels.items())] = float(sample.value)
    return Reading(at, samples, kinds)


def gauge(selector: Selector, now: Reading) -> float | None:
    """The present value, summed over what the selector picks."""
    values = now.values(selector)
    return sum(values.values()) if values else None


def increase(selector: Selector, before: Reading, now: Reading, suffix: str = "") -> float | None:
    """How much counters grew between two pages."""
    new, old = now.values(selector, suffix), before.values(selector, suffix)
    shared = [(value, old[labels]) for labels, value in new.items() if labels in old]
    if not shared:
        return None
    return sum(value - was if value >= was else value for value, was in shared)


def rate(selector: Selector, before: Reading, now: Reading) -> float | None:
    """Growth per real second."""
    grown, seconds = increase(selector, before, now), now.at - before.at
    return None if grown is None or seconds <= 0 else grown / seconds


def share(part: Selector, whole: Selector, before: Reading, now: Reading) -> float | None:
    """Growth of one counter as a share of another's; None when the other did not grow.

    A part that has no sample yet (no error ever happened) counts as zero as long as the whole is there.
    """
    total = increase(whole, before, now)
    if not total:
        return None
    return min((increase(part, before, now) or 0.0) / total, 1.0)


def quantile(selector: Selector, q: float, before: Reading, now: Reading) -> float | None:
    """A quantile of what a histogram saw between two pages, linear inside a bucket; None when it saw nothing.

    A summary or gauge of that name gives its own value.
    """
    buckets: dict[float, float] = {}
    old = before.values(selector, "_bucket")
    for labels, value in now.values(selector, "_bucket").items():
        if labels in old:
            edge = float(dict(labels)["le"])
            was = old[labels]
            buckets[edge] = buckets.get(edge, 0.0) + (value - was if value >= was else value)
    if not buckets:
        picked = Selector(selector.name, selector.labels | {("quantile", f"{q:g}")})
        values = list((now.values(picked) or now.values(selector)).values())
        return max(values) if values else None
    return _inside(sorted(buckets.items()), q)


def _inside(buckets: list[tuple[float, float]], q: float) -> float | None:
    total = buckets[-1][1]
    if total <= 0:
        return None
    wanted, low, below = q * total, 0.0, 0.0
    for edge, count in buckets:
        if count >= wanted:
            if math.isinf(edge):
                return low
            return low + (edge - low) * (wanted - below) / max(count - below, 1e-12)
        low, below = edge, count
    return low
