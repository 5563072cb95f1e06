"""Which kinds of monitors there are; each is imported when it is first asked for.

``MONITORS`` maps a kind to its monitor. Third parties add kinds by entry points in the group ``autoheal.monitors``
(value: the monitor class); a shipped kind cannot be replaced that way, or a policy would mean something else.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import cast

from autoheal.monitors.contract import AnyMonitor

GROUP = "autoheal.monitors"
SHIPPED = {
    "performance": "autoheal.monitors.performance:Performance",
    "data_drift": "autoheal.monitors.data_drift:DataDrift",
    "concept_drift": "autoheal.monitors.concept_drift:ConceptDrift",
    "serving": "autoheal.monitors.serving:Serving",
    "data_quality": "autoheal.monitors.data_quality:DataQuality",
    "score_drift": "autoheal.monitors.score_drift:ScoreDrift",
    "multivariate": "autoheal.monitors.multivariate:Multivariate",
    "estimated_performance": "autoheal.monitors.estimated_performance:EstimatedPerformance",
    "familiar": "autoheal.monitors.familiar:Familiar",
    "slices": "autoheal.monitors.slices:Slices",
}


@cache
def _places() -> dict[str, str]:
    return {point.name: point.value for point in entry_points(group=GROUP)} | SHIPPED


@cache
def monitor(kind: str) -> AnyMonitor:
    """The monitor of this kind; raises ``KeyError`` when there is none."""
    module, _, name = _places()[kind].partition(":")
    return cast("AnyMonitor", getattr(importlib.import_module(module), name)())


class _Monitors(Mapping[str, AnyMonitor]):
    """Kinds that look like a mapping and are loaded one by one."""

    def __getitem__(self, kind: str) -> AnyMonitor:
        return monitor(kind)

    def __iter__(self) -> Iterator[str]:
        return iter(_places())

    def __len__(self) -> int:
        return len(_places())


MONITORS: Mapping[str, AnyMonitor] = _Monitors()
