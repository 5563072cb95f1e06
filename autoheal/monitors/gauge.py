"""The alarm clock of one monitor kind of one model: e-values in, levels out. Pure; part of a monitor's state.

Each subject (a feature, a metric) gathers Shiryaev-Roberts evidence towards two levels, ``notify`` and ``act``, and each
level has the whole of the kind's budget. When the *sum* over the subjects reaches a level's threshold, the subjects to
blame (e-BH; at least the strongest) go off together, as one alarm. The surprising part: all evidence then starts anew,
and a subject that went off is *held*, saying the same without gathering more, until its monitor calls it well again;
otherwise trouble that lasts would be an alarm a window. The promise (false alarms of the fleet in D days are at most
D/T) is about such alarms.

Method and proof: ``stats.alarm_clock``, ``stats.eprocess``. Times are days, evidence is the natural log of days.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autoheal.monitors.budget import Budget
from autoheal.stats import eprocess
from autoheal.stats.alarm_clock import culprits

Level = Literal["", "notify", "act"]
#: For one subject: K log e-values against the null of ``notify``, and K against that of ``act``.
Bets = tuple[ArrayLike, ArrayLike]
#: A step stands for at least this many days, so that rows of equal time do not divide by nothing.
LEAST_DAYS = 1e-6


@dataclass(frozen=True, slots=True)
class Track:
    """Evidence towards one level: K logs of R a subject, and of each subject held, log M when it went off.

    ``days`` is how long has been watched, ``watched`` when a subject's evidence began, on that scale.
    """

    log_r: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    held: Mapping[str, float] = field(default_factory=dict)
    watched: Mapping[str, float] = field(default_factory=dict)
    days: float = 0.0


@dataclass(frozen=True, slots=True)
class Gauge:
    """Survives JSON; one state stands for one version's reference, so start a new one when that changes."""

    notify: Track = field(default_factory=Track)
    act: Track = field(default_factory=Track)

    def step(
        self, log_e: Mapping[str, Bets], days: float, budget: Budget, well: Collection[str] = ()
    ) -> Gauge:
        """One step of all subjects that have new data, which covers ``days`` of data time.

        ``well``: subjects that have recovered; held ones among them are released and start from nothing. Raises
        ValueError for NaN, or when a subject's number of alternatives changed.
        """
        days = max(days, LEAST_DAYS)
        weak = {name: bets[0] for name, bets in log_e.items()}
        strict = {name: bets[1] for name, bets in log_e.items()}
        return Gauge(
            _step(self.notify, weak, days, budget.share, budget.notify, well),
            _step(self.act, strict, days, budget.share, budget.act, well),
        )

    def run(self, log_e: Mapping[str, ArrayLike], days: float, budget: Budget) -> Gauge:
        """Many steps at once, each of ``days``: (steps, K) log e-values a subject, the same for both levels.

        The same as ``step`` for each row, in one pass while nothing goes off.
        """
        many = {subject: np.asarray(bets, dtype=np.float64) for subject, bets in log_e.items()}
        return Gauge(
            _run(self.notify, many, max(days, LEAST_DAYS), budget.share, budget.notify),
            _run(self.act, many, max(days, LEAST_DAYS), budget.share, budget.act),
        )

    def level(self, subject: str) -> Level:
        """How far the evidence about it went; "" while the clock has not gone off for it."""
        return "act" if subject in self.act.held else "notify" if subject in self.notify.held else ""

    def evidence(self, subject: str) -> float:
        """Log of days: of a held subject as it went off, else as it stands towards ``notify``."""
        for track in (self.act, self.notify):
            if subject in track.held:
                return track.held[subject]
        known = self.notify.log_r.get(subject)
        return eprocess.LOG_ZERO if known is None else eprocess.log_m(eprocess.EState(known))

    def evidences(self, subjects: Sequence[str]) -> list[float]:
        """``evidence`` of many subjects of equally many alternatives, in one step."""
        live = [self.notify.log_r[s] for s in subjects if s in self.notify.log_r]
        found = iter(eprocess.log_m_many(np.array(live)).tolist() if live else ())
        gathered = {s: next(found) for s in subjects if s in self.notify.log_r}
        held = {**self.notify.held, **self.act.held}
        return [held.get(s, gathered.get(s, eprocess.LOG_ZERO)) for s in subjects]

    def release(self, subjects: Collection[str]) -> Gauge:
        """Forget all about these: their trouble is over, or they are no longer watched."""
        return Gauge(_forget(self.notify, subjects), _forget(self.act, subjects))


def _step(
    track: Track,
    log_e: Mapping[str, ArrayLike],
    days: float,
    share: float,
    threshold: float,
    well: Collection[str],
) -> Track:
    track = replace(_forget(track, [s for s in track.held if s in well]), days=track.days + days)
    live = [s for s in log_e if s not in track.held]
    if not live:
        return track
    bets = np.stack([np.asarray(log_e[s], dtype=np.float64) for s in live])
    crowd = len({*track.log_r, *track.held, *log_e})
    weights = np.full(len(live), share * days / crowd)
    before = np.stack([_held(track, s, bets.shape[1]) for s in live])
    moved = eprocess.update_many(before, bets, weights)
    log_r = {**track.log_r, **{s: tuple(r) for s, r in zip(live, moved.tolist(), strict=True)}}
    watched = {s: track.watched.get(s, track.days - days) for s in log_r}
    return _ring(replace(track, log_r=log_r, watched=watched), share / crowd, threshold)


def _run(
    track: Track, log_e: Mapping[str, NDArray[np.float64]], days: float, share: float, threshold: float
) -> Track:
    steps = max((len(bets) for bets in log_e.values()), default=0)
    live = {s: bets for s, bets in log_e.items() if s not in track.held}
    if steps and live:
        crowd = len({*track.log_r, *track.held, *log_e})
        total, after = np.full(steps, -math.inf), {}
        for subject, bets in live.items():
            before = eprocess.EState(tuple(_held(track, subject, bets.shape[1]).tolist()))
            state, log_m = eprocess.trace(before, bets, share * days / crowd)
            after[subject], total = state.log_r, np.logaddexp(total, log_m)
        still = [r for s, r in track.log_r.items() if s not in live]
        rest = float(np.logaddexp.reduce(eprocess.log_m_many(np.array(still)))) if still else -math.inf
        if float(np.logaddexp(total, rest).max()) < math.log(threshold):
            watched = {**dict.fromkeys(live, track.days), **track.watched}
            return replace(
                track, log_r={**track.log_r, **after}, watched=watched, days=track.days + steps * days
            )
    for n in range(steps):
        track = _step(track, {s: bets[n] for s, bets in log_e.items()}, days, share, threshold, ())
    return track


def _ring(track: Track, share: float, threshold: float) -> Track:
    """Once the sum has reached the threshold, those to blame go off and *everybody* starts from nothing: what the
    alarm used up is the sum, and a part of it left standing would be counted twice."""
    names = list(track.log_r)
    log_m = eprocess.log_m_many(np.array([track.log_r[s] for s in names]))
    if float(np.logaddexp.reduce(log_m)) < math.log(threshold):
        return track
    days = max(track.days - min(track.watched.values()), LEAST_DAYS)
    order = culprits(names, log_m, np.full(len(names), share), days)
    guilty = [c for c in order if c.named] or [order[0]]
    held = {**track.held, **{c.name: c.log_m for c in guilty}}
    return replace(_forget(track, names), held=held)


def _forget(track: Track, subjects: Collection[str]) -> Track:
    gone = set(subjects)
    if not gone:
        return track
    return replace(
        track,
        log_r={s: r for s, r in track.log_r.items() if s not in gone},
        held={s: m for s, m in track.held.items() if s not in gone},
        watched={s: d for s, d in track.watched.items() if s not in gone},
    )


def _held(track: Track, subject: str, k: int) -> NDArray[np.float64]:
    known = track.log_r.get(subject)
    if known is not None and len(known) != k:
        raise ValueError(f"{subject}: {k} alternatives where {len(known)} were before")
    return np.full(k, eprocess.LOG_ZERO) if known is None else np.array(known)
