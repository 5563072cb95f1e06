"""slices: trouble confined to a corner is found there, and twenty corners do not cry wolf twenty times as often."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from autoheal.domain.finding import Finding
from autoheal.domain.names import ModelName, Task, Verdict, Version
from autoheal.domain.specs import FeatureSpec, ModelSpec, MonitorSpec, SliceSpec
from autoheal.monitors.budget import Budget
from autoheal.monitors.contract import from_unix
from autoheal.monitors.evaluate import dump_states, evaluate, load_states
from autoheal.monitors.reference import Reference, SlicePart
from autoheal.monitors.rows import Column, Rows
from autoheal.monitors.view import View
from autoheal.telemetry import build_performance, build_reference, load_reference

REGIONS = tuple(f"r{i:02d}" for i in range(17))
FEATURES = (FeatureSpec("region", "categorical"), FeatureSpec("age", "numeric"), FeatureSpec("x", "numeric"))
SLICES = (SliceSpec("region", most=17), SliceSpec("age", bins=(25.0, 45.0)))
SPEC = ModelSpec(
    ModelName("m"), Task.CLASSIFICATION, features=FEATURES, slices=SLICES, monitors=(MonitorSpec("slices"),)
)
STEP = 30.0


@dataclass
class World:
    """One model's rows as arrays; ``wrong`` and ``shift`` say what is the matter, and where."""

    rng: np.random.Generator
    spec: ModelSpec = SPEC
    start: float = 1.7e9
    budget: Budget = field(default_factory=Budget)
    states: dict[str, Any] = field(default_factory=dict)
    parts: list[dict[str, Any]] = field(default_factory=list)
    reference: Reference | None = None
    #: Error rate by region where it is not 10 %.
    wrong: dict[str, float] = field(default_factory=dict)
    #: By how much x is moved in a region.
    shift: dict[str, float] = field(default_factory=dict)

    def draw(self, n: int) -> dict[str, Any]:
        region = self.rng.integers(0, len(REGIONS), n)
        rate = np.array([self.wrong.get(r, 0.1) for r in REGIONS])[region]
        moved = np.array([self.shift.get(r, 0.0) for r in REGIONS])[region]
        truth = self.rng.integers(0, 2, n)
        said = np.where(self.rng.random(n) < rate, 1 - truth, truth)
        if self.spec.task is Task.REGRESSION:
            said = truth + rate * self.rng.normal(size=n)
        return {
            "region": region,
            "age": self.rng.uniform(15, 70, n),
            "x": self.rng.normal(0, 1, n) + moved,
            "truth": truth,
            "said": said,
        }

    def learn(self, rows: int = 8_000, slices: Sequence[SliceSpec] | None = None) -> Reference:
        """A reference of rows as they now are, half of them held out."""
        slices = self.spec.slices if slices is None else slices
        made, held = self.draw(rows), self.draw(rows)
        columns, held_columns = (
            {
                "region": [REGIONS[i] for i in one["region"]],
                "age": one["age"].tolist(),
                "x": one["x"].tolist(),
            }
            for one in (made, held)
        )
        performance = build_performance(
            self.spec.task, held["truth"].tolist(), held["said"].tolist(), slices=slices, columns=held_columns
        )
        self.reference = load_reference(build_reference(FEATURES, columns, performance, slices=slices))
        return self.reference

    def add(self, n: int) -> None:
        self.parts.append(self.draw(n))

    def view(self) -> View:
        whole = {name: np.concatenate([p[name] for p in self.parts])[-20_000:] for name in self.parts[0]}
        count, n = sum(len(p["x"]) for p in self.parts), len(whole["x"])
        time = self.start + STEP * np.arange(count - n, count)
        no, ok = np.zeros(n, np.bool_), np.zeros(n, np.uint8)
        features = {
            "region": Column("categorical", whole["region"].astype(np.int32), ok, REGIONS),
            "age": Column("numeric", whole["age"], ok),
            "x": Column("numeric", whole["x"], ok),
        }
        rows = Rows(
            time, time, np.zeros(n, np.int32), ("v1",), no, no, whole["said"].astype(float), np.full(n, np.nan),
            np.full(n, np.nan), whole["truth"].astype(float), time, ("0", "1"), features,
        )  # fmt: skip
        return View(self.spec, Version("v1"), -np.inf, self.reference, float(time[-1]), rows)

    def look(self) -> dict[str, Finding]:
        view = self.view()
        self.states, found = evaluate(
            self.spec, self.states, view, from_unix(view.as_of), budgets={"slices": self.budget}
        )
        return {f.subject: f for f in found}


@pytest.fixture(scope="module")
def healthy() -> Reference:
    return World(np.random.default_rng(1)).learn()


@pytest.fixture
def world(healthy: Reference) -> World:
    return World(np.random.default_rng(7), reference=healthy)


def breaches(found: dict[str, Finding]) -> set[str]:
    return {s for s, f in found.items() if f.verdict is Verdict.BREACH}


def test_a_slice_that_fell_is_found_by_its_name_while_the_whole_hardly_moves(world: World) -> None:
    world.add(8_000)
    assert breaches(world.look()) == set()
    world.wrong = {"r03": 0.35}
    found: dict[str, Finding] = {}
    for _ in range(20):
        world.add(500)
        found = world.look()
    assert breaches(found) == {"region=r03:accuracy"}
    said = found["region=r03:accuracy"]
    assert said.level == "act"
    assert said.value is not None
    assert said.reference is not None
    assert said.reference - said.value == pytest.approx(0.25, abs=0.06)
    assert said.started_at is not None
    began = (said.started_at.timestamp() - world.start) / STEP
    assert 7_000 < began < 9_500
    assert re.search(r"0\.2\d? worse than the rest of the model \(0\.9", said.detail)


def test_it_recovers_and_starts_from_nothing(world: World) -> None:
    world.wrong = {"r03": 0.4}
    world.add(9_000)
    assert breaches(world.look()) == {"region=r03:accuracy"}
    world.states = load_states(dump_states(world.states))
    assert breaches(world.look()) == {"region=r03:accuracy"}
    world.wrong = {}
    world.add(9_000)
    assert breaches(world.look()) == set()
    world.add(500)
    found = world.look()["region=r03:accuracy"]
    assert (found.verdict, found.level) == (Verdict.OK, "")


def test_inputs_that_move_within_one_slice_are_found_there(world: World) -> None:
    world.add(8_000)
    assert breaches(world.look()) == set()
    world.shift = {"r05": 1.5}
    for _ in range(10):
        world.add(1_000)
        found = world.look()
    assert breaches(found) == {"region=r05:drift"}
    said = found["region=r05:drift"]
    assert said.level == "act"
    assert said.detail.startswith("region=r05: PSI of x ")


def test_numbers_that_are_further_off_in_one_slice_are_found_there() -> None:
    world = World(np.random.default_rng(4), spec=replace(SPEC, task=Task.REGRESSION))
    world.learn()
    world.add(8_000)
    assert breaches(world.look()) == set()
    world.wrong = {"r04": 0.25}
    for _ in range(10):
        world.add(1_000)
        found = world.look()
    assert breaches(found) == {"region=r04:mae"}
    assert "worse than the rest of the model" in found["region=r04:mae"].detail


def test_a_slice_that_always_was_harder_raises_nothing() -> None:
    world = World(np.random.default_rng(3), wrong={"r01": 0.4}, shift={"r02": 2.0})
    world.learn()
    for _ in range(8):
        world.add(1_500)
        assert breaches(world.look()) == set()


def test_what_is_the_matter_everywhere_says_so(world: World) -> None:
    world.wrong = dict.fromkeys(REGIONS, 0.35)
    world.add(10_000)
    found = world.look()
    assert "region=r01:accuracy" in breaches(found)
    gap = re.search(r"([\d.e-]+) (worse|better) than the rest", found["region=r01:accuracy"].detail)
    assert gap
    assert float(gap[1]) < 0.1


@pytest.mark.parametrize(
    ("reference", "subject", "words"),
    [
        ("none", "region", "has no reference by region"),
        ("plain", "region", "has no reference by region"),
        ("other bins", "age", "was cut otherwise by age"),
        ("few", "region=r00:accuracy", "too few held-out rows"),
        ("few", "region=r00:drift", "too few training rows"),
    ],
)
def test_what_cannot_be_judged_is_not_yet_judged(
    world: World, reference: str, subject: str, words: str
) -> None:
    world.add(1_000)
    if reference == "none":
        world.reference = None
    elif reference == "few":
        world.learn(400)
    else:
        world.learn(3_000, () if reference == "plain" else (SLICES[0], SliceSpec("age", bins=(30.0,))))
    found = world.look()[subject]
    assert found.verdict is Verdict.NOT_YET
    assert words in found.detail


@pytest.mark.parametrize(("slices", "verdict"), [(SLICES[1:], Verdict.OK), (SLICES, Verdict.NOT_YET)])
def test_an_alarm_about_a_slice_that_is_gone_ends_and_one_that_cannot_be_judged_stays(
    world: World, slices: tuple[SliceSpec, ...], verdict: Verdict
) -> None:
    world.wrong = {"r03": 0.4}
    world.add(9_000)
    assert breaches(world.look()) == {"region=r03:accuracy"}
    world.spec = replace(SPEC, slices=slices)
    world.learn(3_000, SLICES[1:])
    assert world.look()["region=r03:accuracy"].verdict is verdict
    assert "region=r03:accuracy" not in world.look()


def test_few_rows_are_not_yet_enough_and_silence_is_no_data(world: World) -> None:
    world.add(300)
    found = world.look()
    assert "of 100 labelled rows" in found["region=r01:accuracy"].detail
    assert found["age>45:drift"].verdict is Verdict.OK
    assert "age=<missing>:accuracy" not in found
    view = replace(world.view(), as_of=world.start + 1e6)
    _, late = evaluate(SPEC, {}, view, from_unix(view.as_of))
    assert {f.verdict for f in late if f.subject != "monitor"} == {Verdict.NO_DATA}


def test_a_model_without_slices_or_with_others_than_before_is_no_error(world: World) -> None:
    world.add(3_000)
    world.look()
    world.spec = replace(SPEC, slices=SLICES[1:])
    found = world.look()
    assert {s.split(":")[0] for s in found} == {"age<=25", "25<age<=45", "age>45", "monitor"}
    state = world.states["slices"]
    assert all(name.startswith(("age", "25")) for name in state.inputs.gauge.notify.log_r)
    world.spec = replace(SPEC, slices=())
    assert world.look()["slices"].verdict is Verdict.NOT_YET


def test_a_fleet_of_healthy_models_with_twenty_slices_keeps_the_budget() -> None:
    """Hundreds of model-days with references of their own: not one finding."""
    models = 20
    budget = Budget(share=1 / models, notify=1.0, act=1.0)
    for seed in range(models):
        world = World(np.random.default_rng(100 + seed), budget=budget)
        world.learn(3_000)
        for _ in range(3):
            world.add(9_600)
            assert breaches(world.look()) == set()


@pytest.mark.parametrize(("rate", "models", "least", "most"), [(0.1, 40, 0, 20), (0.16, 5, 5, 50)])
def test_slices_at_their_ceilings_alarm_no_more_than_the_budget_says(
    healthy: Reference, rate: float, models: int, least: int, most: int
) -> None:
    """The worst that passes for healthy, in all slices of forty models, ten days, at one alarm in half a day; and
    five models a little worse, to show that the count counts."""
    exact = {
        feature: replace(known, parts={name: _surely(part, 0.1) for name, part in known.parts.items()})
        for feature, known in healthy.slices.items()
    }
    spec = replace(SPEC, monitors=(MonitorSpec("slices", {"tolerance": 0.0, "drift": False}),))
    alarms = 0
    for seed in range(models):
        world = World(np.random.default_rng(100 + seed), spec=spec, reference=replace(healthy, slices=exact))
        world.budget, world.wrong = Budget(1 / models, 0.5, 365.0), dict.fromkeys(REGIONS, rate)
        held: set[str] = set()
        for _ in range(5):
            world.add(5_760)
            world.look()
            now = set(world.states["slices"].losses.gauge.notify.held)
            alarms += bool(now - held)
            held = now
    assert least <= alarms <= most


def _surely(part: SlicePart, mean: float) -> SlicePart:
    """With a baseline that hardly errs."""
    return replace(part, loss=part.loss and replace(part.loss, mean=mean, n=10**8))
