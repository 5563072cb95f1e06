"""How much worse is too much: the limits and the tolerance that monitors of metrics and losses share. Pure.

By default accuracy and F1 may fall by 0.05 and are critical from 0.10 on, losses may rise by 25% and 50%.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from autoheal.domain.names import Task
from autoheal.monitors.options import Amount, MonitorOptions, Share
from autoheal.monitors.reference import Baseline
from autoheal.monitors.scores import FALLING, Measured, Metric

DROP, RISE = Amount(value=0.05), Amount(value=0.25, relative=True)
CRITICAL_DROP, CRITICAL_RISE = Amount(value=0.10), Amount(value=0.50, relative=True)
#: By which share the mean loss may exceed the baseline's and still pass for healthy; errors of numbers come in seasons.
HEALTHY: Final[Mapping[Task, float]] = {Task.CLASSIFICATION: 0.10, Task.REGRESSION: 0.25}
#: A loss this much above the baseline counts as begun, when the beginning is looked for.
BEGUN: Final = 0.1


class LossOptions(MonitorOptions):
    """Options of a monitor that bets against a loss: ``tolerance`` takes the place of HEALTHY."""

    tolerance: Share | None = None

    def tolerated(self, task: Task) -> float:
        return HEALTHY[task] if self.tolerance is None else self.tolerance


@dataclass(frozen=True, slots=True)
class Worsening:
    """A window is worse than the baseline ``by`` so much, in the metric's unit, within ``error`` (one standard error);
    ``effect`` is that on the scale of ``limit``, which is ``over`` or even ``critical``."""

    by: float
    error: float
    limit: Amount
    effect: float
    critical: bool

    @property
    def over(self) -> bool:
        return self.effect >= self.limit.value

    def clearly(self, errors: float) -> bool:
        """By more than so many standard errors."""
        return self.by > errors * self.error


def limit_of(metric: Metric, own: Amount | None) -> Amount:
    return own or (DROP if metric in FALLING else RISE)


def worsening(
    metric: Metric, live: Measured, base: Baseline, own: Amount | None, own_critical: Amount | None
) -> Worsening:
    """With the limits that the configuration sets, None where it leaves the default."""
    falls = metric in FALLING
    by = base.value - live.value if falls else live.value - base.value
    limit = limit_of(metric, own)
    critical = own_critical or (CRITICAL_DROP if falls else CRITICAL_RISE)
    return Worsening(
        by,
        math.hypot(live.error, base.sd / math.sqrt(max(base.n, 1))),
        limit,
        limit.effect(by, base.value),
        critical.effect(by, base.value) >= critical.value,
    )
