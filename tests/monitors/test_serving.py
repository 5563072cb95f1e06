"""serving: slow, failing, absent, and what silence means to each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autoheal.domain.names import Severity, Verdict
from autoheal.monitors.view import Series


def lived(build: Any, n: int = 300, **options: Any) -> Any:
    feed = build.feed("serving", **options)
    feed.step = 60.0
    feed.since = feed.now
    build.live(feed, n, latency=build.rng.gamma(2, 3, n).tolist())
    return feed


def test_healthy_service(build: Any) -> None:
    found = lived(build).look()
    assert found["serving/latency"].verdict is Verdict.OK
    assert found["serving/latency"].reference == 10.0
    assert found["serving/errors"].verdict is Verdict.OK
    assert found["serving/absent"].verdict is Verdict.OK
    assert found["serving/traffic"].verdict is Verdict.NOT_YET


def test_slow_answers(build: Any) -> None:
    feed = lived(build)
    build.live(feed, 150, latency=build.rng.gamma(2, 8, 150).tolist())
    said = feed.look()["serving/latency"]
    assert (said.verdict, said.severity) == (Verdict.BREACH, Severity.WARNING)
    assert "limit 20 ms" in said.detail
    build.live(feed, 150, latency=build.rng.gamma(2, 30, 150).tolist())
    assert feed.look()["serving/latency"].severity is Severity.CRITICAL
    build.live(feed, 200, latency=[5.0] * 200)
    assert feed.look()["serving/latency"].verdict is Verdict.OK


def test_one_slow_answer_in_twenty_is_not_slow(build: Any) -> None:
    feed = lived(build, 0)
    build.live(feed, 200, latency=[50.0 if i % 18 == 0 else 3.0 for i in range(200)])
    said = feed.look()["serving/latency"]
    assert said.value > 20
    assert said.verdict is Verdict.OK, "12 of 200 are slower than the limit, 10 were expected"


@pytest.mark.parametrize(
    ("failures", "severity"), [(2, Severity.NONE), (12, Severity.CRITICAL), (60, Severity.CRITICAL)]
)
def test_failures(build: Any, failures: int, severity: Severity) -> None:
    feed = lived(build)
    build.live(feed, failures, error="timeout", by="fallback")
    said = feed.look()["serving/errors"]
    assert said.severity is severity
    assert said.value == pytest.approx(failures / 200)


def test_a_roll_back_is_not_blamed_for_what_it_mended(build: Any) -> None:
    feed = lived(build)
    build.live(feed, 100, error="boom")
    assert feed.look()["serving/errors"].verdict is Verdict.BREACH
    feed.champion, feed.since = "v0", feed.now + 1
    assert feed.look()["serving/errors"].verdict is Verdict.NOT_YET
    build.live(feed, 60)
    assert feed.look()["serving/errors"].verdict is Verdict.OK


def test_absence_is_an_alarm_of_its_own_and_no_data_to_the_others(build: Any) -> None:
    feed = lived(build)
    assert feed.look(wait=540)["serving/absent"].verdict is Verdict.OK
    last = feed.now - 540
    found = feed.look(wait=120)
    said = found["serving/absent"]
    assert (said.verdict, said.severity) == (Verdict.BREACH, Severity.CRITICAL)
    assert said.started_at is not None
    assert said.started_at.timestamp() == last
    assert {found[f"serving/{s}"].verdict for s in ("latency", "errors", "traffic")} == {Verdict.NO_DATA}
    build.live(feed, 1)
    assert feed.look()["serving/absent"].verdict is Verdict.OK


def test_absence_after_a_stated_time(build: Any) -> None:
    feed = lived(build, absent_after="1h")
    assert feed.look(wait=3500)["serving/absent"].verdict is Verdict.OK
    assert feed.look(wait=200)["serving/absent"].verdict is Verdict.BREACH


def test_batches_that_come_once_a_day_are_not_absence(build: Any) -> None:
    feed = build.feed("serving", "data_quality")
    for _ in range(8):
        build.live(feed, 24)
        end = feed.now
        feed.now = end
        feed.ring._floats["arrived"][len(feed.ring) - 24 : len(feed.ring)] = end
    assert feed.look(wait=3 * 86_400)["serving/absent"].verdict is Verdict.OK
    assert feed.look(wait=8 * 86_400)["serving/absent"].verdict is Verdict.BREACH


def test_scraped_metrics_serve_where_rows_carry_nothing(build: Any) -> None:
    feed = build.feed("serving")
    feed.step = 60.0
    build.live(feed, 100)

    def sampled(*values: float) -> Series:
        return Series(feed.now - 15.0 * np.arange(len(values))[::-1], np.array(values))

    feed.metrics = {"latency_p95_ms": sampled(9, 30, 31, 32), "error_rate": sampled(0.0, 0.02, 0.03, 0.02)}
    found = feed.look()
    assert (found["serving/latency"].verdict, found["serving/latency"].value) == (Verdict.BREACH, 31.0)
    assert (found["serving/errors"].verdict, found["serving/errors"].severity) == (
        Verdict.BREACH,
        Severity.WARNING,
    )
    feed.metrics = {"latency_p95_ms": sampled(30, 31, 9)}
    assert feed.look()["serving/latency"].verdict is Verdict.OK
    stale = feed.look(wait=300)["serving/latency"]
    assert stale.verdict is Verdict.NOT_YET, "old samples say nothing"


def test_traffic_that_drops_or_explodes(build: Any) -> None:
    for step, want in ((3600.0, Verdict.OK), (36_000.0, Verdict.BREACH), (600.0, Verdict.BREACH)):
        feed = build.feed("serving")
        build.live(feed, 24 * 12)
        feed.step = step
        build.live(feed, int(86_400 / step) + 1)
        said = feed.look()["serving/traffic"]
        assert said.verdict is want, said.detail


def test_nothing_yet(build: Any) -> None:
    found = build.feed("serving").look()
    assert {f.verdict for p, f in found.items() if p != "serving/monitor"} == {Verdict.NOT_YET}
