"""What the familiar rules cost on healthy data: measured, as a table. Pure.

``python benchmarks/_familiar_rates.py`` measures it again (fixed seed) and says where the table below no longer agrees. A
number that was not measured is told by the nearest one that was.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from autoheal.monitors.familiar.rules import Rule

#: (rule, its number, rows of the window or 0) -> false alarms in the unit of UNITS.
RATES: Mapping[tuple[str, float, int], float] = {
    ("psi", 0.1, 50): 0.7651,
    ("psi", 0.2, 50): 0.2703,
    ("psi", 0.25, 50): 0.1389,
    ("psi", 0.1, 100): 0.3059,
    ("psi", 0.2, 100): 0.0175,
    ("psi", 0.25, 100): 0.0032,
    ("psi", 0.1, 200): 0.0174,
    ("psi", 0.2, 200): 0.0000,
    ("psi", 0.25, 200): 0.0000,
    ("psi", 0.1, 500): 0.0000,
    ("psi", 0.2, 500): 0.0000,
    ("psi", 0.25, 500): 0.0000,
    ("psi", 0.1, 1000): 0.0000,
    ("psi", 0.2, 1000): 0.0000,
    ("psi", 0.25, 1000): 0.0000,
    ("ks", 0.001, 100): 0.0005,
    ("ks", 0.01, 100): 0.0027,
    ("ks", 0.05, 100): 0.0195,
    ("ks", 0.001, 500): 0.0000,
    ("ks", 0.01, 500): 0.0005,
    ("ks", 0.05, 500): 0.0095,
    ("ks", 0.001, 1000): 0.0000,
    ("ks", 0.01, 1000): 0.0008,
    ("ks", 0.05, 1000): 0.0085,
    ("ddm", 2, 0): 1.0000,
    ("ddm", 3, 0): 0.4583,
    ("adwin", 0.002, 0): 0.0000,
    ("adwin", 0.05, 0): 0.0500,
    ("page_hinkley", 20, 0): 0.5250,
    ("page_hinkley", 50, 0): 0.0000,
    ("ewma", 3, 0): 1.0000,
    ("ewma", 4, 0): 0.9000,
    ("3_sigma", 3, 0): 0.0163,
    ("3_sigma", 4, 0): 0.0070,
    ("linear_trend", 0.001, 0): 0.0006,
    ("linear_trend", 0.01, 0): 0.0098,
    ("linear_trend", 0.05, 0): 0.0474,
}
#: What one figure of each rule counts.
UNITS: Mapping[str, str] = {
    "psi": "of healthy windows alarm, for each feature",
    "ks": "of healthy windows alarm, for each feature",
    "ddm": "of healthy models alarm within 10,000 labelled rows",
    "adwin": "of healthy models alarm within 10,000 labelled rows",
    "page_hinkley": "of healthy models alarm within 10,000 labelled rows",
    "ewma": "of healthy models alarm within 10,000 labelled rows",
    "3_sigma": "of healthy samples alarm (heavy-tailed noise)",
    "linear_trend": "of healthy days alarm",
}
#: The monitor that does the same on a budget.
INSTEAD: Mapping[str, str] = {
    "psi": "data_drift",
    "ks": "data_drift",
    "3_sigma": "serving (metrics: [...])",
    "linear_trend": "concept_drift",
}


def said(rule: Rule, rows: int) -> tuple[str, str]:
    """A warning and its hint."""
    limit, size, rate = nearest(rule, rows)
    about = f"{rule.name} {rule.kind.p}{rule.kind.sign} {limit:g}" + (f" on {size} rows" if size else "")
    message = (
        f"{rule} keeps no budget of false alarms; measured at {about}: {_share(rate)} {UNITS[rule.name]}"
    )
    return (
        message,
        f"{INSTEAD.get(rule.name, 'performance')} keeps one budget over all features, models and looks",
    )


def nearest(rule: Rule, rows: int) -> tuple[float, int, float]:
    """The measured setting that is nearest to the asked one, and its rate."""
    known = [(limit, size, rate) for (name, limit, size), rate in RATES.items() if name == rule.name]

    def away(setting: tuple[float, int, float]) -> tuple[float, float]:
        limit, size, _ = setting
        return abs(math.log(limit / rule.limit)), abs(math.log(max(size, 1) / max(rows, 1))) if size else 0.0

    return min(known, key=away)


def _share(rate: float) -> str:
    return "fewer than 0.1%" if rate < 0.001 else f"{rate:.1%}"
