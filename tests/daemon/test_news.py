"""What goes into the log: news, not the noise of every beat."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from autoheal.daemon.news import finding_is_news
from autoheal.domain.finding import Finding
from autoheal.domain.names import AlarmState, Severity, Target, Verdict
from autoheal.domain.records import Alarm
from autoheal.domain.world import World

T0, BEAT = datetime(2026, 3, 1, tzinfo=UTC), timedelta(minutes=1)
DRIFT = Finding(Target("fraud"), "data_drift", "amount", T0, Verdict.OK, value=0.01, reference=0.2)
WORLD = World(findings={DRIFT.key: DRIFT})


def later(**changes: object) -> Finding:
    return replace(DRIFT, at=T0 + BEAT, **changes)  # type: ignore[arg-type]


def test_the_first_is_news() -> None:
    assert finding_is_news(World(), DRIFT, BEAT)


@pytest.mark.parametrize("value", [0.01, 0.02, 0.029, 0.0])
def test_noise_far_below_the_limit_is_none(value: float) -> None:
    assert not finding_is_news(WORLD, later(value=value), BEAT)


@pytest.mark.parametrize(
    "changes",
    [
        {"value": 0.05},
        {"value": None},
        {"verdict": Verdict.NO_DATA},
        {"severity": Severity.WARNING},
        {"level": "act"},
        {"version": "v2"},
    ],
    ids=str,
)
def test_what_moved_or_means_something_else_is(changes: dict[str, object]) -> None:
    assert finding_is_news(WORLD, later(**changes), BEAT)


def test_the_same_is_repeated_once_a_day_and_slow_monitors_less_often() -> None:
    after = [replace(DRIFT, at=T0 + timedelta(hours=h)) for h in (1, 23, 24, 40 * 24)]
    assert [finding_is_news(WORLD, f, BEAT) for f in after] == [False, False, True, True]
    assert [finding_is_news(WORLD, f, timedelta(days=1)) for f in after] == [False, False, False, False]


def test_while_an_alarm_lives_every_beat_is_news() -> None:
    alarm = Alarm(DRIFT.key, AlarmState.FIRING, T0, Severity.WARNING, T0)
    assert finding_is_news(replace(WORLD, alarms={DRIFT.key: alarm}), later(), BEAT)


def test_what_moves_within_a_beat_or_is_of_the_same_moment_is_none() -> None:
    """A monitor that is asked more often than its beat, or twice about one moment, adds nothing."""
    assert not finding_is_news(WORLD, replace(DRIFT, at=T0 + BEAT / 2, value=0.1), BEAT)
    alarm = Alarm(DRIFT.key, AlarmState.FIRING, T0, Severity.WARNING, T0)
    firing = replace(WORLD, alarms={DRIFT.key: alarm})
    assert not finding_is_news(firing, DRIFT, BEAT)
    assert finding_is_news(firing, later(), BEAT)
