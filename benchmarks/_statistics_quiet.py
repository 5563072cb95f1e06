"""Point 1 of ``statistics.py``: alarms while nothing is wrong, ours on the real path and the textbook's beside it.

Ours is what ``autoheal detect`` runs: bins cut from the reference, windows that wait until they are large enough, PSI's
e-value, one alarm clock over all features with the whole budget of the fleet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from _statistics_cases import Case, Floats
from _statistics_rules import RULES, flags
from numpy.typing import NDArray

from autoheal.detect import windows
from autoheal.detect.drift import Drift
from autoheal.stats import reference_bins
from autoheal.stats.categorical import Levels, level_of, levels

#: Half of these days before the change, half after it.
NOTICE_DAYS = 10


@dataclass(frozen=True)
class Feature:
    """Counts on the reference's bins or levels: of the reference, of any rows."""

    bins: reference_bins.ReferenceBins | Levels

    def counts(self, rows: Floats) -> NDArray[np.int64]:
        if isinstance(self.bins, reference_bins.ReferenceBins):
            return self.bins.counts(rows)
        values, seen = np.unique(rows, return_counts=True)
        return self.bins.counts({level_of(v): n for v, n in zip(values.tolist(), seen.tolist(), strict=True)})


def feature_of(reference: Floats) -> Feature:
    """As ``autoheal detect`` decides: quantile bins, or levels where there are few values."""
    if reference_bins.kind_of(reference) == "numeric":
        return Feature(reference_bins.cut(reference))
    return Feature(levels([level_of(v) for v in reference.tolist()]))


@dataclass(frozen=True)
class Quiet:
    """Alarms of one case: ours by level, and each textbook rule's."""

    notify: int
    act: int
    rules: dict[str, int]


def quiet(case: Case, features: int, days: int, seed: int) -> Quiet:
    """Every feature's stream, then all windows through one clock."""
    cuts = windows.cut(case.times(days), case.reference, case.reference + days * 24 * case.rows)
    known, tallies, blocks = [], [], []
    spans = windows.blocks(0, case.reference, cuts)
    rules = dict.fromkeys(RULES, 0)
    for i in range(features):
        stream = case.stream(i, days, seed)
        feature = feature_of(stream[: case.reference])
        known.append(feature.counts(stream[: case.reference]))
        blocks.append([feature.counts(stream[a:b]) for a, b in spans])
        tallies.append([feature.counts(stream[w.start : w.end]) for w in cuts])
        hourly = stream[case.reference :].reshape(-1, case.rows)
        counted = tallies[-1]
        if len(counted) != len(hourly):
            counted = [feature.counts(rows) for rows in hourly]
        sides = known[-1].astype(np.float64)[None], np.array(counted, dtype=np.float64)
        verdicts = flags(stream[: case.reference], hourly, sides, features)
        for rule, found in zip(RULES, verdicts, strict=True):
            rules[rule] += int(found.sum())
    drift = Drift(
        [str(i) for i in range(features)],
        known,
        np.full(features, 1.0 / features),
        list(zip(*blocks, strict=True)),
    )
    raised = [
        r for at, w in enumerate(cuts) for r in drift.look([mine[at] for mine in tallies], w.days).raised
    ]
    return Quiet(len(raised), sum(r.level == "act" for r in raised), rules)


def noticed(case: Case, features: int, fleet: int, seed: int) -> float:
    """Median hours until ``notify`` after a feature of a fleet moved by half a standard deviation; at most the five days watched."""
    hours = []
    for i in range(features):
        stream = case.stream(i, NOTICE_DAYS, seed)
        reference = stream[: case.reference]
        low, high = np.quantile(reference, [0.25, 0.75])
        by = (high - low) / 1.35 / 2.0
        moved = case.reference + NOTICE_DAYS * 12 * case.rows
        stream[moved:] += np.ceil(by) if float(reference[0]).is_integer() else by
        cuts = windows.cut(case.times(NOTICE_DAYS), case.reference, len(stream))
        spans, feature = windows.blocks(0, case.reference, cuts), feature_of(reference)
        blocks = [[feature.counts(stream[a:b])] for a, b in spans]
        drift = Drift(["it"], [feature.counts(reference)], np.array([1.0 / fleet]), blocks)
        ends = [w.end for w in cuts if drift.look([feature.counts(stream[w.start : w.end])], w.days).raised]
        hours.append(next(((end - moved) / case.rows for end in ends if end > moved), NOTICE_DAYS * 12.0))
    return float(np.median(hours))
