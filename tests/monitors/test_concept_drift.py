"""concept_drift: every row once, alarms far apart on healthy lives, trends that are real."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from autoheal.domain.names import Severity, Task, Verdict

TASKS = [Task.CLASSIFICATION, Task.REGRESSION]


@pytest.mark.parametrize("task", TASKS)
def test_a_change_is_found_with_its_start_and_is_over_when_errors_are(build: Any, task: Task) -> None:
    feed = build.feed("concept_drift", task=task)
    build.live(feed, 1000)
    assert feed.look()["concept_drift/error"].verdict is Verdict.OK
    broke = feed.now
    for _ in range(20):
        build.live(feed, 25, quality=0.25)
        said = feed.look()["concept_drift/error"]
        if said.verdict is Verdict.BREACH:
            break
    assert said.verdict is Verdict.BREACH
    assert said.started_at is not None
    assert abs(said.started_at.timestamp() - broke) < 60 * feed.step
    build.live(feed, 300, quality=0.25)
    assert feed.look()["concept_drift/error"].severity is Severity.CRITICAL
    build.live(feed, 700)
    assert feed.look()["concept_drift/error"].verdict is Verdict.OK


def test_every_row_counts_once_however_often_one_looks(build: Any) -> None:
    often, once = build.feed("concept_drift"), build.feed("concept_drift")
    once.reference = often.reference
    said, true = build.answers(often.spec.task, build.rng, 400, 0.2)
    rows = build.inputs(build.rng, 400)
    once.add(rows, said, true)
    last = once.look()["concept_drift/error"]
    for i in range(0, 400, 7):
        often.add(rows[i : i + 7], said[i : i + 7], true[i : i + 7])
        for _ in range(3):
            seen = often.look()["concept_drift/error"]
    assert seen.n == last.n == 400
    assert (seen.verdict, seen.level) == (last.verdict, last.level) == (Verdict.BREACH, "act")


@pytest.mark.parametrize("task", TASKS)
def test_healthy_lives_raise_nothing(build: Any, task: Task) -> None:
    """Forty times eighty days at the baseline: no more than the one in 14 and the one in 365 days that are promised."""
    told, acted = 0, 0
    for _ in range(40):
        feed = build.feed("concept_drift", task=task)
        for _ in range(20):
            build.live(feed, 100)
            found = feed.look()
            said = found["concept_drift/error"]
            told += said.level == "notify"
            acted += said.level == "act"
            assert found["concept_drift/trend"].verdict is not Verdict.BREACH
    days = 40 * 20 * 100 / 24
    assert told <= days / 14
    assert acted <= days / 365


def test_labels_that_come_late_are_learnt_when_they_mature(build: Any) -> None:
    feed = build.feed("concept_drift", lag=86_400.0)
    build.live(feed, 300)
    assert feed.look()["concept_drift/error"].n == 300 - 24
    feed.step = 1.0
    build.live(feed, 5, labels=None)
    assert feed.look(wait=4 * 3600)["concept_drift/error"].n == 300 - 24 + 4
    feed.ring.label(301, 1, feed.now)
    assert feed.look(wait=6 * 3600)["concept_drift/error"].n == 300 - 24 + 10


def test_a_creep_is_a_trend(build: Any) -> None:
    feed = build.feed("concept_drift", task=Task.CLASSIFICATION)
    for day in range(28):
        build.live(feed, 24, quality=0.1 + 0.012 * day)
    said = feed.look()["concept_drift/trend"]
    assert said.verdict is Verdict.BREACH
    assert said.value == pytest.approx(0.084, abs=0.03)
    assert said.n >= 27


def test_getting_better_or_staying_bad_is_no_trend(build: Any) -> None:
    for quality in ([0.4] * 28, np.linspace(0.5, 0.1, 28)):
        feed = build.feed("concept_drift")
        for q in quality:
            build.live(feed, 24, quality=float(q))
        assert feed.look()["concept_drift/trend"].verdict is Verdict.OK


def test_a_new_champion_forgets(build: Any) -> None:
    feed = build.feed("concept_drift")
    build.live(feed, 600, quality=0.5)
    assert feed.look()["concept_drift/error"].verdict is Verdict.BREACH
    feed.champion, feed.since = "v2", feed.now
    said = feed.look()["concept_drift/error"]
    assert (said.verdict, said.n) == (Verdict.NOT_YET, 0)
    assert feed.look(wait=timedelta(days=2).total_seconds())["concept_drift/error"].verdict is Verdict.NO_DATA
