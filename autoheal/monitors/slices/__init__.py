"""``slices``: is the model worse, or its inputs different, in one region, one age group, one plan?"""

from autoheal.monitors.slices.monitor import Slices
from autoheal.monitors.slices.options import SlicesOptions, SlicesState

__all__ = ["Slices", "SlicesOptions", "SlicesState"]
