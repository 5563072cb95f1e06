"""``concept_drift``: the champion's errors over time, by a sequential test and by their trend."""

from autoheal.monitors.concept_drift.monitor import ConceptDrift
from autoheal.monitors.concept_drift.options import ConceptDriftOptions
from autoheal.monitors.concept_drift.state import ConceptDriftState

__all__ = ["ConceptDrift", "ConceptDriftOptions", "ConceptDriftState"]
