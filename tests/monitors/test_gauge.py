"""The alarm clock of one monitor kind: the promise, the level, who is blamed, and what is held."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from autoheal.monitors.budget import Budget
from autoheal.monitors.gauge import Gauge
from autoheal.stats.eprocess import log_e_batch

LOGS = st.lists(st.floats(-30, 30), min_size=3, max_size=3)


def bets(rows: float, events: float, p0: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    return (log_e_batch(p0, rows, events),) * 2


def test_the_evidence_is_that_of_the_worked_example():
    budget = Budget(share=0.01, notify=1e9, act=1e9)
    gauge = Gauge().step({"error": bets(200, 20)}, 0.5, budget).step({"error": bets(200, 40)}, 0.5, budget)
    assert math.exp(gauge.evidence("error")) == pytest.approx(6.65042477582)
    assert gauge.level("error") == ""


def test_levels_rise_and_are_held_until_well():
    budget, gauge = Budget(), Gauge()
    seen = []
    for _ in range(6):
        gauge = gauge.step({"error": bets(50, 12)}, 0.1, budget)
        seen.append(gauge.level("error"))
    assert seen == sorted(seen, key=["", "notify", "act"].index)
    assert {"notify", "act"} <= set(seen)
    went_off = gauge.evidence("error")
    assert went_off >= math.log(365)
    again = gauge.step({"error": bets(50, 50)}, 0.1, budget)
    assert (again.level("error"), again.evidence("error")) == ("act", went_off)
    after = gauge.step({"error": bets(50, 5)}, 0.1, budget, well=["error"])
    assert after.level("error") == ""
    assert after.evidence("error") < 0


def test_the_guilty_one_is_named_and_its_neighbours_are_not():
    gauge = Gauge()
    for _ in range(20):
        quiet = {f"f{n}": bets(50, 5) for n in range(30)}
        gauge = gauge.step(quiet | {"bad": bets(50, 15)}, 0.1, Budget())
    assert gauge.level("bad") == "act"
    assert not any(gauge.level(f"f{n}") for n in range(30))


def test_weak_signs_in_many_add_up():
    gauge = Gauge()
    for _ in range(25):
        gauge = gauge.step({f"f{n}": bets(50, 8) for n in range(40)}, 0.1, Budget())
    assert any(gauge.level(f"f{n}") == "act" for n in range(40))


@pytest.mark.parametrize("crowd", [1, 20])
def test_false_alarms_stay_within_the_promise(crowd: int):
    random = np.random.default_rng(11)
    budget, days, alarms = Budget(share=1.0, notify=5.0), 300, 0
    gauge = Gauge()
    for _ in range(days):
        events = random.binomial(50, 0.1, size=crowd)
        before = set(gauge.notify.held)
        gauge = gauge.step({f"f{n}": bets(50, k) for n, k in enumerate(events)}, 1.0, budget, well=before)
        alarms += bool(set(gauge.notify.held) - before)
    assert alarms <= days / 5.0


@given(st.lists(st.dictionaries(st.sampled_from("abc"), LOGS, max_size=3), max_size=12), st.floats(0, 10))
def test_any_evidence_keeps_it_sane_and_it_survives_json(steps: list[dict[str, list[float]]], days: float):
    adapter, gauge = TypeAdapter(Gauge), Gauge()
    for step in steps:
        gauge = gauge.step({s: (e, e) for s, e in step.items()}, days, Budget(share=0.5))
        assert adapter.validate_json(adapter.dump_json(gauge)) == gauge
        for track in (gauge.notify, gauge.act):
            assert not set(track.held) & set(track.log_r)
            assert all(math.isfinite(r) for logs in track.log_r.values() for r in logs)


@given(
    st.lists(st.tuples(LOGS, LOGS), min_size=1, max_size=20),
    st.sampled_from(["", "notify", "act"]),
    st.floats(0.001, 3),
)
def test_many_steps_at_once_are_the_same_steps(
    steps: list[tuple[list[float], list[float]]], held: str, days: float
):
    """With a held neighbour, with one that has no news, and over alarms."""
    budget, gauge = Budget(share=0.7), Gauge().step({"c": ([1.0] * 3, [1.0] * 3)}, 1.0, Budget())
    if held:
        sure = [30.0] * 3
        gauge = gauge.step({"a": (sure, sure if held == "act" else [0.0] * 3)}, 1.0, budget)
    one_by_one = gauge
    for a, b in steps:
        one_by_one = one_by_one.step({"a": (a, a), "b": (b, b)}, days, budget)
    at_once = gauge.run(
        {"a": np.array([a for a, _ in steps]), "b": np.array([b for _, b in steps])}, days, budget
    )
    for track, other in ((at_once.notify, one_by_one.notify), (at_once.act, one_by_one.act)):
        assert set(track.held) == set(other.held)
        assert track.days == pytest.approx(other.days)
        assert track.log_r.keys() == other.log_r.keys()
        for subject, logs in track.log_r.items():
            assert logs == pytest.approx(other.log_r[subject], abs=1e-6)


def test_what_is_no_evidence_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        Gauge().step({"a": ([math.nan] * 3, [0.0] * 3)}, 1.0, Budget())
    gauge = Gauge().step({"a": ([0.0] * 3, [0.0] * 3)}, 1.0, Budget())
    with pytest.raises(ValueError, match="a: 2 alternatives where 3 were before"):
        gauge.step({"a": ([0.0] * 2, [0.0] * 2)}, 1.0, Budget())


def test_the_evidence_of_many_is_that_of_each() -> None:
    gauge = Gauge()
    for n in range(6):
        said = {name: ([0.1 * n, size], [0.0, size]) for name, size in (("a", 0.2), ("b", 3.0), ("c", -1.0))}
        gauge = gauge.step(said, 1.0, Budget())
    names = ["c", "nobody", "b", "a"]
    assert "b" in gauge.notify.held
    assert gauge.evidences(names) == pytest.approx([gauge.evidence(name) for name in names])
