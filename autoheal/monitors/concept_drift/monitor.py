"""``concept_drift``: has the relation between inputs and truth changed under the champion? Pure.

Two subjects. ``error`` (``error.py``) watches every matured row of the champion once, in order, with an e-detector
whose false alarms are a stated number of days apart however often one looks. ``trend`` (``trend.py``) says whether
the daily error creeps upwards. Both stand on the bounded loss of the version's own held-out rows. Whether it is the
concept or the inputs that moved is told by comparing with data_drift; that is the engine's part.
"""

from __future__ import annotations

from datetime import datetime

from autoheal.domain.finding import Finding
from autoheal.domain.names import Severity, Verdict
from autoheal.monitors.champion import Began, matured, onset, silence
from autoheal.monitors.concept_drift import error, trend
from autoheal.monitors.concept_drift.options import ConceptDriftOptions
from autoheal.monitors.concept_drift.state import ConceptDriftState
from autoheal.monitors.contract import finding, from_unix
from autoheal.monitors.view import View

SUBJECTS = ("error", "trend")


class ConceptDrift:
    kind = "concept_drift"
    Options = ConceptDriftOptions
    State = ConceptDriftState

    def start(self) -> ConceptDriftState:
        return ConceptDriftState()

    def update(
        self, options: ConceptDriftOptions, state: ConceptDriftState, view: View, now: datetime
    ) -> tuple[ConceptDriftState, tuple[Finding, ...]]:
        if state.version != view.champion:
            state = ConceptDriftState(version=view.champion)
        loss = view.reference.loss if view.reference else None
        if loss is None:
            why = f"version {view.champion or '(none)'} has no baseline loss"
            return state, tuple(
                finding(view, self.kind, s, now, Verdict.NOT_YET, detail=why) for s in SUBJECTS
            )
        rows = matured(view, count_broken=options.count_broken_inputs)
        state = error.learn(options, state, view, loss, rows)
        quiet = silence(view, options.stale_after)
        if quiet is not None:
            return state, tuple(
                finding(view, self.kind, s, now, quiet[0], n=state.evidence.rows, detail=quiet[1])
                for s in SUBJECTS
            )
        state, said = error.judge(options, state, view, loss, rows)
        said |= {"version": view.champion}
        if said.get("severity", Severity.NONE) is not Severity.NONE:
            found = state.since or onset(view, rows, options.tolerated(view.task))
            since = found or Began(view.as_of, view.as_of, view.as_of)
            state = state.began(since)
            said |= {"started_at": from_unix(since.at), "detail": f"{said['detail']}{since}"}
        else:
            state = state.began(None)
        creeping = trend.judge(options, view, loss, rows)
        return state, (
            finding(view, self.kind, "error", now, **said),
            finding(view, self.kind, "trend", now, **creeping),
        )
