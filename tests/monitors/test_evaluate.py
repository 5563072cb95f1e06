"""One beat: registry, isolation, states through JSON, and no warnings on any telemetry at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from autoheal.domain.names import Task, Verdict
from autoheal.domain.specs import MonitorSpec
from autoheal.monitors import MONITORS, dump_states, evaluate, load_states, registry
from autoheal.monitors.options import MonitorOptions
from autoheal.telemetry.values import from_unix

KINDS = ("performance", "data_drift", "concept_drift", "serving", "data_quality")


def test_the_five_kinds_with_defaults_for_everything_and_unknown_options_refused() -> None:
    assert set(KINDS) <= set(MONITORS)
    for kind in KINDS:
        one = MONITORS[kind]
        assert one.kind == kind
        assert one.Options() == one.Options.model_validate({})
        with pytest.raises(ValidationError):
            one.Options(widnow=3)
    with pytest.raises(KeyError):
        MONITORS["palmistry"]


@pytest.mark.parametrize("task", [Task.CLASSIFICATION, Task.REGRESSION])
def test_states_survive_json_and_go_on_alike(build: Any, task: Task) -> None:
    feed = build.feed(*KINDS, task=task)
    for quality in (0.1, 0.4):
        build.live(feed, 400, quality=quality, shift=quality * 3)
        feed.look()
    thawed = load_states(orjson.loads(orjson.dumps(dump_states(feed.states))))
    assert thawed == feed.states
    build.live(feed, 50, quality=0.4)
    view, now = feed.view(), from_unix(feed.now)
    assert evaluate(feed.spec, thawed, view, now) == evaluate(feed.spec, feed.states, view, now)


def test_foreign_states_start_over() -> None:
    assert load_states(
        {"performance": {"since": 3}, "palmistry": {}, "serving": {"since": {"errors": 1.0}}}
    ).keys() == {"serving"}


@dataclass(frozen=True)
class Nothing:
    seen: int = 0


class Breaks:
    kind = "breaks"
    Options = MonitorOptions
    State = Nothing

    def start(self) -> Nothing:
        return Nothing()

    def update(self, *_: object) -> Any:
        raise ZeroDivisionError("on purpose")


def test_a_monitor_that_breaks_disturbs_no_other(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._places(), "breaks", f"{__name__}:Breaks")
    monkeypatch.setattr("importlib.import_module", lambda _name: type("m", (), {"Breaks": Breaks}))
    for kind in KINDS:
        registry.monitor(kind)
    feed = build.feed("performance", "serving")
    build.live(feed, 300)
    monitors = (MonitorSpec("breaks"), MonitorSpec("serving", {"nonsense": 1}), *feed.spec.monitors[:1])
    feed.spec = replace(feed.spec, monitors=monitors)
    found = feed.look()
    assert found["breaks/monitor"].verdict is Verdict.ERROR
    assert found["breaks/monitor"].detail == "ZeroDivisionError: on purpose"
    assert found["serving/monitor"].verdict is Verdict.ERROR
    assert "nonsense" in found["serving/monitor"].detail
    assert found["performance/accuracy"].verdict is Verdict.OK
    assert set(feed.states) == {"performance"}
    registry.monitor.cache_clear()


def test_only_the_kinds_that_are_due_run(build: Any) -> None:
    feed = build.feed(*KINDS)
    build.live(feed, 100)
    states, found = evaluate(feed.spec, {}, feed.view(), from_unix(feed.now), {"serving"})
    assert set(states) == {"serving"}
    assert {f.monitor for f in found} == {"serving"}


CELL = st.none() | st.floats() | st.sampled_from(["a", "b", "", "12"]) | st.booleans()
LIFE = st.tuples(
    st.integers(1, 120),
    CELL,
    CELL,
    st.sampled_from([0, 1, "1", "zz"]),
    st.sampled_from(["champion", "fallback"]),
    st.sampled_from([None, "timeout"]),
    st.none() | st.floats(0, 1e300),
    st.floats(-1e6, 1e7),
)


@pytest.mark.parametrize("task", [Task.CLASSIFICATION, Task.REGRESSION])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(lives=st.lists(LIFE, max_size=6))
def test_no_telemetry_whatever_makes_a_warning_or_an_error(build: Any, task: Task, lives: list[Any]) -> None:
    """Warnings are errors here; every number in a finding is finite."""
    build = type(build)(np.random.default_rng(1))
    feed = build.feed(*KINDS, task=task)
    for n, x, s, answer, by, error, latency, step in lives:
        feed.step = step if abs(step * n) < 1e8 else 1.0
        said = answer if task is Task.CLASSIFICATION else 1e300 if answer == "zz" else 1.0
        feed.add(
            [{"x": x, "s": s}] * n,
            [said] * n,
            [said if i % 3 else 0 for i in range(n)],
            latency=None if latency is None else [latency] * n,
            error=error,
            by=by,
        )
        found = feed.look()
        assert [f.detail for f in found.values() if f.verdict is Verdict.ERROR] == []
        numbers = [
            v
            for f in found.values()
            for v in (f.value, f.reference, f.effect, f.evidence, f.age)
            if v is not None
        ]
        assert np.isfinite(numbers).all()
