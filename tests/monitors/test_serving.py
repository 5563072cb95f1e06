"""serving: slow, failing, absent, and what silence means to each."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from autoheal.domain.names import Severity, Verdict
from autoheal.monitors import dump_states, load_states
from autoheal.monitors.serving import ServingOptions
from autoheal.monitors.view import Series
from tests.monitors.conftest import Build


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
    assert feed.look(wait=280)["serving/absent"].verdict is Verdict.OK
    last = feed.now - 280
    said = feed.look(wait=40)["serving/absent"]
    assert (said.verdict, said.severity) == (Verdict.BREACH, Severity.CRITICAL), (
        "a regular feed, three intervals"
    )
    assert said.started_at is not None
    assert said.started_at.timestamp() == last
    found = feed.look(wait=340)
    assert {found[f"serving/{s}"].verdict for s in ("latency", "errors", "traffic")} == {Verdict.NO_DATA}
    build.live(feed, 1)
    assert feed.look()["serving/absent"].verdict is Verdict.OK


def test_an_irregular_feed_is_waited_for_longer(build: Any) -> None:
    feed = lived(build, 0)
    for _ in range(60):
        feed.step = float(build.rng.exponential(60.0))
        build.live(feed, 1)
    assert feed.look(wait=500)["serving/absent"].verdict is Verdict.OK
    assert feed.look(wait=3000)["serving/absent"].verdict is Verdict.BREACH


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

    feed.metrics = {"latency_p95_ms": sampled(*[9.0] * 20), "error_rate": sampled(*[0.0] * 20)}
    assert {feed.look()[f"serving/{s}"].verdict for s in ("latency", "errors")} == {Verdict.OK}
    feed.now += 600.0
    slow, failing = [30.0 + i / 10 for i in range(40)], [0.04, 0.05] * 20
    feed.metrics = {"latency_p95_ms": sampled(*slow), "error_rate": sampled(*failing)}
    found = feed.look()
    latency, errors = found["serving/latency"], found["serving/errors"]
    assert (latency.verdict, latency.value, latency.level) == (Verdict.BREACH, 33.8, "act")
    assert (errors.verdict, errors.severity, errors.level) == (Verdict.BREACH, Severity.CRITICAL, "act")
    feed.now += 60.0
    feed.metrics = {"latency_p95_ms": sampled(30, 31, 9)}
    assert feed.look()["serving/latency"].verdict is Verdict.OK
    stale = feed.look(wait=300)["serving/latency"]
    assert stale.verdict is Verdict.NO_DATA, "old samples say nothing"


def test_a_few_requests_a_minute_are_above_any_limit_now_and_then(build: Any) -> None:
    """Two percent fail of 50 requests when one does; p95 of ten answers is the slowest of them."""
    feed = build.feed("serving")
    rng, minutes = build.rng, 7 * 1_440
    time = feed.now + 60.0 * np.arange(minutes)
    rates = rng.binomial(50, 0.004, minutes) / 50
    slowest = (10.0 + 5.0 * rng.pareto(1.5, (minutes, 10))).max(axis=1)
    feed.reference = replace(feed.reference, latency_p95_ms=float(np.median(slowest)))
    three = lambda above: int((above[2:] & above[1:-1] & above[:-2]).sum())  # noqa: E731 - one line says it
    assert min(three(rates > 0.01), three(slowest > 2.0 * np.median(slowest))) > 10
    for end in range(60, minutes, 3):
        part = slice(max(end - 200, 0), end)
        feed.metrics = {
            "error_rate": Series(time[part], rates[part]),
            "latency_p95_ms": Series(time[part], slowest[part]),
        }
        feed.now = float(time[end - 1])
        assert [
            f.detail for f in feed.look().values() if f.verdict is Verdict.BREACH and "traffic" not in f.path
        ] == []


@pytest.mark.parametrize("known", [True, False])
def test_many_requests_make_an_error_rate_sure_at_once(build: Any, known: bool) -> None:
    feed = build.feed("serving")
    time = feed.now + 15.0 * np.arange(43)
    feed.metrics = {"error_rate": Series(time, np.array([0.002] * 40 + [0.03] * 3))}
    if known:
        feed.metrics["requests_per_s"] = Series(time, np.full(43, 40.0))
    feed.now = float(time[-1])
    found = feed.look()["serving/errors"]
    assert found.verdict is (Verdict.BREACH if known else Verdict.OK)


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


WEEK = 7 * 86_400.0
#: A Monday 00:00 UTC.
MONDAY = 1_300_060_800.0


class Scraped:
    """A service whose metrics are scraped every five minutes and that pushes no rows."""

    def __init__(self, build: Any, *, lives: str = "UTC", **options: Any) -> None:
        self.feed = build.feed("serving", **options)
        self.lives = ZoneInfo(lives)
        self.feed.now = self.feed.since = MONDAY
        self.feed.reference = None
        self.rng = build.rng
        self.samples: dict[str, list[tuple[float, float]]] = {}
        self.closed = 1.0

    def live(self, hours: float, *, every: int = 12, **levels: float) -> dict[str, Any]:
        """Days and weekends, noise of a tenth; a look every hour; what the last one found."""
        found: dict[str, Any] = {}
        for i in range(round(hours * 12)):
            self.feed.now += 300.0
            local = datetime.fromtimestamp(self.feed.now, self.lives)
            hour, day = local.hour + local.minute / 60, local.weekday()
            usual = np.exp(0.4 * np.sin(hour / 24 * 2 * np.pi)) * (0.7 if day >= 5 else 1.0)
            usual *= self.closed if hour < 8 else 1.0
            for name, level in levels.items():
                noisy = level * usual * float(np.exp(self.rng.normal(0, 0.1)))
                self.samples.setdefault(name, []).append((self.feed.now, noisy))
            if i % every == every - 1:
                newest = {name: np.array(pairs[-300:]) for name, pairs in self.samples.items()}
                self.feed.metrics = {name: Series(pairs[:, 0], pairs[:, 1]) for name, pairs in newest.items()}
                found = self.feed.look()
        return found


HEALTHY = {"latency_p95_ms": 50.0, "requests_per_s": 200.0, "gpu": 3.0}


@pytest.fixture(scope="module")
def month() -> Scraped:
    """Four weeks of habit."""
    service = Scraped(Build(np.random.default_rng(8)), metrics=("gpu",), slo={"errors": "99.9%"})
    service.live(24 * 28, every=72, **HEALTHY)
    return service


@pytest.fixture
def known(month: Scraped) -> Scraped:
    return copy.deepcopy(month)


def test_habit_says_what_is_usual_on_a_tuesday(known: Scraped) -> None:
    found = known.live(38, **HEALTHY)
    for name in ("latency", "traffic", "gpu"):
        said = found[f"serving/{name}"]
        assert said.verdict is Verdict.OK, said.detail
        assert "times its usual Tuesday 13:00 UTC" in said.detail
        assert said.effect < 0.3


def test_a_shift_against_the_habit_and_its_end(known: Scraped) -> None:
    found = known.live(30, **(HEALTHY | {"latency_p95_ms": 75.0, "requests_per_s": 90.0}))
    for name, effect in (("latency", 0.5), ("traffic", 1.2)):
        said = found[f"serving/{name}"]
        assert (said.verdict, said.severity) == (Verdict.BREACH, Severity.WARNING), said.detail
        assert said.level in ("notify", "act")
        assert said.effect == pytest.approx(effect, abs=0.4)
        assert said.started_at is not None
    assert found["serving/gpu"].verdict is Verdict.OK
    found = known.live(3, **HEALTHY)
    assert {found[f"serving/{n}"].verdict for n in ("latency", "traffic")} == {Verdict.OK}


@pytest.mark.parametrize(("zone", "alarms"), [("Europe/Zurich", False), ("UTC", True)])
def test_clocks_that_are_moved_move_the_habit(zone: str, *, alarms: bool) -> None:
    """Doors open at eight, local time; four weeks later clocks go forward on Sunday the 27th."""
    service = Scraped(Build(np.random.default_rng(8)), lives="Europe/Zurich", metrics=("gpu",), zone=zone)
    service.feed.now = service.feed.since = MONDAY - 2 * WEEK
    service.closed = 0.1
    service.live(24 * 27, every=72, gpu=3.0)
    found = [service.live(1, gpu=3.0)["serving/gpu"] for _ in range(24 * 6)]
    assert any(said.verdict is Verdict.BREACH for said in found) == alarms
    assert found[-1].detail.endswith(zone)


def test_a_holiday_is_like_no_other_day(month: Scraped) -> None:
    for holidays, alarms in (((), True), (("2011-04-11",), False)):
        service = copy.deepcopy(month)
        service.feed.spec = replace(
            service.feed.spec,
            monitors=tuple(
                replace(m, options={**m.options, "holidays": list(holidays)})
                for m in service.feed.spec.monitors
            ),
        )
        found = [service.live(4, **(HEALTHY | {"gpu": 1.2}))["serving/gpu"] for _ in range(6)]
        assert any(said.verdict is Verdict.BREACH for said in found) == alarms
        after = service.live(20, **HEALTHY)["serving/gpu"]
        assert after.verdict is Verdict.OK
    assert "Tuesday 19:00" in after.detail


def test_ten_minutes_are_enough_for_a_spike(known: Scraped) -> None:
    known.live(14, **HEALTHY)
    said = known.live(1 / 4, every=3, **(HEALTHY | {"latency_p95_ms": 400.0}))["serving/latency"]
    assert (said.verdict, said.severity) == (Verdict.BREACH, Severity.WARNING)
    assert "spike of five minutes: p95" in said.detail
    said = known.live(1, every=6, **HEALTHY)["serving/latency"]
    assert said.verdict is Verdict.OK
    said = known.live(1 / 4, every=3, **(HEALTHY | {"gpu": 0.01}))["serving/gpu"]
    assert "drop of five minutes: gpu" in said.detail


def test_a_week_of_an_alarm_is_a_new_habit(known: Scraped) -> None:
    for _ in range(9):
        found = known.live(24, every=36, **(HEALTHY | {"gpu": 6.0}))
    assert found["serving/gpu"].verdict is Verdict.NOT_YET, found["serving/gpu"].detail
    assert "hours beside a habit" in found["serving/gpu"].detail


def test_the_state_is_bounded_and_survives_json(known: Scraped) -> None:
    feed = known.feed
    written = orjson.dumps(dump_states(feed.states))
    assert len(written) < 120_000, "three metrics"
    again = load_states(orjson.loads(written))
    assert orjson.loads(orjson.dumps(dump_states(again))) == orjson.loads(written)
    feed.states = again
    assert known.live(2, **HEALTHY)["serving/traffic"].verdict is Verdict.OK


def test_scraped_metrics_that_stop(known: Scraped) -> None:
    before = known.feed.now
    found = known.feed.look(wait=800)
    assert found["serving/absent"].verdict is Verdict.OK
    found = known.feed.look(wait=200)
    assert (found["serving/absent"].verdict, found["serving/absent"].severity) == (
        Verdict.BREACH,
        Severity.CRITICAL,
    )
    assert "last sample" in found["serving/absent"].detail
    found = known.feed.look(wait=3600)
    assert found["serving/gpu"].verdict is Verdict.NO_DATA
    known.feed.now = before + 86_400
    known.samples.clear()
    assert known.live(1, **HEALTHY)["serving/absent"].verdict is Verdict.OK


def test_a_sample_from_the_future_closes_nothing(known: Scraped) -> None:
    known.samples["gpu"].append((known.feed.now + 40 * 86_400, 3.0))
    known.live(4, **HEALTHY)
    said = known.live(30, **(HEALTHY | {"gpu": 6.0}))["serving/gpu"]
    assert said.verdict is Verdict.BREACH, said.detail


def test_an_error_budget_that_burns(known: Scraped) -> None:
    quiet = known.live(3, **HEALTHY, error_rate=0.0)
    assert quiet["serving/slo_errors"].verdict is Verdict.OK
    said = known.live(1, **HEALTHY, error_rate=0.03)["serving/slo_errors"]
    assert (said.verdict, said.severity, said.level) == (Verdict.BREACH, Severity.CRITICAL, "")
    assert "the budget burns" in said.detail
    said = known.live(1, **HEALTHY, error_rate=0.0)["serving/slo_errors"]
    assert said.verdict is Verdict.OK, "the short window has recovered"
    for _ in range(3):
        said = known.live(24, every=36, **HEALTHY, error_rate=0.004)["serving/slo_errors"]
    assert (said.verdict, said.severity) == (Verdict.BREACH, Severity.WARNING), said.detail


def test_objectives_from_rows(build: Any) -> None:
    feed = build.feed("serving", slo={"errors": 0.99, "latency": {"below": "300ms", "for": "95%"}})
    feed.step = 10.0
    assert feed.look()["serving/slo_errors"].verdict is Verdict.NOT_YET
    build.live(feed, 100)
    assert "has latency_ms" in feed.look()["serving/slo_latency"].detail
    build.live(feed, 400, latency=[50.0] * 400)
    found = feed.look()
    assert {found[f"serving/slo_{s}"].verdict for s in ("errors", "latency")} == {Verdict.OK}
    build.live(feed, 360, latency=[400.0 if i % 2 else 50.0 for i in range(360)])
    found = feed.look()
    assert found["serving/slo_errors"].verdict is Verdict.OK
    assert found["serving/slo_latency"].verdict is Verdict.OK, (
        "half of them slow are ten times five percent, not 14.4"
    )
    build.live(feed, 360, error="timeout")
    found = feed.look()
    assert found["serving/slo_errors"].severity is Severity.CRITICAL
    assert found["serving/slo_latency"].severity is Severity.CRITICAL, "what fails does not come in time"
    assert feed.look(wait=86_400)["serving/slo_errors"].verdict is Verdict.NO_DATA
    feed.champion, feed.since = "v2", feed.now
    build.live(feed, 30, latency=[50.0] * 30)
    assert feed.look()["serving/slo_errors"].verdict is Verdict.OK, "not blamed for what it mended"


@pytest.mark.parametrize(
    "slo",
    [
        {},
        {"errors": "100%"},
        {"errors": 0},
        {"latency": {"below": "300ms"}},
        {"latency": {"below": "0s", "for": 0.9}},
    ],
)
def test_objectives_that_mean_nothing_are_refused(slo: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ServingOptions.model_validate({"slo": slo})
    with pytest.raises(ValidationError, match="watched already"):
        ServingOptions.model_validate({"metrics": ["errors"]})


def test_rows_make_a_habit_too(build: Any) -> None:
    feed = build.feed("serving")
    feed.now = feed.since = MONDAY
    for day in range(16):
        feed.step = 86_400 / 1_000
        build.live(feed, 1_000, latency=build.rng.gamma(5, 2 if day < 15 else 5, 1_000).tolist())
        found = feed.look()
    said = found["serving/latency"]
    assert said.verdict is Verdict.BREACH
    assert "times its usual" in said.detail or "limit" in said.detail
    assert "times its usual" in found["serving/traffic"].detail


sample = st.tuples(st.floats(-1e5, 1e5), st.floats(allow_nan=True, allow_infinity=True))


@settings(max_examples=20, deadline=None)
@given(
    st.lists(sample, max_size=40),
    st.lists(sample, max_size=40),
    st.lists(sample, max_size=40),
    st.lists(st.tuples(st.floats(0, 1e5), st.one_of(st.none(), st.floats(0, 1e9))), max_size=30),
)
def test_any_samples_in_any_order_have_a_stated_outcome(
    p95: list, rate: list, failing: list, rows: list
) -> None:
    build = Build(np.random.default_rng(5))
    feed = build.feed(
        "serving", slo={"errors": 0.99, "latency": {"below": "1s", "for": 0.9}}, metrics=["other"]
    )
    for second, late in rows:
        feed.now = MONDAY + second
        build.live(feed, 1, latency=[late])
    feed.metrics = {
        name: Series(MONDAY + np.array([t for t, _ in samples]), np.array([v for _, v in samples]))
        for name, samples in (
            ("latency_p95_ms", p95),
            ("requests_per_s", rate),
            ("error_rate", failing),
            ("other", rate),
        )
    }
    feed.now = MONDAY
    for wait in (0.0, 3600.0, 86_400.0):
        found = feed.look(wait)
        assert found["serving/monitor"].verdict is Verdict.OK, found["serving/monitor"].detail
    written = orjson.dumps(dump_states(feed.states))
    assert orjson.loads(orjson.dumps(dump_states(load_states(orjson.loads(written))))) == orjson.loads(
        written
    )


ROUNDS: dict[str, Any] = {
    "office hours": lambda rng, day, hour: rng.poisson(40) if day < 5 and 8 <= hour < 18 else 0,
    "not on Fridays": lambda rng, day, hour: rng.poisson(20) if day != 4 else 0,
    "a nightly batch": lambda rng, day, hour: 200 if hour == 2 else 0,
    "quiet weekends": lambda rng, day, hour: rng.poisson(30 if day < 5 else 6),
    "day and night": lambda rng, day, hour: rng.poisson(20 * (1 + 0.9 * np.sin(2 * np.pi * hour / 24))),
}


@pytest.mark.parametrize("name", ROUNDS)
def test_silence_that_is_usual_at_such_a_time_is_no_absence(build: Any, name: str) -> None:
    """The first night and the first weekend may be told, to nobody who acts; then only what is missing counts."""
    feed, rng = build.feed("serving"), build.rng
    feed.since = feed.now = MONDAY
    feed.reference = None

    def live(hours: int, *, away: bool = False) -> list[Any]:
        told = []
        for _ in range(hours):
            start = feed.now - feed.now % 3600.0
            day, hour = divmod(int(start - MONDAY) // 3600, 24)
            feed.step = 0.0
            for at in np.sort(rng.random(0 if away else ROUNDS[name](rng, day % 7, hour))) * 3600.0:
                feed.now = start + at
                feed.add([{"x": 1.0}], [1], None)
            feed.now = start + 3600.0
            told += [f for f in feed.look().values() if f.verdict is Verdict.BREACH]
        return told

    assert {(f.path, f.level, f.severity) for f in live(8 * 24)} <= {
        ("serving/absent", "notify", Severity.WARNING)
    }
    assert [f.detail for f in live(20 * 24 + 10)] == []
    first = live(24, away=True)[0]
    assert (first.path, first.severity) == ("serving/absent", Severity.CRITICAL)
    missed = 16.0 if name == "a nightly batch" else 0.0
    assert missed < (first.at.timestamp() - MONDAY) / 3600.0 - 28 * 24 - 10 <= missed + 2.0
