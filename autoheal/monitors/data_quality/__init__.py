"""``data_quality``: is the data itself broken? Missing, wrong type, out of range, unseen category, stuck column."""

from autoheal.monitors.data_quality.monitor import DataQuality
from autoheal.monitors.data_quality.options import DataQualityOptions, DataQualityState

__all__ = ["DataQuality", "DataQualityOptions", "DataQualityState"]
