"""``serving``: latency, errors, traffic, objectives, and no answer at all. Pure.

Latency and errors come from the prediction records when these carry them, else from scraped metrics. Rows from before
the champion's time do not count there, so that a roll-back is not blamed for what it mended. A metric is judged by the
stated limits first, then beside its habit (``usual``). The surprising part: ``absent`` is the one subject that
*breaches* on silence; all others then have no_data, which is neither good nor bad.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from autoheal.domain.finding import Finding
from autoheal.domain.names import Verdict
from autoheal.monitors.contract import finding, from_unix, plain
from autoheal.monitors.freshness import Freshness, freshness
from autoheal.monitors.serving import absent, errors, latency, slo, traffic, usual
from autoheal.monitors.serving.limits import ERRORS, LATENCY
from autoheal.monitors.serving.options import ServingOptions
from autoheal.monitors.serving.slo import Counts
from autoheal.monitors.serving.state import ServingState
from autoheal.monitors.view import View

Said = dict[str, Any]


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
        state = usual.learn(options, state, view)
        budget = replace(view.budget, share=view.budget.share / usual.PARTS)
        state = replace(state, limits=state.limits.learn(options, view, budget))
        said: dict[str, Said] = {"absent": absent.judge(options, view, state.habits.get("traffic"))}
        said |= _metrics(options, state, view, fresh)
        state, objectives = _objectives(options, state, view, fresh)
        said |= objectives
        since: dict[str, float] = {}
        findings = []
        for subject, what in sorted(said.items()):
            first = what.pop("first", None)
            if what["verdict"] is Verdict.BREACH:
                since[subject] = state.since.get(subject) or first or view.as_of
                what["started_at"] = from_unix(since[subject])
            findings.append(finding(view, self.kind, subject, now, **what))
        over = [s for s in (ERRORS, LATENCY) if s in state.since and s not in since]
        return replace(state, since=since, limits=state.limits.recovered(over)), tuple(findings)


def _metrics(
    options: ServingOptions, state: ServingState, view: View, fresh: Freshness | None
) -> Mapping[str, Said]:
    """Latency, errors, traffic and the further metrics."""
    silent = fresh is None or fresh.late
    beside = {name: usual.judge(options, state, view, name) for name in usual.subjects(options)}
    said = {
        "latency": _both(
            latency.judge(options, state.limits.gauge, view, silent=silent), beside.get("latency")
        ),
        "errors": errors.judge(options, state.limits.gauge, view, silent=silent),
        # Once there is a habit, it knows more than a day against days.
        "traffic": beside.get("traffic") or traffic.judge(options, view),
    }
    if fresh is not None and fresh.late:
        said["traffic"] = {
            "verdict": Verdict.NO_DATA,
            "detail": f"no prediction for {plain(fresh.silent)}",
        }
    return said | {name: beside[name] or usual.missing(state, view, name) for name in options.metrics}


def _both(limits: Said, habit: Said | None) -> Said:
    """A limit that is broken comes first, then the habit; silence is silence."""
    if habit is None or limits["verdict"] in (Verdict.BREACH, Verdict.NO_DATA):
        return limits
    if habit["verdict"] is Verdict.BREACH or limits["verdict"] is Verdict.NOT_YET:
        return habit
    return limits | {"detail": f"{limits['detail']}; {habit['detail']}"}


def _objectives(
    options: ServingOptions, state: ServingState, view: View, fresh: Freshness | None
) -> tuple[ServingState, Mapping[str, Said]]:
    """What is stated under ``slo``."""
    if options.slo is None:
        return state, {}
    stated = {"slo_errors": options.slo.errors}
    stated |= {"slo_latency": options.slo.latency.share if options.slo.latency else None}
    said: dict[str, Said] = {}
    for subject, objective in stated.items():
        if objective is None:
            continue
        seen = slo.requests(options.slo, view, subject)
        if fresh is not None and fresh.late and "error_rate" not in view.metrics:
            said[subject] = {"verdict": Verdict.NO_DATA, "detail": f"no prediction for {plain(fresh.silent)}"}
        elif seen is None:
            what = "failed or answered" if subject == "slo_errors" else "has latency_ms"
            said[subject] = {"verdict": Verdict.NOT_YET, "detail": f"no row of this version {what} yet"}
        else:
            counts = slo.counted(state.slo.get(subject, Counts()), seen)
            state = replace(state, slo={**state.slo, subject: counts})
            said[subject] = slo.judge(objective, counts, seen, weighed=_weighed(view, subject))
    return state, said


def _weighed(view: View, subject: str) -> bool:
    """Whether requests are counted, and not only their share of errors."""
    return subject == "slo_latency" or "error_rate" not in view.metrics or "requests_per_s" in view.metrics
