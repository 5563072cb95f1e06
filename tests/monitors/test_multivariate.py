"""multivariate: what no single feature shows, and everything that cannot be judged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from autoheal.domain.names import Task, Verdict
from autoheal.domain.specs import FeatureSpec, ModelSpec, MonitorSpec
from autoheal.monitors import dump_states, load_states
from autoheal.monitors.multivariate import MultivariateOptions
from autoheal.telemetry import build_reference, load_reference
from tests.monitors.conftest import Feed

FEATURES = (*(FeatureSpec(f"x{i}", "numeric") for i in range(6)), FeatureSpec("s", "categorical"))


def world(rng: np.random.Generator, n: int, shift: float = 0.0, rho: float = 0.8) -> list[dict[str, Any]]:
    """Six numbers, of which x0 and x1 go together, and a category."""
    x = rng.normal(shift, 1, (n, 6))
    x[:, 1] = rho * x[:, 0] + np.sqrt(1 - rho**2) * (x[:, 1] - shift) + shift * (1 - rho)
    s = rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1])
    return [
        {f"x{i}": float(v) for i, v in enumerate(row)} | {"s": str(c)} for row, c in zip(x, s, strict=True)
    ]


def feed_of(rng: np.random.Generator, rows: int = 20_000, **options: Any) -> Feed:
    spec = ModelSpec(
        "m", Task.REGRESSION, features=FEATURES, monitors=(MonitorSpec("multivariate", options),)
    )
    trained = world(rng, rows)
    columns = {f.name: [r[f.name] for r in trained] for f in FEATURES}
    feed = Feed(spec, load_reference(build_reference(FEATURES, columns)), step=15.0)
    feed.since = feed.now
    return feed


def live(feed: Feed, rng: np.random.Generator, n: int, **how: Any) -> None:
    feed.add(world(rng, n, **how), [0.0] * n, None)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(21)


def test_the_same_world_is_quiet(rng: np.random.Generator) -> None:
    feed = feed_of(rng)
    for _ in range(40):
        live(feed, rng, 200)
        found = feed.look()
        assert {f.verdict for f in found.values()} <= {Verdict.OK, Verdict.NOT_YET}
    assert found["multivariate/means"].verdict is Verdict.OK
    assert len(feed.states["multivariate"].healthy) == 30  # type: ignore[attr-defined]


def test_many_small_shifts_are_one_large_one(rng: np.random.Generator) -> None:
    feed = feed_of(rng)
    for _ in range(10):
        live(feed, rng, 250, shift=0.25)
        said = feed.look()["multivariate/means"]
    assert (said.verdict, said.level) == (Verdict.BREACH, "notify"), said.detail
    assert "the means together are 0.5" in said.detail
    assert said.effect == pytest.approx(0.5, abs=0.15)


def test_a_correlation_that_went_is_named_and_forgiven_when_it_is_back(rng: np.random.Generator) -> None:
    feed = feed_of(rng)
    live(feed, rng, 600)
    feed.look()
    for _ in range(12):
        live(feed, rng, 250, rho=0.0)
        feed.states = load_states(dump_states(feed.states))
        said = feed.look()["multivariate/pairs"]
    assert (said.verdict, said.level) == (Verdict.BREACH, "notify"), said
    assert "x0 with x1: mean product +0.8" in said.detail
    assert said.started_at is not None
    for _ in range(3):
        live(feed, rng, 250)
        said = feed.look()["multivariate/pairs"]
    assert said.verdict is Verdict.OK


def test_it_never_acts(rng: np.random.Generator) -> None:
    feed = feed_of(rng)
    live(feed, rng, 4000, shift=1.0)
    found = feed.look()
    assert found["multivariate/means"].level == "notify"


def test_what_cannot_be_judged(rng: np.random.Generator) -> None:
    feed = feed_of(rng, rows=700)
    assert "too few training rows" in feed.look()["multivariate/means"].detail
    feed = feed_of(rng, rows=4000)
    live(feed, rng, 1)
    assert "1 of 200 rows" in feed.look()["multivariate/means"].detail
    live(feed, rng, 600)
    assert "of 20 healthy windows" in feed.look()["multivariate/means"].detail
    assert feed.look(wait=86_400)["multivariate/pairs"].verdict is Verdict.NO_DATA
    feed = feed_of(rng)
    feed.spec = ModelSpec("m", Task.REGRESSION, features=FEATURES[1:], monitors=feed.spec.monitors)
    feed.__post_init__()
    live(feed, rng, 300)
    said = feed.look()["multivariate/means"]
    assert (said.verdict, "x0" in said.detail) == (Verdict.ERROR, True)


def test_broken_inputs_are_anothers_business(rng: np.random.Generator) -> None:
    feed = feed_of(rng)
    rows = [row | {"x3": None} for row in world(rng, 600)]
    feed.add(rows, [0.0] * 600, None)
    assert "0 of 200 rows with sound inputs" in feed.look()["multivariate/means"].detail


cell = st.one_of(
    st.none(), st.floats(allow_nan=True, allow_infinity=True), st.integers(), st.text(max_size=3)
)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(cell, cell), min_size=1, max_size=8), st.permutations(range(4)))
def test_any_cells_and_any_order_of_time_have_a_stated_outcome(cells: list[Any], order: list[int]) -> None:
    rng = np.random.default_rng(2)
    feed = feed_of(rng, rows=9000)
    for part in order:
        rows = world(rng, 150)
        feed.now += 86_400.0 * (part - 2)
        feed.add(
            [
                row | {"x2": cells[i % len(cells)][0], "s": cells[i % len(cells)][1]}
                for i, row in enumerate(rows)
            ],
            [0.0] * 150,
            None,
        )
        found = feed.look()
        assert found["multivariate/monitor"].verdict is Verdict.OK, found["multivariate/monitor"].detail
    assert dump_states(load_states(dump_states(feed.states))) == dump_states(feed.states)


@pytest.mark.parametrize("value", [7.0, 1e308])
def test_constants(rng: np.random.Generator, value: float) -> None:
    feed = feed_of(rng)
    feed.add([dict.fromkeys([f"x{i}" for i in range(6)], value) | {"s": "a"}] * 300, [0.0] * 300, None)
    assert feed.look()["multivariate/monitor"].verdict is Verdict.OK


def test_among_rows_that_resemble_each_other_a_breach_ends_with_its_cause() -> None:
    """Slow waves: healthy windows are far from the training mean too, so the distance alone never ends it."""
    rng = np.random.default_rng(8)

    def waves(n: int, shift: float = 0.0) -> list[dict[str, Any]]:
        x = lfilter([1.0], [1.0, -0.99], rng.normal(0, 0.14, (n + 500, 6)), axis=0)[500:] + shift
        return [{f"x{i}": float(v) for i, v in enumerate(row)} | {"s": "a"} for row in x]

    trained = waves(40_000)
    columns = {f.name: [r[f.name] for r in trained] for f in FEATURES}
    spec = ModelSpec("m", Task.REGRESSION, features=FEATURES, monitors=(MonitorSpec("multivariate"),))
    feed = Feed(spec, load_reference(build_reference(FEATURES, columns)), step=60.0)

    def lived(rows: list[dict[str, Any]]) -> list[Any]:
        said = []
        for start in range(0, len(rows), 200):
            part = rows[start : start + 200]
            feed.add(part, [0.0] * len(part), None)
            said.append(feed.look()["multivariate/means"])
        return said

    lived(waves(4_000))
    sick = lived(waves(6_000, shift=2.5))
    assert sick[-1].verdict is Verdict.BREACH
    well = lived(waves(6_000))
    assert np.median([f.effect for f in well]) > MultivariateOptions().min_shift
    assert [f.verdict for f in well[10:]] == [Verdict.OK] * 20
