"""``estimated_performance``: how good are the answers whose truth is not known yet?"""

from autoheal.monitors.estimated_performance.monitor import EstimatedPerformance
from autoheal.monitors.estimated_performance.options import (
    EstimatedPerformanceOptions,
    EstimatedPerformanceState,
)

__all__ = ["EstimatedPerformance", "EstimatedPerformanceOptions", "EstimatedPerformanceState"]
