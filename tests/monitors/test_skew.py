"""data_quality with skew: features as served beside the training pipeline's, from the first wrong row to the last."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from autoheal.domain.finding import Finding
from autoheal.domain.names import Severity, Verdict, Version
from autoheal.monitors import evaluate
from autoheal.monitors.compared import DIFFERENT, EQUAL, NOT_SERVED, NOT_TRAINED, Compared
from autoheal.monitors.evaluate import dump_states, load_states
from autoheal.telemetry.values import from_unix

HOUR = 3_600.0


class Pair:
    """A model's feed beside what the pipeline says of it."""

    def __init__(self, build: Any, **skew: Any) -> None:
        self.feed = build.feed("data_quality", skew=skew)
        self.rng = build.rng
        build.live(self.feed, 60)
        self.rows: list[tuple[float, float, str, dict[str, int]]] = []

    def compare(self, n: int, *, rate: float = 0.0, code: int = DIFFERENT, version: str = "v1") -> None:
        """``n`` ids an hour apart, compared at once; x is not the same in ``rate`` of them."""
        for _ in range(n):
            self.feed.now += HOUR
            x = code if self.rng.random() < rate else EQUAL
            self.rows.append((self.feed.now, self.feed.now, version, {"x": x, "y": EQUAL, "s": EQUAL}))

    def look(self) -> dict[str, Finding]:
        rows = self.rows[-500:]
        seen = Compared(
            np.array([r[0] for r in rows]),
            np.array([r[1] for r in rows]),
            np.array([r[2] for r in rows], np.str_),
            {name: np.array([r[3][name] for r in rows], np.uint8) for name in ("x", "y", "s")},
        )
        view = replace(self.feed.view(), skew=seen, champion=Version(self.feed.champion))
        states, found = evaluate(self.feed.spec, self.feed.states, view, from_unix(self.feed.now))
        self.feed.states = load_states(dump_states(states))
        return {f.subject.removeprefix("skew:"): f for f in found if f.subject.startswith("skew:")}


def test_it_says_nothing_of_models_that_do_not_ask_for_it(build: Any) -> None:
    feed = build.feed("data_quality")
    build.live(feed, 60)
    assert not [path for path in feed.look() if "skew" in path]


def test_before_anything_was_compared_and_before_it_was_enough(build: Any) -> None:
    pair = Pair(build)
    assert {f.verdict for f in pair.look().values()} == {Verdict.NOT_YET}
    pair.compare(99)
    assert {(f.verdict, f.detail) for f in pair.look().values()} == {
        (Verdict.NOT_YET, "99 of 100 ids compared")
    }
    pair.compare(1)
    assert {f.verdict for f in pair.look().values()} == {Verdict.OK}


@pytest.mark.parametrize(
    ("code", "words"),
    [(DIFFERENT, "another value"), (NOT_SERVED, "missing as served"), (NOT_TRAINED, "in the pipeline")],
)
def test_a_feature_computed_in_another_way_is_told_within_a_few_ids(
    build: Any, code: int, words: str
) -> None:
    pair = Pair(build, critical=0.5)
    pair.compare(100)
    pair.look()
    pair.compare(12, rate=1.0, code=code)
    found = pair.look()
    said = found["x"]
    assert (said.verdict, said.severity, said.level) == (Verdict.BREACH, Severity.WARNING, "act")
    assert said.detail.startswith("x: of 100 ids 12 ")
    assert words in said.detail
    assert said.value == 0.12
    assert said.started_at is not None
    assert said.started_at.timestamp() == pair.rows[100][0]
    assert {found["y"].verdict, found["s"].verdict} == {Verdict.OK}
    pair.compare(60, rate=1.0, code=code)
    assert pair.look()["x"].severity is Severity.CRITICAL
    pair.compare(100)
    assert pair.look()["x"].verdict is Verdict.OK


def test_a_new_release_that_is_wrong_need_not_fill_a_window(build: Any) -> None:
    pair = Pair(build)
    pair.compare(150)
    pair.look()
    pair.feed.champion = "v2"
    pair.compare(15, rate=1.0, version="v2")
    said = pair.look()
    assert (said["x"].verdict, said["x"].severity, said["x"].n) == (Verdict.BREACH, Severity.WARNING, 15)
    assert said["y"].verdict is Verdict.NOT_YET


def test_a_pipeline_that_stopped_sending_is_no_data(build: Any) -> None:
    pair = Pair(build, stale_after="2d")
    pair.compare(120)
    assert pair.look()["x"].verdict is Verdict.OK
    pair.feed.now += 49 * HOUR
    said = pair.look()["x"]
    assert (said.verdict, said.detail) == (Verdict.NO_DATA, "no features of the training pipeline for 2.04 d")


def test_each_comparison_is_evidence_once(build: Any) -> None:
    pair = Pair(build)
    pair.compare(100)
    pair.compare(2, rate=1.0)
    for _ in range(50):
        assert pair.look()["x"].verdict is Verdict.OK


def test_rates_that_are_tolerated_raise_no_alarm(build: Any) -> None:
    """Four models over 200 days of hourly ids that differ half as often as is tolerated."""
    alarms = 0
    for _ in range(4):
        pair = Pair(build)
        for _ in range(100):
            pair.compare(48, rate=0.005)
            alarms += pair.look()["x"].verdict is Verdict.BREACH
    assert alarms == 0
