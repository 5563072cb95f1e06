"""How a telemetry source does, in words: its rate, its lag, what it says. Pure; for ``autoheal status`` and the dashboard."""

from __future__ import annotations

from datetime import timedelta

from autoheal.domain.source_health import SourceHealth
from autoheal.tui.present.numbers import count, short
from autoheal.tui.present.times import ago

#: What is wrong first.
STATES = ("away", "no_data", "starting", "ok")
#: A clock that is off by less is nobody's concern.
_AHEAD = 60.0


def source_says(source: SourceHealth) -> str:
    """One sentence: what is wrong if something is, else what it is."""
    refused = sum(source.refused.values())
    parts = [source.kind]
    if source.state in {"away", "no_data"} and source.last_error:
        parts = [source.last_error]
    if refused:
        worst = max(source.refused, key=lambda reason: source.refused[reason])
        parts.append(f"{count(refused)} refused ({worst})")
    if source.lag_s is not None and source.lag_s < -_AHEAD:
        parts.append("its clock is ahead")
    return ", ".join(parts)


def lag(source: SourceHealth) -> str:
    """``4s``, ``2h``, ``−9d``; – before the first row."""
    if source.newest is None or source.lag_s is None:
        return "–"
    behind = ago(source.newest, source.newest + timedelta(seconds=abs(source.lag_s)))
    return f"−{behind}" if source.lag_s < -1 else behind


def rate(source: SourceHealth) -> str:
    return short(source.rows_per_s) if source.rows else "–"
