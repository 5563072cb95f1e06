"""estimated_performance: right where it can be, hidden where it lies, silent where it is blind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoheal.domain.names import Severity, Task, Verdict
from autoheal.monitors import dump_states, load_states
from autoheal.telemetry import build_performance, build_reference, load_reference
from tests.monitors.conftest import Feed, inputs, spec_of

COLUMNS = {"x": [1.0, 2.0], "y": [1.0, 2.0], "s": ["a", "b"]}


def answers(
    rng: np.random.Generator, n: int, spread: float = 2.0, bend: float = 1.0, concept: float = 0.0
) -> tuple[list[int], list[float], list[int]]:
    """Decisions, scores, truths. ``spread``: how far the inputs lie from the border; ``bend``: how over-confident the
    scores are; ``concept``: how far the truth has moved from what was learned."""
    x = rng.normal(0, spread, n)
    truth = (rng.random(n) < 1 / (1 + np.exp(-(x - concept)))).astype(int)
    score = 1 / (1 + np.exp(-bend * x))
    return (score > 0.5).astype(int).tolist(), score.tolist(), truth.tolist()


def feed_of(rng: np.random.Generator, held: int = 5000, bend: float = 1.0, **options: Any) -> Feed:
    spec = spec_of(Task.CLASSIFICATION, {"estimated_performance": options})
    said, scores, truth = answers(rng, held, bend=bend)
    quality = build_performance(Task.CLASSIFICATION, truth, said, scores)
    feed = Feed(spec, load_reference(build_reference(spec.features, COLUMNS, quality)), step=60.0)
    feed.since = feed.now
    return feed


def live(feed: Feed, rng: np.random.Generator, n: int, labels: bool = False, **how: Any) -> float:
    """Rows of life; how accurate they really are."""
    said, scores, truth = answers(rng, n, **how)
    feed.add(inputs(rng, n), said, truth if labels else None, scores=scores)
    return float(np.mean(np.array(said) == np.array(truth)))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(31)


def test_the_same_world_is_estimated_well(rng: np.random.Generator) -> None:
    feed = feed_of(rng)
    for _ in range(20):
        true = live(feed, rng, 500)
        said = feed.look()["estimated_performance/accuracy"]
        assert said.verdict is Verdict.OK
        assert said.value == pytest.approx(true, abs=0.07)
    assert "without labels" in said.detail


@pytest.mark.parametrize("bend", [1.0, 2.0])
def test_harder_inputs_are_noticed_also_by_over_confident_scores(
    rng: np.random.Generator, bend: float
) -> None:
    feed = feed_of(rng, bend=bend)
    live(feed, rng, 500, bend=bend)
    feed.look()
    for _ in range(8):
        true = live(feed, rng, 500, bend=bend, spread=0.7)
        feed.states = load_states(dump_states(feed.states))
        found = feed.look()
    for metric in ("accuracy", "f1"):
        said = found[f"estimated_performance/{metric}"]
        assert (said.verdict, said.severity, said.level) == (Verdict.BREACH, Severity.WARNING, "notify")
        assert said.started_at is not None
    assert found["estimated_performance/accuracy"].value == pytest.approx(true, abs=0.06)
    for _ in range(3):
        live(feed, rng, 500, bend=bend)
        said = feed.look()["estimated_performance/accuracy"]
    assert said.verdict is Verdict.OK


def test_it_never_acts(rng: np.random.Generator) -> None:
    feed = feed_of(rng)
    for _ in range(30):
        live(feed, rng, 500, spread=0.1)
        said = feed.look()["estimated_performance/accuracy"]
    assert (said.verdict, said.level) == (Verdict.BREACH, "notify")


def test_blind_to_concept_drift_until_labels_disagree_three_times(rng: np.random.Generator) -> None:
    feed = feed_of(rng)
    for cohort in range(1, 4):
        live(feed, rng, 500, labels=True, concept=3.0)
        said = feed.look()["estimated_performance/accuracy"]
        assert said.verdict is (Verdict.OK if cohort < 3 else Verdict.NOT_YET)
    assert "hidden: the labels disagreed in 3 of the last 3 cohorts" in said.detail
    for _ in range(5):
        live(feed, rng, 500, labels=True)
        said = feed.look()["estimated_performance/accuracy"]
    assert said.verdict is Verdict.OK, "it is right again"


def test_a_healthy_estimate_is_not_called_a_liar(rng: np.random.Generator) -> None:
    feed = feed_of(rng)
    live(feed, rng, 10_000, labels=True)
    assert feed.look()["estimated_performance/accuracy"].verdict is Verdict.OK


def test_numbers_whose_size_says_how_far_off_they_are(rng: np.random.Generator) -> None:
    spec = spec_of(Task.REGRESSION, {"estimated_performance": {}})
    predicted = rng.gamma(2, 10, 5000)
    quality = build_performance(Task.REGRESSION, predicted * (1 + rng.normal(0, 0.2, 5000)), predicted)
    feed = Feed(spec, load_reference(build_reference(spec.features, COLUMNS, quality)), step=60.0)
    feed.since = feed.now
    for shape, want in ((2, Verdict.OK), (5, Verdict.BREACH)):
        for _ in range(6):
            said = np.minimum(rng.gamma(shape, 10, 300), predicted.max())
            feed.add(inputs(rng, 300), said.tolist(), None)
            found = feed.look()["estimated_performance/mae"]
        assert found.verdict is want, found.detail
        assert found.value == pytest.approx(0.8 * 0.2 * 10 * shape, rel=0.15)
    feed.add(inputs(rng, 600), [1e6] * 600, None)
    assert "100% of the newest rows are beyond" in feed.look()["estimated_performance/mae"].detail


def test_what_cannot_be_estimated(rng: np.random.Generator) -> None:
    assert "100 of 300 held-out rows" in feed_of(rng, held=100).look()["estimated_performance/f1"].detail
    spec = spec_of(Task.CLASSIFICATION, {"estimated_performance": {}})
    said, _, truth = answers(rng, 400)
    bad = load_reference(
        build_reference(spec.features, COLUMNS, build_performance(Task.CLASSIFICATION, truth, said))
    )
    assert "no scores of two classes" in Feed(spec, bad).look()["estimated_performance/accuracy"].detail
    # Scores that depend on the half of the rows: what one half learns is wrong for the other.
    odd = (np.arange(400) % 2 ^ np.array(truth) ^ (rng.random(400) < 0.1)).astype(float)
    quality = build_performance(Task.CLASSIFICATION, truth, said, odd.tolist())
    bad = load_reference(build_reference(spec.features, COLUMNS, quality))
    assert "cannot be calibrated" in Feed(spec, bad).look()["estimated_performance/accuracy"].detail
    feed = feed_of(rng)
    assert "0 of 200 rows" in feed.look()["estimated_performance/accuracy"].detail
    feed.add(inputs(rng, 300), [1] * 300, None)
    assert "100% of the newest rows have no score" in feed.look()["estimated_performance/accuracy"].detail
    assert feed.look(wait=86_400)["estimated_performance/accuracy"].verdict is Verdict.NO_DATA
    feed.reference = None
    assert "no reference" in feed.look()["estimated_performance/accuracy"].detail


value = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.floats(0, 1))


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from([Task.CLASSIFICATION, Task.REGRESSION]),
    st.lists(value, min_size=1, max_size=10),
    st.lists(st.sampled_from([0, 1, 2, 5e9]), min_size=1, max_size=3),
    st.integers(-2, 2),
)
def test_any_answers_have_a_stated_outcome(
    task: Task, scores: list[float], said: list[float], days: int
) -> None:
    rng = np.random.default_rng(3)
    spec = spec_of(task, {"estimated_performance": {}})
    predictions, held, truth = answers(rng, 600)
    if task is Task.REGRESSION:
        predictions, truth = rng.normal(size=600).tolist(), rng.normal(size=600).tolist()
    quality = build_performance(task, truth, predictions, held)
    feed = Feed(spec, load_reference(build_reference(spec.features, COLUMNS, quality)), step=60.0)
    for _ in range(2):
        n = 600
        rows = [scores[i % len(scores)] for i in range(n)]
        feed.add(inputs(rng, n), [said[i % len(said)] for i in range(n)], [said[0]] * n, scores=rows)
        found = feed.look()
        assert found["estimated_performance/monitor"].verdict is Verdict.OK, found[
            "estimated_performance/monitor"
        ].detail
        feed.now += 86_400 * days
    assert dump_states(load_states(dump_states(feed.states))) == dump_states(feed.states)


@pytest.mark.parametrize("seed", range(6))
def test_a_jump_of_the_chances_at_the_threshold_is_no_drop(seed: int) -> None:
    """No curve through held-out rows follows such a jump; what it is off by there it is off by on every healthy row."""
    rng = np.random.default_rng(seed)
    spec = spec_of(Task.CLASSIFICATION, {"estimated_performance": {}})

    def jumping(n: int) -> tuple[list[int], list[float], list[int]]:
        truth = rng.integers(0, 2, n)
        score = np.clip(rng.beta(2, 2, n) / 2 + 0.375 * truth, 0.01, 0.99)
        return (score > 0.5).astype(int).tolist(), score.tolist(), truth.tolist()

    said, scores, truth = jumping(1_000)
    quality = build_performance(Task.CLASSIFICATION, truth, said, scores)
    feed = Feed(spec, load_reference(build_reference(spec.features, COLUMNS, quality)), step=60.0)
    for _ in range(120):
        said, scores, _ = jumping(60)
        feed.add(inputs(rng, 60), said, None, scores=scores)
        found = feed.look()["estimated_performance/accuracy"]
        assert found.verdict in {Verdict.OK, Verdict.NOT_YET}
    assert found.verdict is Verdict.OK
    assert found.value == pytest.approx(quality["performance"]["accuracy"]["value"], abs=0.03)


@pytest.mark.parametrize("seed", range(4))
def test_f1_of_a_few_positives_is_anywhere_and_no_drop(seed: int) -> None:
    """One row in a hundred is positive: a handful of expected errors moves F1 by its whole range."""
    rng = np.random.default_rng(seed)
    spec = spec_of(Task.CLASSIFICATION, {"estimated_performance": {}})

    def rare(n: int) -> tuple[list[int], list[float], list[int]]:
        truth = (rng.random(n) < 0.01).astype(int)
        said = rng.random(n) < 0.005 + 0.6 * truth
        return said.astype(int).tolist(), (rng.beta(1, 30, n) * 0.6 + 0.4 * truth).tolist(), truth.tolist()

    said, scores, truth = rare(1_000)
    quality = build_performance(Task.CLASSIFICATION, truth, said, scores)
    feed = Feed(spec, load_reference(build_reference(spec.features, COLUMNS, quality)), step=60.0)
    for _ in range(96):
        said, scores, _ = rare(60)
        feed.add(inputs(rng, 60), said, None, scores=scores)
        assert [f.detail for f in feed.look().values() if f.verdict is Verdict.BREACH] == []
