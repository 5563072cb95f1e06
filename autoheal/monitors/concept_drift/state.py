"""What concept_drift remembers between beats. Plain data, survives JSON. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from autoheal.monitors.champion import Began
from autoheal.monitors.loss_evidence import LossEvidence


@dataclass(frozen=True, slots=True)
class ConceptDriftState:
    """Evidence against ``version``, and when the present breach began."""

    version: str = ""
    evidence: LossEvidence = LossEvidence()
    since: Began | None = None

    def began(self, since: Began | None) -> ConceptDriftState:
        return replace(self, since=since)
