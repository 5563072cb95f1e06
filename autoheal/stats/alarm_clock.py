"""The fleet's alarm clock: budget shares, the sum S of evidence, two thresholds in days, and who is to blame.

Pure. Every monitor i of the fleet holds M_i (log days, eprocess.py) and a share w_i of the false-alarm budget;
the shares of all models add to 1. An alarm of a (model, kind) goes off when ``S = sum M_i`` of its monitors
reaches T days; then the mean time to the first false alarm of the whole fleet is at least T days, whatever the
dependence, and false alarms in D days are at most D/T in expectation, provided that whoever acts on an alarm
resets the monitors under it. ``notify`` (14 days) and ``act`` (365 days) read the same sum: crossing notify
alone does not reset, or act would never be reached.

After Shin, Ramdas & Rinaldo (2024); culprits by M_i / S and e-BH (Wang & Ramdas 2022; Dandapanthula & Ramdas,
"Multiple testing in multi-stream sequential change detection", 2025). Logs of days, shape (monitors,). Raises
ValueError for NaN, lengths that differ, unknown kinds.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from autoheal.stats import inputs
from autoheal.stats.multiplicity import e_bh

T_NOTIFY = 14.0
T_ACT = 365.0
SHARES: Mapping[str, float] = {"performance": 0.5, "score": 0.2, "features": 0.2, "multivariate": 0.1}


class Level(StrEnum):
    """How far the evidence has gone."""

    QUIET = "quiet"
    NOTIFY = "notify"
    ACT = "act"


@dataclass(frozen=True, slots=True)
class Culprit:
    """One monitor under an alarm: its part of S in [0, 1], its M in log days, and whether e-BH names it."""

    name: str
    part: float
    log_m: float
    named: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """What the clock shows: the level, log S (log days), and how many nats are missing to the next level."""

    level: Level
    log_s: float
    nats_to_next: float


def fleet_shares(
    monitors: Sequence[tuple[str, str]], kinds: Mapping[str, float] = SHARES
) -> NDArray[np.float64]:
    """Share of the budget of each (model, kind), (monitors,); adds to 1 over the fleet.

    Models share equally; inside a model a kind gets its part, split equally over its monitors; the part of a
    kind that a model does not watch goes to its other kinds in proportion.
    """
    crowd = Counter(monitors)
    watched: dict[str, float] = {}
    for model, kind in crowd:
        if kind not in kinds:
            raise ValueError(f"unknown kind {kind!r}, know {', '.join(sorted(kinds))}")
        watched[model] = watched.get(model, 0.0) + inputs.positive(f"share of {kind}", kinds[kind])
    return np.array(
        [kinds[kind] / crowd[model, kind] / watched[model] / len(watched) for model, kind in monitors]
    )


def read(log_m: ArrayLike, *, t_notify: float = T_NOTIFY, t_act: float = T_ACT) -> Reading:
    """Read the clock of one (model, kind) from the log M of its monitors."""
    inputs.positive("t_notify", t_notify)
    if not t_act >= t_notify:
        raise ValueError(f"t_act must not be below t_notify, got {t_act} and {t_notify}")
    log_s = float(logsumexp(inputs.vector("log_m", log_m)))
    if log_s >= math.log(t_act):
        return Reading(Level.ACT, log_s, 0.0)
    if log_s >= math.log(t_notify):
        return Reading(Level.NOTIFY, log_s, math.log(t_act) - log_s)
    return Reading(Level.QUIET, log_s, math.log(t_notify) - log_s)


def culprits(
    names: Sequence[str], log_m: ArrayLike, shares: ArrayLike, days: float, *, alpha: float = 0.1
) -> tuple[Culprit, ...]:
    """Monitors under an alarm, largest part first.

    A healthy M_i that has run for ``days`` since its last reset has mean <= share_i x days, so
    M_i / (share_i days) is the e-value that e-BH at ``alpha`` judges.
    """
    logs, weights = inputs.vector("log_m", log_m), inputs.vector("shares", shares)
    if not len(names) == logs.size == weights.size:
        raise ValueError(f"got {len(names)} names, {logs.size} values and {weights.size} shares")
    if (weights <= 0).any():
        raise ValueError("every share must be above 0")
    evidence = np.exp(np.clip(logs - np.log(weights * inputs.positive("days", days)), -700.0, 700.0))
    named, _ = e_bh(evidence, alpha)
    parts = np.exp(logs - logsumexp(logs))
    order = np.argsort(-logs, kind="stable")
    return tuple(Culprit(names[i], float(parts[i]), float(logs[i]), bool(named[i])) for i in order)
