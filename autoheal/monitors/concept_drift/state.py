"""What concept_drift remembers between beats. Plain data, survives JSON. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from autoheal.monitors.loss_evidence import LossEvidence


@dataclass(frozen=True, slots=True)
class ConceptDriftState:
    """Evidence against ``version``, and when the present breach began (unix seconds)."""

    version: str = ""
    evidence: LossEvidence = LossEvidence()
    since: float | None = None

    def began(self, since: float | None) -> ConceptDriftState:
        return replace(self, since=since)
