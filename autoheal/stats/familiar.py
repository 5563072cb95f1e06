"""Detectors by their familiar names: Page-Hinkley, EWMA, DDM, three sigma.

Pure. Offered because people ask for them by name. None carries a false-alarm budget: Page-Hinkley (Page 1954)
and EWMA (Roberts 1959) need thresholds calibrated on healthy data; DDM (Gama, Medas, Castillo & Rodrigues,
"Learning with drift detection", 2004) cannot be calibrated, as its false alarms bunch at the start; three sigma
assumes normal, independent values. The e-detector of eprocess.py is the default. ADWIN is in adwin.py.

Each state is a frozen dataclass of plain numbers; ``update`` takes one finite value and returns the next state,
whose ``alarm`` says whether it fired. Raises ValueError for NaN, for errors outside [0, 1] (DDM).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from numpy.typing import ArrayLike

from autoheal.stats import inputs


@dataclass(frozen=True, slots=True)
class PageHinkley:
    """Cumulated excess over the running mean, upwards. ``threshold`` in the unit of x times rows."""

    threshold: float = 50.0
    delta: float = 0.005
    forget: float = 0.9999
    n: int = 0
    mean: float = 0.0
    excess: float = 0.0

    @property
    def alarm(self) -> bool:
        """The excess passed the threshold."""
        return self.excess > self.threshold

    def update(self, x: float) -> PageHinkley:
        """Enter one value; an excess below 0 starts again from 0."""
        value, n = _finite(x), self.n + 1
        mean = self.mean + (value - self.mean) / n
        excess = max(0.0, self.forget * self.excess + value - mean - self.delta)
        return replace(self, n=n, mean=mean, excess=excess)


@dataclass(frozen=True, slots=True)
class Ewma:
    """Exponentially weighted mean against ``centre``, in standard deviations of a value, with exact start-up."""

    centre: float
    sd: float
    weight: float = 0.05
    width: float = 3.0
    n: int = 0
    level: float = math.nan

    @property
    def alarm(self) -> bool:
        """The level is further than ``width`` of its own standard deviations from the centre."""
        if self.n == 0:
            return False
        share = self.weight / (2.0 - self.weight) * (1.0 - (1.0 - self.weight) ** (2 * self.n))
        return abs(self.level - self.centre) > self.width * self.sd * math.sqrt(share)

    def update(self, x: float) -> Ewma:
        """Enter one value."""
        if not 0.0 < self.weight <= 1.0 or not self.sd > 0:
            raise ValueError("EWMA needs a weight in (0, 1] and a standard deviation above 0")
        before = self.centre if self.n == 0 else self.level
        return replace(self, n=self.n + 1, level=before + self.weight * (_finite(x) - before))


@dataclass(frozen=True, slots=True)
class Ddm:
    """Error rate against its own best past: warning at 2, alarm at 3 standard deviations, from row 30 on."""

    level: float = 3.0
    least_rows: int = 30
    n: int = 0
    errors: float = 0.0
    best_rate: float = math.inf
    best_sd: float = math.inf

    @property
    def rate(self) -> float:
        """Errors per row so far; 0 before the first row."""
        return self.errors / self.n if self.n else 0.0

    @property
    def alarm(self) -> bool:
        """The rate left its best past behind."""
        return self._beyond(self.level)

    @property
    def warning(self) -> bool:
        """The rate is on its way."""
        return self._beyond(self.level - 1.0)

    def update(self, error: float) -> Ddm:
        """Enter one error in [0, 1]."""
        if not 0.0 <= error <= 1.0:
            raise ValueError(f"an error must lie in [0, 1], got {error}")
        after = replace(self, n=self.n + 1, errors=self.errors + error)
        rate, sd = after.rate, _rate_sd(after)
        # A start without errors would freeze the best past at zero spread: wait for the first one.
        if after.n < self.least_rows or sd == 0 or rate + sd >= self.best_rate + self.best_sd:
            return after
        return replace(after, best_rate=rate, best_sd=sd)

    def _beyond(self, level: float) -> bool:
        if self.n < self.least_rows or math.isinf(self.best_rate):
            return False
        return self.rate + _rate_sd(self) > self.best_rate + level * self.best_sd


@dataclass(frozen=True, slots=True)
class Sigma:
    """Mean and standard deviation of a history: the static three-sigma band."""

    mean: float
    sd: float

    def alarm(self, x: float, width: float = 3.0) -> bool:
        """Is the value outside the band? A history without spread alarms on any other value."""
        return abs(_finite(x) - self.mean) > width * self.sd


def sigma(history: ArrayLike) -> Sigma:
    """Band of a history of at least two values (sample standard deviation)."""
    values = inputs.vector("history", history, least=2)
    return Sigma(float(values.mean()), float(values.std(ddof=1)))


def _rate_sd(state: Ddm) -> float:
    return math.sqrt(state.rate * (1.0 - state.rate) / state.n)


def _finite(x: float) -> float:
    if not math.isfinite(x):
        raise ValueError(f"the value must be finite, got {x}")
    return float(x)
