"""``data_drift``: do the inputs look like the training data?"""

from autoheal.monitors.data_drift.monitor import DataDrift
from autoheal.monitors.data_drift.options import DataDriftOptions, DataDriftState
from autoheal.monitors.drift import compare

__all__ = ["DataDrift", "DataDriftOptions", "DataDriftState", "compare"]
