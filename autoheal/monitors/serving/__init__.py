"""``serving``: does the model's service answer, in time, without errors, as often as usual?"""

from autoheal.monitors.serving.monitor import Serving
from autoheal.monitors.serving.options import ServingOptions
from autoheal.monitors.serving.state import ServingState

__all__ = ["Serving", "ServingOptions", "ServingState"]
