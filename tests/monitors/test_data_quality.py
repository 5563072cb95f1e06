"""data_quality: each rule within one window, and over as soon as the column is back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autoheal.domain.names import Severity, Verdict
from autoheal.telemetry import build_reference, load_reference

Row = dict[str, Any]
FAULTS: dict[str, tuple[str, Callable[[Row], Row], Severity, str]] = {
    "null": ("x", lambda r: r | {"x": None}, Severity.CRITICAL, "empty in all"),
    "nan": ("x", lambda r: r | {"x": float("nan")}, Severity.CRITICAL, "empty in all"),
    "gone": ("x", lambda r: {k: v for k, v in r.items() if k != "x"}, Severity.CRITICAL, "absent from all"),
    "text": ("x", lambda r: r | {"x": "12.5"}, Severity.CRITICAL, "no numbers"),
    "range": ("x", lambda r: r | {"x": r["x"] * 100}, Severity.CRITICAL, "outside"),
    "category": ("s", lambda r: r | {"s": "zz"}, Severity.CRITICAL, "unseen levels such as 'zz'"),
    "empty text": ("s", lambda r: r | {"s": ""}, Severity.CRITICAL, "empty in all"),
    "stuck": ("y", lambda r: r | {"y": 5.0}, Severity.CRITICAL, "stuck at 5"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_one_window_and_its_end(build: Any, name: str) -> None:
    subject, spoil, severity, words = FAULTS[name]
    feed = build.feed("data_quality")
    build.live(feed, 300)
    assert {f.verdict for f in feed.look().values()} == {Verdict.OK}
    broke = feed.now
    feed.add([spoil(r) for r in build.inputs(build.rng, 50)], [1] * 50, None)
    found = feed.look()
    said = found[f"data_quality/{subject}"]
    assert (said.verdict, said.severity, said.n) == (Verdict.BREACH, severity, 50)
    assert words in said.detail
    if name != "stuck":
        assert said.started_at is not None
        assert said.started_at.timestamp() == broke + feed.step
    others = {p for p, f in found.items() if f.verdict is not Verdict.OK} - {said.path}
    assert others == ({"data_quality/schema"} if name == "gone" else set())
    build.live(feed, 50)
    assert {f.verdict for f in feed.look().values()} == {Verdict.OK}, "back at once"


def test_a_hole_is_seen_before_the_window_is_full(build: Any) -> None:
    feed = build.feed("data_quality")
    build.live(feed, 300)
    feed.add([r | {"x": None} for r in build.inputs(build.rng, 8)], [1] * 8, None)
    said = feed.look()["data_quality/x"]
    assert (said.verdict, said.severity) == (Verdict.BREACH, Severity.WARNING)
    assert said.evidence is not None


def test_what_was_usual_in_the_reference_is_no_fault(build: Any) -> None:
    feed = build.feed("data_quality")
    rows = [
        r | {"x": None if i % 3 == 0 else r["x"], "y": 4.0}
        for i, r in enumerate(build.inputs(build.rng, 3000))
    ]
    columns = {f.name: [r[f.name] for r in rows] for f in feed.spec.features}
    feed.reference = load_reference(build_reference(feed.spec.features, columns))
    feed.add(rows[:500], [1] * 500, None)
    assert {f.verdict for f in feed.look().values()} == {Verdict.OK}
    feed.add([r | {"y": 9.0} for r in rows[:50]], [1] * 50, None)
    assert "outside 4 to 4" in feed.look()["data_quality/y"].detail


def test_a_season_that_stands_still_is_not_stuck(build: Any) -> None:
    feed = build.feed("data_quality")
    rows = [r | {"s": "abcd"[i // 500 % 4]} for i, r in enumerate(build.inputs(build.rng, 4000))]
    feed.reference = load_reference(
        build_reference(feed.spec.features, {f.name: [r[f.name] for r in rows] for f in feed.spec.features})
    )
    feed.add([r | {"s": "a"} for r in rows[:2000]], [1] * 2000, None)
    assert feed.look()["data_quality/s"].verdict is Verdict.OK
    feed.add([r | {"s": "a"} for r in rows[:600]], [1] * 600, None)
    assert "stuck at a" in feed.look()["data_quality/s"].detail


def test_hard_faults_need_no_reference(build: Any) -> None:
    feed = build.feed("data_quality")
    feed.reference = None
    feed.add([{"x": None, "y": "text", "s": "a"}] * 60, [1] * 60, None)
    found = feed.look()
    assert found["data_quality/x"].verdict is found["data_quality/y"].verdict is Verdict.BREACH
    assert found["data_quality/s"].verdict is Verdict.OK


def test_several_gone_columns_are_one_schema_finding(build: Any) -> None:
    feed = build.feed("data_quality", rows=24)
    feed.add([{"s": "a"}] * 24, [1] * 24, None)
    said = feed.look()["data_quality/schema"]
    assert (said.verdict, said.severity) == (Verdict.BREACH, Severity.CRITICAL)
    assert said.detail == "schema: x, y absent from all of the newest 24 rows"


def test_too_few_rows_and_silence(build: Any) -> None:
    feed = build.feed("data_quality", rows=24)
    assert feed.look()["data_quality/x"].verdict is Verdict.NOT_YET
    build.live(feed, 23)
    assert feed.look()["data_quality/x"].detail == "23 of 24 rows"
    build.live(feed, 1, by="fallback")
    assert feed.look()["data_quality/x"].verdict is Verdict.OK
    assert feed.look(wait=1e6)["data_quality/x"].verdict is Verdict.NO_DATA


def test_ten_thousand_healthy_looks_raise_nothing(build: Any) -> None:
    feed = build.feed("data_quality")
    alarms = 0
    for _ in range(400):
        build.live(feed, 25)
        alarms += sum(f.verdict is Verdict.BREACH for f in feed.look().values())
    assert alarms == 0


@pytest.mark.parametrize(("levels", "rows"), [(300, 1_000), (900, 5_000)])
def test_a_category_that_always_brings_new_levels(build: Any, levels: int, rows: int) -> None:
    """Merchants, cities: some rows of every window name one that the training data lack, and that is no fault."""
    chances = 1.0 / np.arange(1, levels + 1)
    chances /= chances.sum()

    def live(n: int) -> list[Row]:
        names = build.rng.choice(levels, n, p=chances)
        return [r | {"s": f"m{v}"} for r, v in zip(build.inputs(build.rng, n), names, strict=True)]

    feed = build.feed("data_quality", "data_drift")
    feed.step = 60.0
    past = live(rows)
    columns = {f.name: [r[f.name] for r in past] for f in feed.spec.features}
    feed.reference = load_reference(build_reference(feed.spec.features, columns))
    assert feed.reference.features["s"].unlisted > 0.02
    for _ in range(150):
        feed.add(live(50), [1] * 50, None)
        assert not [f.detail for f in feed.look().values() if f.verdict is Verdict.BREACH]
    feed.add([r | {"s": f"new{i % 7}"} if i % 3 == 0 else r for i, r in enumerate(live(50))], [1] * 50, None)
    found = feed.look()["data_quality/s"]
    assert (found.verdict, found.severity) == (Verdict.BREACH, Severity.WARNING)
    assert found.reference == pytest.approx(feed.reference.features["s"].unlisted)


def test_the_severity_of_a_rate_is_that_of_the_cells_which_used_to_be_right(build: Any) -> None:
    feed = build.feed("data_quality")
    past = [r | {"x": None if i % 5 < 2 else r["x"]} for i, r in enumerate(build.inputs(build.rng, 3_000))]
    columns = {f.name: [r[f.name] for r in past] for f in feed.spec.features}
    feed.reference = load_reference(build_reference(feed.spec.features, columns))
    live = build.inputs(build.rng, 400)
    feed.add([r | {"x": None if i % 5 < 3 else r["x"]} for i, r in enumerate(live)], [1] * 400, None)
    said = feed.look()["data_quality/x"]
    assert (said.verdict, said.severity) == (Verdict.BREACH, Severity.WARNING), "60% where 40% are usual"
    feed.add([r | {"x": None if i % 10 < 9 else r["x"]} for i, r in enumerate(live)], [1] * 400, None)
    assert feed.look()["data_quality/x"].severity is Severity.CRITICAL
