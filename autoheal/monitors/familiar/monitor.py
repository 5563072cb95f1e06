"""``familiar``: psi > 0.2, ks p < 0.05, ddm, adwin, page_hinkley, ewma, 3_sigma, linear_trend, by their names. Pure.

Subjects are ``rule:what``: ``psi:temperature``, ``ddm:loss``, ``3_sigma:gpu``. Each does exactly what its name promises,
every time one looks, with no budget of false alarms; so none may do more than notify, and ``autoheal check`` says what
each costs on healthy data (``rates``). The surprising part: ddm, adwin and page_hinkley go off at one row; their breach
lasts until ``quiet_rows`` rows have come without another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from autoheal.domain.finding import Finding
from autoheal.domain.names import Severity, Verdict
from autoheal.monitors.contract import finding, from_unix, verdict_of
from autoheal.monitors.familiar.features import on_features
from autoheal.monitors.familiar.losses import learn, on_losses
from autoheal.monitors.familiar.metrics import on_metrics
from autoheal.monitors.familiar.options import FamiliarOptions
from autoheal.monitors.familiar.said import Said
from autoheal.monitors.familiar.state import FamiliarState
from autoheal.monitors.view import View


class Familiar:
    kind = "familiar"
    Options = FamiliarOptions
    State = FamiliarState

    def start(self) -> FamiliarState:
        return FamiliarState()

    def update(
        self, options: FamiliarOptions, state: FamiliarState, view: View, now: datetime
    ) -> tuple[FamiliarState, tuple[Finding, ...]]:
        if state.version != view.champion:
            state = FamiliarState(view.champion, read=state.read)
        state = learn(options, state, view)
        said: dict[str, Said] = {}
        for rule in options.rules:
            if rule.kind.over == "features":
                said |= on_features(options, rule, view)
            elif rule.kind.over == "metrics":
                said |= on_metrics(rule, view)
            else:
                said |= on_losses(options, rule, state, view)
        since = {
            subject: state.since.get(subject, what.first if what.first is not None else view.as_of)
            for subject, what in said.items()
            if what.alarm
        }
        return replace(state, since=since), _findings(self.kind, view, now, said, since)


def _findings(
    kind: str, view: View, now: datetime, said: Mapping[str, Said], since: Mapping[str, float]
) -> tuple[Finding, ...]:
    found = []
    for subject, what in said.items():
        severity = Severity.WARNING if what.alarm else Severity.NONE
        found.append(
            finding(
                view,
                kind,
                subject,
                now,
                what.verdict or verdict_of(severity),
                severity=severity,
                value=what.value,
                reference=what.limit,
                effect=what.value,
                n=what.n,
                level="notify" if what.alarm else "",
                started_at=from_unix(since[subject]) if subject in since else None,
                detail=what.detail,
            )
        )
    return tuple(found) or (
        finding(view, kind, "rules", now, Verdict.NOT_YET, detail="no feature that these rules could watch"),
    )
