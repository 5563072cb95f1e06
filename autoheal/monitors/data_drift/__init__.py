"""``data_drift``: do the inputs look like the training data?"""

from autoheal.monitors.data_drift.compare import compare
from autoheal.monitors.data_drift.monitor import DataDrift
from autoheal.monitors.data_drift.options import DataDriftOptions, DataDriftState

__all__ = ["DataDrift", "DataDriftOptions", "DataDriftState", "compare"]
