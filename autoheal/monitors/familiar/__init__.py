"""``familiar``: well-known rules by their names, for those who want them. Each has a price, which ``rates`` states."""

from autoheal.monitors.familiar.monitor import Familiar
from autoheal.monitors.familiar.options import FamiliarOptions
from autoheal.monitors.familiar.state import FamiliarState

__all__ = ["Familiar", "FamiliarOptions", "FamiliarState"]
