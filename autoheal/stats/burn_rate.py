"""Burn rate of an error budget: several windows, several rates.

Pure. Burn = share of bad events / (1 - objective); 1 spends the budget exactly in the objective's 30 days. A
rule fires when its long *and* its short window burn faster than its factor: the long one proves that it
matters, the short one that it goes on (Google, *The Site Reliability Workbook*, ch. 5). Guard for little
traffic: at least ten bad events in the long window.

Counts of good and bad come per window; windows in hours. Raises ValueError for objectives outside (0, 1), bad
above total, and windows that were not given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from autoheal.stats import inputs

PERIOD_HOURS = 720.0
LEAST_BAD = 10


class Urgency(StrEnum):
    """Who hears of it."""

    PAGE = "page"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True)
class Rule:
    """Fires when both windows burn faster than ``factor``."""

    long_hours: float
    short_hours: float
    factor: float
    urgency: Urgency

    def threshold(self, objective: float) -> float:
        """Share of bad events above which the rule fires."""
        return self.factor * (1.0 - inputs.fraction("objective", objective))

    def budget_spent(self) -> float:
        """Share of the 30 days' budget that is gone when the rule just fires."""
        return self.factor * self.long_hours / PERIOD_HOURS

    def seconds_of_outage(self, objective: float) -> float:
        """How long a full outage lasts before the long window fires."""
        return self.threshold(objective) * self.long_hours * 3600.0


RULES = (
    Rule(1, 5 / 60, 14.4, Urgency.PAGE),
    Rule(6, 0.5, 6, Urgency.PAGE),
    Rule(24, 2, 3, Urgency.TICKET),
    Rule(72, 6, 1, Urgency.TICKET),
)


@dataclass(frozen=True, slots=True)
class Count:
    """Events of one window."""

    total: float
    bad: float


@dataclass(frozen=True, slots=True)
class Burn:
    """One rule's reading: burn of both windows, bad events in the long one, and whether it fires."""

    rule: Rule
    long: float
    short: float
    bad: float
    fires: bool


def burn(count: Count, objective: float) -> float:
    """Burn rate of one window; a window without events burns nothing."""
    total, bad = inputs.hits_of(count.total, count.bad)
    budget = 1.0 - inputs.fraction("objective", objective)
    return bad / total / budget if total > 0 else 0.0


def read(
    counts: Mapping[float, Count],
    objective: float,
    rules: Sequence[Rule] = RULES,
    *,
    least_bad: float = LEAST_BAD,
) -> tuple[Burn, ...]:
    """Read all rules from ``counts``, which maps the length of a window in hours to its events."""
    return tuple(_read_one(rule, counts, objective, least_bad) for rule in rules)


def worst(burns: Sequence[Burn]) -> Urgency | None:
    """The most urgent rule that fires."""
    fired = {each.rule.urgency for each in burns if each.fires}
    return next((urgency for urgency in Urgency if urgency in fired), None)


def _read_one(rule: Rule, counts: Mapping[float, Count], objective: float, least_bad: float) -> Burn:
    missing = [hours for hours in (rule.long_hours, rule.short_hours) if hours not in counts]
    if missing:
        raise ValueError(f"no counts for the window of {missing[0]:g} hours")
    long, short = (burn(counts[hours], objective) for hours in (rule.long_hours, rule.short_hours))
    bad = counts[rule.long_hours].bad
    fires = long > rule.factor and short > rule.factor and bad >= least_bad
    return Burn(rule, long, short, bad, fires)
