"""Whatever facts arrive, in whatever order: the engine comes to rest and keeps its promises."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from autoheal.domain import events as ev
from autoheal.domain.events import Event
from autoheal.domain.names import RunId, RunState, StepKey, StepState
from autoheal.domain.records import Pause
from autoheal.domain.world import World
from autoheal.engine.step import rebuild
from autoheal.replay.simulate import Outcome, Script, Simulation, simulate
from tests.engine.build import T0, facts, finding, release, start

VERDICTS = st.sampled_from(["ok", "breach", "no_data", "error", "not_yet"])
PATHS = st.sampled_from(
    [
        "performance/accuracy",
        "data_quality/amount",
        "data_quality/country",
        "data_drift/amount",
        "serving/errors",
    ]
)
TARGETS = st.sampled_from(["fraud", "churn", "nobody", "source:push"])


@st.composite
def some_facts(draw: st.DrawFn) -> list[tuple[object, Event]]:
    hours = draw(st.floats(0, 40, allow_nan=False))
    target = draw(TARGETS)
    event: Event = draw(
        st.one_of(
            st.builds(finding, st.just(hours), VERDICTS, st.just(target), PATHS),
            st.builds(finding, st.just(hours), VERDICTS, st.just(target), PATHS),
            st.just(release(hours, "v2", "v1", target)),
            st.builds(facts, st.just(hours), st.just(target), fresh_labels=st.integers(0, 9000)),
            st.just(ev.PauseSet(Pause("fleet", "mara", "", T0, T0 + timedelta(hours=hours + 1)))),
            st.just(ev.PauseLifted("fleet", "mara")),
            st.just(ev.RunRequested("retrain", "fraud", {}, "mara")),
            st.just(ev.RunCancelled(RunId("R-0001"), "mara")),
            st.just(ev.ApprovalAnswered("A-0001", "given", "wrong", "eve")),
            st.just(ev.StepFinished(RunId("R-9999"), "s0", StepKey("R-9999/s0"), "done")),
        )
    )
    return [(T0 + timedelta(hours=hours), event)]


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    pieces = draw(st.lists(some_facts(), max_size=25))
    outcome = st.sampled_from([Outcome(), Outcome(error="boom"), Outcome(error="slow", retryable=True)])
    actions = {
        name: (draw(outcome), draw(outcome))
        for name in ("pipeline.train", "traffic.shift", "traffic.fallback")
    }
    return Script((*start(), *(fact for piece in pieces for fact in piece)), actions)


def played(script: Script) -> Simulation:
    return simulate(script, T0 + timedelta(hours=80))


@settings(max_examples=120, deadline=None)
@given(scripts())
def test_promises_hold(script: Script) -> None:
    result = played(script)
    assert rebuild(result.entries) == result.world
    times = [e.at for e in result.entries]
    assert times == sorted(times)
    world = World()
    for entry in result.entries:
        world = rebuild([entry], world)
        one_run_a_model(world)
        no_training_was_begun_on_broken_data(world, entry.event)


def one_run_a_model(world: World) -> None:
    busy = [r.model for r in world.runs.values() if r.state is RunState.RUNNING and r.model]
    assert len(busy) == len(set(busy))


def no_training_was_begun_on_broken_data(world: World, event: Event) -> None:
    if not isinstance(event, ev.RunStarted) or event.run.runbook.name != "retrain" or event.run.actor:
        return
    broken = [
        a
        for a in world.alarms.values()
        if a.target == event.run.model
        and a.path.startswith("data_quality/")
        and a.state in {"firing", "pending"}
    ]
    assert not broken


@settings(max_examples=60, deadline=None)
@given(scripts())
def test_each_effect_has_a_journal_line_before_and_one_after(script: Script) -> None:
    result = played(script)
    open_keys: set[StepKey] = set()
    for entry in result.entries:
        if isinstance(entry.event, ev.StepStarted):
            assert entry.event.key not in open_keys, "started twice without an end"
            open_keys.add(entry.event.key)
        elif isinstance(entry.event, ev.StepFinished):
            open_keys.discard(entry.event.key)
    ended = [r for r in result.world.runs.values() if r.state is not RunState.RUNNING]
    assert all(s.state is not StepState.RUNS for r in ended for s in r.steps)
