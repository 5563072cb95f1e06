"""score_drift: answers that move, why they moved, and everything that cannot be judged."""

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


def answer(rng: np.random.Generator, n: int, share: float) -> tuple[list[int], list[float], list[int]]:
    """Decisions, scores and truths of a calibrated model; ``share`` of the rows are positive."""
    truth = (rng.random(n) < share).astype(int)
    score = np.where(truth == 1, rng.beta(5, 2, n), rng.beta(2, 5, n))
    return (score > 0.5).astype(int).tolist(), score.tolist(), truth.tolist()


def feed_of(rng: np.random.Generator, held: int = 4000, share: float = 0.3, **options: Any) -> Feed:
    spec = spec_of(Task.CLASSIFICATION, {"score_drift": options})
    rows = inputs(rng, 1000)
    columns = {f.name: [r[f.name] for r in rows] for f in spec.features}
    said, scores, truth = answer(rng, held, share)
    quality = build_performance(Task.CLASSIFICATION, truth, said, scores)
    feed = Feed(spec, load_reference(build_reference(spec.features, columns, quality)), step=60.0)
    feed.since = feed.now
    return feed


def live(feed: Feed, rng: np.random.Generator, n: int, share: float = 0.3, **rest: Any) -> None:
    said, scores, _ = answer(rng, n, share)
    feed.add(inputs(rng, n), said, None, scores=rest.pop("scores", scores), **rest)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def test_the_same_world_is_quiet(rng: np.random.Generator) -> None:
    feed = feed_of(rng)
    for _ in range(20):
        live(feed, rng, 250)
        found = feed.look()
        assert found["score_drift/class"].verdict is not Verdict.BREACH
        assert found["score_drift/score"].verdict is not Verdict.BREACH
    assert found["score_drift/score"].value < 0.1
    assert found["score_drift/monitor"].verdict is Verdict.OK


def sessions(rng: np.random.Generator, n: int) -> tuple[list[int], list[float], list[int]]:
    """Answers that resemble their neighbours: in sessions of 25 rows all scores are near each other."""
    mood = np.repeat(rng.normal(0.0, 1.5, -(-n // 25)), 25)[:n]
    score = 1 / (1 + np.exp(-(mood - 0.5 + rng.normal(0.0, 0.3, n))))
    return (score > 0.5).astype(int).tolist(), score.tolist(), (rng.random(n) < score).astype(int).tolist()


@pytest.mark.parametrize("seed", range(4))
def test_answers_that_come_in_sessions_are_quiet(seed: int) -> None:
    """Rows of one session say little more than one row: taken for independent they would drift all the time."""
    rng = np.random.default_rng(seed)
    feed = feed_of(rng)
    columns = {f.name: [r[f.name] for r in inputs(rng, 1000)] for f in feed.spec.features}
    said, scores, truth = sessions(rng, 8000)
    quality = build_performance(Task.CLASSIFICATION, truth, said, scores)
    feed.reference = load_reference(build_reference(feed.spec.features, columns, quality))
    for _ in range(20):
        said, scores, _ = sessions(rng, 250)
        feed.add(inputs(rng, 250), said, None, scores=scores)
        found = feed.look()
        assert not found["score_drift/class"].level
        assert not found["score_drift/score"].level


def test_more_positives_are_found_and_explained(rng: np.random.Generator) -> None:
    feed = feed_of(rng)
    live(feed, rng, 600)
    feed.look()
    for _ in range(6):
        live(feed, rng, 250, share=0.6)
        feed.states = load_states(dump_states(feed.states))
        found = feed.look()
    for subject in ("class", "score"):
        said = found[f"score_drift/{subject}"]
        assert (said.verdict, said.severity, said.level) == (Verdict.BREACH, Severity.CRITICAL, "act"), said
        assert "label shift explains it: P(" in said.detail
        assert said.started_at is not None
    for _ in range(4):
        live(feed, rng, 250)
        found = feed.look()
    assert {found[f"score_drift/{s}"].verdict for s in ("class", "score")} == {Verdict.OK}


def test_scores_that_lost_their_spread_are_no_label_shift(rng: np.random.Generator) -> None:
    feed = feed_of(rng)
    for _ in range(4):
        live(feed, rng, 250, scores=rng.beta(30, 30, 250).tolist())
        found = feed.look()
    assert found["score_drift/score"].verdict is Verdict.BREACH
    assert "label shift does not explain it" in found["score_drift/score"].detail


def test_numbers(rng: np.random.Generator) -> None:
    spec = spec_of(Task.REGRESSION, {"score_drift": {}})
    predicted = rng.gamma(3, 10, 3000)
    quality = build_performance(Task.REGRESSION, predicted + rng.normal(0, 1, 3000), predicted)
    columns = {"x": [1.0, 2.0], "y": [1.0, 2.0], "s": ["a", "b"]}
    feed = Feed(spec, load_reference(build_reference(spec.features, columns, quality)), step=60.0)
    feed.since = feed.now
    for scale, want in ((10, Verdict.OK), (16, Verdict.BREACH)):
        for _ in range(4):
            feed.add(inputs(rng, 250), rng.gamma(3, scale, 250).tolist(), None)
            said = feed.look()["score_drift/prediction"]
        assert said.verdict is want, said.detail


def test_each_row_is_evidence_once(rng: np.random.Generator) -> None:
    feed = feed_of(rng)
    live(feed, rng, 400, share=0.5)
    feed.look()
    before = feed.states
    for _ in range(50):
        feed.look(wait=1)
    assert feed.states == before


def test_what_cannot_be_judged(rng: np.random.Generator) -> None:
    feed = feed_of(rng, held=150)
    live(feed, rng, 300)
    assert "150 of 200 held-out rows" in feed.look()["score_drift/score"].detail
    feed = feed_of(rng)
    assert {f.verdict for p, f in feed.look().items() if "monitor" not in p} == {Verdict.NOT_YET}
    live(feed, rng, 1)
    assert "1 of 200 rows" in feed.look()["score_drift/class"].detail
    live(feed, rng, 600, scores=[float("nan")] * 600)
    found = feed.look()
    assert found["score_drift/score"].verdict is Verdict.NO_DATA
    assert found["score_drift/class"].verdict is Verdict.OK
    assert feed.look(wait=86_400)["score_drift/class"].verdict is Verdict.NO_DATA
    feed.reference = None
    assert "no answers to held-out rows" in feed.look()["score_drift/class"].detail


def test_a_class_that_was_never_predicted(rng: np.random.Generator) -> None:
    feed = feed_of(rng)
    for _ in range(4):
        feed.add(inputs(rng, 250), ["2"] * 100 + [0] * 150, None, scores=rng.random(250).tolist())
        said = feed.look()["score_drift/class"]
    assert (said.verdict, said.severity) == (Verdict.BREACH, Severity.CRITICAL)
    assert "<other> 0% -> 40%" in said.detail


def test_a_new_version_starts_anew(rng: np.random.Generator) -> None:
    feed = feed_of(rng)
    for _ in range(4):
        live(feed, rng, 250, share=0.6)
        feed.look()
    feed.champion, feed.since = "v2", feed.now + 1
    assert feed.look()["score_drift/class"].verdict is Verdict.NOT_YET
    live(feed, rng, 600)
    assert feed.look()["score_drift/class"].verdict is Verdict.OK


odd = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, 1.0, 0.5, -1e300, 1e300])
)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(odd, min_size=1, max_size=30),
    st.lists(st.sampled_from(["0", "1", "new", ""]), min_size=1, max_size=4),
)
def test_any_answers_have_a_stated_outcome(scores: list[float], classes: list[str]) -> None:
    rng = np.random.default_rng(1)
    feed = feed_of(rng, held=400)
    n = 260
    feed.add(
        inputs(rng, n),
        [classes[i % len(classes)] for i in range(n)],
        None,
        scores=[scores[i % len(scores)] for i in range(n)],
    )
    found = feed.look()
    assert found["score_drift/monitor"].verdict is Verdict.OK, found["score_drift/monitor"].detail
    assert dump_states(load_states(dump_states(feed.states))) == dump_states(feed.states)
