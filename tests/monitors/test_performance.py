"""performance: effect and evidence, the champion's own matured rows only, and when it must stay silent."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from autoheal.domain.names import Severity, Task, Verdict
from autoheal.telemetry import build_performance, build_reference, load_reference
from tests.monitors.conftest import Feed, inputs, spec_of

TASKS = [Task.CLASSIFICATION, Task.REGRESSION]
MAIN = {Task.CLASSIFICATION: "performance/accuracy", Task.REGRESSION: "performance/mae"}


@pytest.mark.parametrize("task", TASKS)
def test_healthy_is_ok_and_much_worse_is_critical_with_its_start(build: Any, task: Task) -> None:
    feed = build.feed("performance", task=task)
    build.live(feed, 600)
    said = feed.look()[MAIN[task]]
    assert (said.verdict, said.severity, said.n) == (Verdict.OK, Severity.NONE, 500)
    broke = feed.now
    build.live(feed, 300, quality=0.4)
    said = feed.look()[MAIN[task]]
    assert (said.verdict, said.severity) == (Verdict.BREACH, Severity.CRITICAL)
    assert said.evidence is not None
    assert said.evidence > np.log(1000)
    assert said.started_at is not None
    assert abs(said.started_at.timestamp() - broke) < 30 * feed.step
    assert "at training" in said.detail
    assert re.search(r"; began 20\d\d-\d\d-\d\d \d\d:\d\d to ", said.detail)
    began = said.started_at
    build.live(feed, 100, quality=0.4)
    assert feed.look()[MAIN[task]].started_at == began, "the start does not wander while the breach lasts"
    build.live(feed, 500)
    assert feed.look()[MAIN[task]].verdict is Verdict.OK


def test_a_small_drop_is_no_breach_however_sure(build: Any) -> None:
    feed = build.feed("performance", window={"rows": 10_000})
    build.live(feed, 10_000, quality=0.13)
    said = feed.look()["performance/accuracy"]
    assert said.verdict is Verdict.OK
    assert said.evidence > np.log(14)


def test_a_large_drop_on_few_rows_is_no_breach_yet(build: Any) -> None:
    feed = build.feed("performance", min_rows=20)
    said, true = [1] * 20, [1] * 16 + [0] * 4
    feed.add(build.inputs(build.rng, 20), said, true)
    found = feed.look()["performance/accuracy"]
    assert found.effect == pytest.approx(0.1, abs=0.02)
    assert found.verdict is Verdict.OK


def test_rows_of_others_and_failures_never_count(build: Any) -> None:
    feed = build.feed("performance")
    build.live(feed, 400, quality=0.9, version="v0")
    feed.since = feed.now
    build.live(feed, 400, quality=0.9, by="fallback")
    build.live(feed, 100, quality=0.9, version="v0")
    build.live(feed, 199)
    said = feed.look()["performance/accuracy"]
    assert (said.verdict, said.n) == (Verdict.NOT_YET, 199)
    assert "199 of 200" in said.detail
    build.live(feed, 1)
    assert feed.look()["performance/accuracy"].verdict is Verdict.OK


def test_a_new_champion_starts_over(build: Any) -> None:
    feed = build.feed("performance")
    build.live(feed, 500, quality=0.5)
    assert feed.look()["performance/accuracy"].verdict is Verdict.BREACH
    feed.champion, feed.since = "v2", feed.now
    said = feed.look()["performance/accuracy"]
    assert (said.verdict, said.version, said.n) == (Verdict.NOT_YET, "v2", 0)


def test_rows_with_broken_inputs_are_left_out_unless_asked_for(build: Any) -> None:
    for count, want in ((False, Verdict.OK), (True, Verdict.BREACH)):
        feed = build.feed("performance", count_broken_inputs=count)
        build.live(feed, 300)
        said, true = build.answers(feed.spec.task, build.rng, 200, 0.6)
        feed.add([r | {"x": None} for r in build.inputs(build.rng, 200)], said, true)
        found = feed.look()["performance/accuracy"]
        assert found.verdict is want
        assert ("200 rows with broken inputs" in found.detail) is not count


def test_labels_wait_for_their_lag(build: Any) -> None:
    feed = build.feed("performance", lag=86_400.0)
    build.live(feed, 210)
    assert feed.look()["performance/accuracy"].n == 210 - 24
    build.live(feed, 24)
    assert feed.look()["performance/accuracy"].verdict is Verdict.OK


def test_silence_is_no_data_never_ok(build: Any) -> None:
    feed = build.feed("performance")
    assert feed.look()["performance/accuracy"].verdict is Verdict.NOT_YET
    build.live(feed, 300)
    assert feed.look(wait=5 * 3600)["performance/accuracy"].verdict is Verdict.OK
    said = feed.look(wait=6 * 3600)["performance/accuracy"]
    assert said.verdict is Verdict.NO_DATA
    assert said.age == pytest.approx(11 * 3600)
    assert "no prediction for 11 h" in said.detail
    build.live(feed, 30, labels=None)
    assert "no label" in feed.look()["performance/accuracy"].detail
    build.live(feed, 30, by="fallback")
    assert "has not answered itself" in feed.look()["performance/accuracy"].detail


def test_without_a_baseline_it_says_so(build: Any) -> None:
    feed = build.feed("performance", metrics=["mae"])
    build.live(feed, 300)
    assert "no baseline of mae" in feed.look()["performance/mae"].detail
    feed.reference = None
    said = feed.look()["performance/mae"]
    assert said.verdict is Verdict.NOT_YET


def test_correlated_errors_need_more_rows_than_independent_ones(build: Any) -> None:
    """Errors that come in stretches of a day say less: 60 healthy lives, no alarm."""
    alarms = 0
    for _ in range(60):
        feed = build.feed("performance", task=Task.REGRESSION)
        level = np.repeat(build.rng.lognormal(-0.18, 0.6, 50), 24)[:1000] * 0.1
        truth = build.rng.normal(0, 1, 1000) * level * np.sqrt(np.pi / 2)
        feed.add(build.inputs(build.rng, 1000), [0.0] * 1000, truth.tolist())
        alarms += feed.look()["performance/mae"].verdict is Verdict.BREACH
    assert alarms == 0


def test_scores_give_log_loss_and_f1_speaks_of_the_positive_class(build: Any) -> None:
    from autoheal.telemetry import build_performance, build_reference, load_reference

    feed = build.feed("performance")
    truth = build.rng.integers(0, 2, 2000)
    score = np.clip(truth * 0.6 + build.rng.uniform(0, 0.4, 2000), 0.01, 0.99)
    perf = build_performance(
        feed.spec.task, truth.tolist(), (score > 0.5).astype(int).tolist(), score.tolist()
    )
    columns = {f.name: [r[f.name] for r in build.inputs(build.rng, 2000)] for f in feed.spec.features}
    feed.reference = load_reference(build_reference(feed.spec.features, columns, perf))
    bad = 1 - score[:600]
    feed.add(
        build.inputs(build.rng, 600),
        (score[:600] > 0.5).astype(int).tolist(),
        truth[:600].tolist(),
        scores=bad.tolist(),
    )
    found = feed.look()
    assert found["performance/log_loss"].verdict is Verdict.BREACH
    assert found["performance/accuracy"].verdict is Verdict.OK
    assert found["performance/f1"].verdict is Verdict.OK


def test_it_says_how_sure_it_is_and_how_soon_a_fall_would_show(build: Any) -> None:
    feed = build.feed("performance")
    build.live(feed, 600)
    said = feed.look()["performance/accuracy"]
    low, high = (float(x) for x in re.search(r"\(([\d.]+) to ([\d.]+)\)", said.detail).groups())
    assert low < said.value < high
    rows = int(re.search(r"is sure in about (\d+) labels", said.detail).group(1))
    feed.look()
    seen = 0
    while feed.look()["performance/accuracy"].level != "act":
        build.live(feed, 25, quality=0.15)
        seen += 25
        assert seen < 5 * rows, "the outlook is about right"


def test_ranking_and_calibration_have_evidence_of_their_own(build: Any) -> None:
    """Scores that are squeezed rank as well and are calibrated worse; scores that are shuffled rank worse."""
    from autoheal.telemetry import build_performance, build_reference, load_reference

    for spoil, want in ((lambda s: 0.5 + (s - 0.5) / 10, {"brier"}), (lambda s: s[::-1], {"brier", "auc"})):
        feed = build.feed("performance", metrics=["accuracy", "brier", "auc"], max_drop=0.05)
        truth = build.rng.integers(0, 2, 3000)
        score = np.clip(0.5 + (truth - 0.5) * 0.5 + build.rng.normal(0, 0.25, 3000), 0.01, 0.99)
        perf = build_performance(
            feed.spec.task, truth.tolist(), (score > 0.5).astype(int).tolist(), score.tolist()
        )
        columns = {f.name: [r[f.name] for r in build.inputs(build.rng, 3000)] for f in feed.spec.features}
        feed.reference = load_reference(build_reference(feed.spec.features, columns, perf))
        rows = slice(0, 1000)
        feed.add(
            build.inputs(build.rng, 1000),
            (score[rows] > 0.5).astype(int).tolist(),
            truth[rows].tolist(),
            scores=score[rows].tolist(),
        )
        assert {f.verdict for f in feed.look().values()} == {Verdict.OK}
        bad = spoil(score[rows])
        feed.add(
            build.inputs(build.rng, 1000),
            (score[rows] > 0.5).astype(int).tolist(),
            truth[rows].tolist(),
            scores=bad.tolist(),
        )
        found = feed.look()
        assert {f.subject for f in found.values() if f.verdict is Verdict.BREACH} == want


def test_the_auc_is_the_share_of_pairs_in_order(build: Any) -> None:
    from autoheal.monitors.scores import Answers, measure

    score, truth = build.rng.normal(size=60).round(1), build.rng.integers(0, 2, 60).astype(float)
    seen = measure("auc", Answers(truth, truth, score, 1))
    high, low = score[truth == 1], score[truth == 0]
    pairs = (high[:, None] > low).mean() + 0.5 * (high[:, None] == low).mean()
    assert seen is not None
    assert seen.value == pytest.approx(pairs)


def nights(rng: np.random.Generator, time: Any, worse: float) -> Any:
    wrong = rng.random(len(time)) < worse * (0.05 + 0.1 * (np.sin(2 * np.pi * time / 86_400) > 0.3))
    truth = rng.integers(0, 2, len(time))
    return np.where(wrong, 1 - truth, truth), truth, None


def weekends(rng: np.random.Generator, time: Any, worse: float) -> Any:
    said = rng.normal(0, 3, len(time))
    spread = worse * np.where((time // 86_400) % 7 < 5, 1.0, 2.0)
    return said, said + rng.normal(0, 1, len(time)) * spread, None


def hard_hours(rng: np.random.Generator, time: Any, worse: float) -> Any:
    """By day hardly anybody can tell; log loss has neighbours of its own."""
    chance = np.clip(0.3 + 0.25 * np.sin(2 * np.pi * time / 86_400), 0.02, 0.98)
    truth = (rng.random(len(time)) < chance).astype(int)
    score = np.clip(chance + rng.normal(0, 0.1, len(time)) + (worse - 1.0) * (0.5 - truth), 0.01, 0.99)
    return (score > 0.5).astype(int), truth, score


@pytest.mark.parametrize("life", [nights, weekends, hard_hours])
def test_what_is_worse_each_night_or_weekend_was_so_in_training(life: Any) -> None:
    """A window of eight hours at a row a minute; the held-out rows are a week. Twice as bad is seen all the same."""
    rng, week = np.random.default_rng(5), np.arange(7 * 1_440) * 60.0
    task = Task.REGRESSION if life is weekends else Task.CLASSIFICATION
    said, truth, scores = life(rng, week, 1.0)
    judged = build_performance(
        task, truth.tolist(), said.tolist(), None if scores is None else scores.tolist()
    )
    spec = spec_of(task, {"performance": {}, "concept_drift": {}})
    columns = {"x": [1.0, 2.0], "y": [1.0, 2.0], "s": ["a", "b"]}
    feed = Feed(spec, load_reference(build_reference(spec.features, columns, judged)), step=60.0)
    feed.now = float(np.ceil(feed.now / (7 * 86_400.0)) * 7 * 86_400.0)
    feed.since = feed.now

    def lived(hours: int, worse: float) -> list[Any]:
        found = []
        for _ in range(hours):
            said, truth, scores = life(rng, feed.now + feed.step * np.arange(1, 61), worse)
            told = None if scores is None else scores.tolist()
            feed.add(inputs(rng, 60), said.tolist(), truth.tolist(), scores=told)
            found += [f for f in feed.look().values() if f.verdict is Verdict.BREACH]
        return found

    assert [f.detail for f in lived(10 * 24, 1.0)] == []
    assert lived(7 * 24, 2.2)
