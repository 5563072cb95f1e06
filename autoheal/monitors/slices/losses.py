"""Is the champion worse within a slice than on that slice's own held-out rows? Pure.

All slices share one alarm clock: a row is a bet against the slices that it is in and none against the others, so that
twenty slices do not cry wolf twenty times as often. The surprising part: twenty baselines also err twenty times, so
that the upper limit of each is that much stricter, and so is how clearly a window must be worse.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from autoheal.domain.names import Severity, Task
from autoheal.monitors.budget import Budget
from autoheal.monitors.champion import Matured, bets
from autoheal.monitors.loss_evidence import LossEvidence
from autoheal.monitors.reference import LossBaseline
from autoheal.monitors.rows import Bools, Floats
from autoheal.monitors.scores import FALLING, METRICS, Answers, Measured, Metric, measure
from autoheal.monitors.slices.options import SlicesOptions
from autoheal.monitors.slices.watched import Slice
from autoheal.monitors.view import View
from autoheal.monitors.worsening import worsening

#: All baselines of a model are below their upper limits with this chance, and a window that is worse by chance is so
#: called with the second (two standard errors, were there one slice).
BASELINES, CHANCE = 0.05, 0.0228
#: Rows of the rest of the model that a slice is shown beside.
REST = 5_000


def metric_of(task: Task) -> Metric:
    """The one metric of a slice."""
    return METRICS[task][0]


@dataclass(frozen=True, slots=True, eq=False)
class _Bets(Mapping[str, Floats]):
    """Log e-values of rows by slice, (rows, 6), made one slice at a time since there may be fifty."""

    view: View
    answers: Answers
    rows: Mapping[str, tuple[Bools, LossBaseline]]
    tolerance: float

    def __getitem__(self, name: str) -> Floats:
        inside, loss = self.rows[name]
        a = self.answers
        mine = Answers(a.prediction[inside], a.label[inside], a.score[inside], a.positive)
        log_e = bets(self.view, mine, loss, self.tolerance, BASELINES / len(self.rows))
        found = np.zeros((len(inside), log_e.shape[1]))
        found[inside] = log_e
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def learn(
    options: SlicesOptions,
    evidence: LossEvidence,
    view: View,
    slices: Sequence[Slice],
    rows: Matured,
    budget: Budget,
) -> LossEvidence:
    """With all rows that began to count since the last beat."""
    judged = [(s, s.part.loss) for s in slices if s.part is not None and s.part.loss is not None]
    gone = [*evidence.gauge.notify.log_r, *evidence.gauge.notify.held, *evidence.gauge.act.held]
    evidence = evidence.release({name for name in gone if name not in {s.name for s, _ in judged}})
    if not judged:
        return evidence
    new = rows.places[rows.counts_from > (-math.inf if evidence.cursor is None else evidence.cursor)]
    inside = {s.name: (s.rows[new], loss) for s, loss in judged}
    tolerance = options.tolerated(view.task)
    return evidence.learn(rows, view.as_of, lambda answers: _Bets(view, answers, inside, tolerance), budget)


def judge(
    options: SlicesOptions,
    view: View,
    one: Slice,
    window: Matured,
    rows: Matured,
    evidence: LossEvidence,
    slices: int,
) -> dict[str, Any]:
    """What to say about a slice whose ``window`` is long enough; ``rows`` are the whole model's."""
    metric = metric_of(view.task)
    assert one.part is not None
    base, live = one.part.performance[metric], measure(metric, window.answers)
    assert live is not None
    worse = worsening(metric, live, base, options.max_drop, options.critical)
    level = evidence.gauge.level(one.name)
    bad = bool(level) and worse.clearly(-float(ndtri(CHANCE / max(slices, 1)))) and worse.over
    severity = Severity.CRITICAL if bad and worse.critical else Severity.WARNING if bad else Severity.NONE
    change = (live.value - base.value) / max(abs(base.value), 1e-12)
    beside = _beside(metric, one, window, rows, live) if bad else ""
    return {
        "severity": severity,
        "level": level if bad else "",
        "value": live.value,
        "reference": base.value,
        "effect": worse.effect,
        "evidence": max(evidence.gauge.evidence(one.name), -700.0),
        "n": live.n,
        "detail": f"{one.name}: {metric} {live.value:.4g} vs {base.value:.4g} at training ({change:+.0%}),"
        f" n={live.n}{beside}",
    }


def _beside(metric: Metric, one: Slice, window: Matured, rows: Matured, live: Measured) -> str:
    """How much worse than the rest of the model in the same time."""
    outside = np.flatnonzero((rows.time >= window.time[0]) & ~one.rows[rows.places])[-REST:]
    rest = measure(metric, rows.take(outside).answers) if len(outside) else None
    if rest is None:
        return "; there is no other row to compare with"
    gap = rest.value - live.value if metric in FALLING else live.value - rest.value
    share = f"{abs(gap):.2g} {'worse' if gap > 0 else 'better'} than the rest of the model"
    return f"; {share} ({rest.value:.4g}, n={rest.n})"
