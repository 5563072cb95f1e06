"""The options of familiar, and the warnings that ``autoheal check`` gives about them. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field, field_validator

from autoheal.monitors.familiar.rates import said
from autoheal.monitors.familiar.rules import Rule
from autoheal.monitors.options import MonitorOptions, Window


class FamiliarOptions(MonitorOptions):
    """``window``: the rows that psi and ks look at. ``quiet_rows``: rows without a new alarm after which one of ddm,
    adwin and page_hinkley is over; ``trend_days``: whole days of linear_trend."""

    rules: tuple[Rule, ...]
    window: Window = Window(rows=500)
    min_rows: int = Field(default=50, ge=10)
    quiet_rows: int = Field(default=500, ge=1)
    trend_days: int = Field(default=7, ge=3, le=366)

    @field_validator("rules")
    @classmethod
    def _once(cls, value: tuple[Rule, ...]) -> tuple[Rule, ...]:
        # Here and not as a least length, which would be told besides whenever a rule is wrong.
        if not value:
            raise ValueError("name at least one rule, like psi > 0.2")
        names = [rule.name for rule in value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} stands twice; one of each name")
        return value

    def warnings(self) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
        """For each rule: where it stands below these options, its measured false alarms, and what to use instead."""
        for i, rule in enumerate(self.rules):
            yield ("rules", i), *said(rule, self.window.rows or self.min_rows)
