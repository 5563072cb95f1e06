"""``score_drift``: are the answers spread as they were on held-out rows?"""

from autoheal.monitors.score_drift.monitor import ScoreDrift
from autoheal.monitors.score_drift.options import ScoreDriftOptions, ScoreDriftState

__all__ = ["ScoreDrift", "ScoreDriftOptions", "ScoreDriftState"]
