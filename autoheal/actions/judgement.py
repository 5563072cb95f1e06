"""Is one model better than another on the same labelled rows? Numbers and reasons. Pure.

``evaluate`` brings the predictions. Classes are compared by discordant pairs, quantities by bets on the difference of
bounded absolute errors (``stats.shadow``, ``stats.canary``); both give the logarithm of an e-value, so the question may
be asked again as labels come in. What surprises: a champion that cannot answer is no excuse for a bad candidate, which
must then beat the best constant answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from autoheal.domain.names import Task
from autoheal.monitors.scores import alike
from autoheal.stats.canary import Plan, log_fortunes
from autoheal.stats.shadow import log_e_worse
from autoheal.telemetry.values import class_of

Floats = NDArray[np.float64]
#: A champion with a larger share of unusable answers counts as not answering at all.
BROKEN_SHARE: Final = 0.05
#: Absolute errors are cut at this quantile of the champion's when its reference names no scale.
SCALE_QUANTILE: Final = 0.99
#: Milliseconds below which a slower candidate is nobody's trouble.
LATENCY_FLOOR_MS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Candidate against champion on ``n`` rows, of which it was ``better`` or ``worse`` on some.

    ``gain``: for classes the difference in accuracy, for quantities the share by which the mean absolute error fell.
    ``bounded_gain`` is the mean difference of losses in [0, 1], which the evidence ``log_e`` is about. Losses are the
    error rate or the mean absolute error; ``against`` says what the candidate was compared with. ``alike``: how many
    neighbouring rows say as much as one.
    """

    n: int
    better: int
    worse: int
    gain: float
    bounded_gain: float
    champion_loss: float
    candidate_loss: float
    log_e: float
    against: Literal["champion", "constant"] = "champion"
    alike: float = 1.0

    def sober(self) -> Comparison:
        """The same with evidence to the power 1/alike: still an e-value (Jensen), and one bad day is not 24 bad hours."""
        return replace(self, log_e=self.log_e / self.alike) if self.log_e > 0.0 else self

    def __str__(self) -> str:
        who = "the champion" if self.against == "champion" else "the best constant answer"
        return (
            f"on {self.n} rows better than {who} on {self.better} and worse on {self.worse}, "
            f"loss {self.candidate_loss:.4g} against {self.champion_loss:.4g} "
            f"(gain {self.gain:+.4g}), evidence {self.log_e:.2f}"
        )


def usable(task: Task, predictions: Sequence[Any]) -> NDArray[np.bool_]:
    """Which answers are answers: finite numbers, or for classes anything but null and NaN."""
    return np.array([_is_answer(task, p) for p in predictions], dtype=np.bool_)


def compare(
    task: Task,
    labels: Sequence[Any],
    champion: Sequence[Any] | None,
    candidate: Sequence[Any],
    scale: float | None = None,
) -> Comparison:
    """Rows in the order of time. ``champion`` is None when it did not answer; ``scale`` bounds an absolute error.

    All of the candidate's answers must be usable (ValueError); the champion's unusable ones count as quite wrong.
    """
    if not usable(task, candidate).all():
        raise ValueError("the candidate has unusable answers")
    against: Literal["champion", "constant"] = "champion"
    if champion is None or (~usable(task, champion)).mean() > BROKEN_SHARE:
        champion, against = [_constant(task, labels)] * len(labels), "constant"
    if task is Task.CLASSIFICATION:
        return _classes(labels, champion, candidate, against)
    return _quantities(labels, champion, candidate, scale, against)


def objection(found: Comparison, *, at_least: float, evidence: float, least: float = 0.0) -> str:
    """Why the candidate is not good enough, or nothing; ``least`` is the smallest ``bounded_gain``."""
    if found.gain <= 0.0 or found.bounded_gain <= 0.0:
        return f"it is not better: {found}"
    if found.gain < at_least:
        return f"it gains less than {at_least:g}: {found}"
    if found.bounded_gain < least:
        return f"it takes back {found.bounded_gain:.3g} of the loss, less than a third of the rise ({least:.3g}): {found}"
    if found.log_e < evidence:
        return f"the evidence is below {evidence:.2f}: {found}"
    return ""


def slow(champion: Sequence[float], candidate: Sequence[float], ratio: float) -> str:
    """Why the candidate is too slow, or nothing; milliseconds of like requests."""
    mine, theirs = p95(candidate), p95(champion) if champion else 0.0
    limit = max(ratio * theirs, LATENCY_FLOOR_MS)
    if champion and mine > limit:
        return f"p95 latency is {mine:.1f} ms against the champion's {theirs:.1f} ms (limit {limit:.1f} ms)"
    return ""


def p95(values: Sequence[float]) -> float:
    return float(np.quantile(np.asarray(values), 0.95))


def _classes(
    labels: Sequence[Any],
    champion: Sequence[Any],
    candidate: Sequence[Any],
    against: Literal["champion", "constant"],
) -> Comparison:
    truth = [class_of(v) for v in labels]
    old = np.array([not _is_class(p) or class_of(p) != t for p, t in zip(champion, truth, strict=True)])
    new = np.array([class_of(p) != t for p, t in zip(candidate, truth, strict=True)])
    better, worse, n = int((old & ~new).sum()), int((~old & new).sum()), len(truth)
    gain = (better - worse) / n
    d = old.astype(np.float64) - new
    return Comparison(
        n,
        better,
        worse,
        gain,
        gain,
        float(old.mean()),
        float(new.mean()),
        log_e_worse(better, worse),
        against,
        alike(d),
    )


def _quantities(
    labels: Sequence[Any],
    champion: Sequence[Any],
    candidate: Sequence[Any],
    scale: float | None,
    against: Literal["champion", "constant"],
) -> Comparison:
    truth = np.asarray(labels, dtype=np.float64)
    old = np.abs(_numbers(champion) - truth)
    new = np.abs(_numbers(candidate) - truth)
    known = old[np.isfinite(old)]
    bound = scale or (float(np.quantile(known, SCALE_QUANTILE)) if len(known) else 0.0) or 1.0
    old = np.where(np.isfinite(old), old, max(bound, float(known.max()) if len(known) else bound))
    d = np.minimum(old / bound, 1.0) - np.minimum(new / bound, 1.0)
    before, after = float(old.mean()), float(new.mean())
    return Comparison(
        n=len(truth),
        better=int((d > 0).sum()),
        worse=int((d < 0).sum()),
        gain=1.0 - after / before if before > 0 else 0.0,
        bounded_gain=float(d.mean()),
        champion_loss=before,
        candidate_loss=after,
        log_e=_log_e(d),
        against=against,
        alike=alike(d),
    )


def _log_e(d: Floats) -> float:
    """Log e against "the candidate is no better": bets on differences in [-1, 1], positive where it is better."""
    variance = max(float(np.mean(d * d)), 1e-6)
    grown, _ = log_fortunes(Plan(variance=variance).bets(), d, 0.0, 0.02)
    return float(logsumexp(grown)) - math.log(len(grown))


def _is_class(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def _is_answer(task: Task, value: Any) -> bool:
    if task is Task.CLASSIFICATION:
        return isinstance(value, str | int | float) and _is_class(value)
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _numbers(values: Sequence[Any]) -> Floats:
    return np.array([v if _is_answer(Task.REGRESSION, v) else math.nan for v in values], dtype=np.float64)


def _constant(task: Task, labels: Sequence[Any]) -> Any:
    """The one answer that would have been least wrong."""
    if task is Task.REGRESSION:
        return float(np.median(np.asarray(labels, dtype=np.float64)))
    classes = [class_of(v) for v in labels]
    return max(sorted(set(classes)), key=classes.count)
