"""``serving``: latency, errors, traffic, and no answer at all. Pure.

Latency and errors come from the prediction records when these carry them, else from scraped metrics. Rows from before
the champion's time do not count there, so that a roll-back is not blamed for what it mended. The surprising part:
``absent`` is the one subject that *breaches* on silence; all others then have no_data, which is neither good nor bad.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from autoheal.domain.finding import Finding
from autoheal.domain.names import Severity, Verdict
from autoheal.monitors.contract import finding, from_unix, plain, verdict_of
from autoheal.monitors.freshness import Freshness, freshness
from autoheal.monitors.serving import errors, latency, traffic
from autoheal.monitors.serving.options import ServingOptions, ServingState
from autoheal.monitors.view import View


class Serving:
    kind = "serving"
    Options = ServingOptions
    State = ServingState

    def start(self) -> ServingState:
        return ServingState()

    def update(
        self, options: ServingOptions, state: ServingState, view: View, now: datetime
    ) -> tuple[ServingState, tuple[Finding, ...]]:
        fresh = freshness(view.rows.time, view.rows.arrived, view.as_of, options.stale_after)
        silent = fresh is None or fresh.late
        said = {
            "absent": _absent(options, view),
            "latency": latency.judge(options, view, silent=silent),
            "errors": errors.judge(options, view, silent=silent),
            "traffic": traffic.judge(options, view),
        }
        if fresh is not None and fresh.late:
            said["traffic"] = {
                "verdict": Verdict.NO_DATA,
                "detail": f"no prediction for {plain(fresh.silent)}",
            }
        since: dict[str, float] = {}
        findings = []
        for subject, what in sorted(said.items()):
            first = what.pop("first", None)
            if what["verdict"] is Verdict.BREACH:
                since[subject] = state.since.get(subject) or first or view.as_of
                what["started_at"] = from_unix(since[subject])
            findings.append(finding(view, self.kind, subject, now, **what))
        return ServingState(since), tuple(findings)


def _absent(options: ServingOptions, view: View) -> dict[str, Any]:
    fresh: Freshness | None = freshness(
        view.rows.time, view.rows.arrived, view.as_of, options.absent_after or options.stale_after
    )
    if fresh is None:
        return {"verdict": Verdict.NOT_YET, "detail": "no prediction has arrived yet"}
    usual = "" if fresh.interval is None else f", usual is one every {plain(fresh.interval)}"
    severity = Severity.CRITICAL if fresh.late else Severity.NONE
    return {
        "verdict": verdict_of(severity),
        "severity": severity,
        "value": fresh.silent,
        "reference": fresh.limit,
        "effect": max(fresh.silent / fresh.limit - 1.0, 0.0),
        "n": len(view.rows),
        "first": float(view.rows.arrived.max()),
        "detail": f"last prediction {plain(fresh.silent)} ago{usual}",
    }
