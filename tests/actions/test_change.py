"""When it began, whom the losses point to, and which rows are held back."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoheal.actions.blame import blame, moved
from autoheal.actions.change import answered, locate, losses
from autoheal.actions.holdout import hold_back, neighbours_alike
from autoheal.domain.names import ModelName, Task
from autoheal.domain.specs import FeatureSpec, ModelSpec
from tests.actions.house import SPEC, START

KIND = ModelSpec(
    ModelName("kind"),
    Task.CLASSIFICATION,
    features=(FeatureSpec("x", "numeric"), FeatureSpec("c", "categorical")),
)
BASE = {"mean": 0.1, "n": 10_000, "scale": 1.0, "alike": 1.0}


def classes(count: int, rate, seed: int = 0, x=lambda n, chance: chance.random()) -> list[dict]:
    """Rows of a champion that is wrong at ``rate(n)``, an hour apart."""
    chance = random.Random(seed)
    rows = []
    for n in range(count):
        features = {"x": x(n, chance), "c": chance.choice("ab")}
        wrong = chance.random() < (rate(n, features) if rate.__code__.co_argcount == 2 else rate(n))
        rows.append(
            {
                "id": f"r{n}",
                "time": START + timedelta(hours=n),
                "features": features,
                "prediction": 0,
                "label": int(wrong),
                "version": "v1",
                "by": "champion",
                "error": None,
            }
        )
    return rows


def at(row: int):
    return START + timedelta(hours=row)


def test_the_start_is_found_in_the_labels_with_an_interval_around_it():
    rows = classes(3000, lambda n: 0.1 if n < 2000 else 0.3)
    found = locate(Task.CLASSIFICATION, rows, BASE, at(2100))
    assert found.known_by == "labels"
    assert not found.from_the_first
    assert found.earliest <= found.before <= found.began <= found.after
    assert abs((found.began - at(2000)) / timedelta(hours=1)) < 60
    assert found.after >= at(2100)  # an incident's start that is later is honoured
    assert found.rise == pytest.approx(0.2, abs=0.03)


def test_without_evidence_the_incident_says_when():
    rows = classes(500, lambda _: 0.1)
    since = at(300)
    for labelled, loss in ((rows, BASE), (rows[:20], BASE), (rows, None)):
        found = locate(Task.CLASSIFICATION, labelled, loss, since)
        assert (found.known_by, found.before, found.after) == ("incident", since, since)


def test_a_champion_that_was_bad_from_its_first_row_on_tells_of_no_change():
    rows = classes(400, lambda _: 0.4)
    assert locate(Task.CLASSIFICATION, rows, BASE, at(100)).from_the_first
    assert not locate(Task.CLASSIFICATION, rows, BASE, at(100), whole=False).from_the_first


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 400), st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.integers(0, 5))
def test_any_rows_give_an_ordered_interval(count, before, after, seed):
    rows = classes(count, lambda n: before if n < count / 2 else after, seed)
    found = locate(Task.CLASSIFICATION, rows, BASE, at(10))
    assert found.earliest <= found.before <= found.began <= found.latest
    assert found.before <= found.after


def test_only_the_champions_own_usable_answers_speak_of_it():
    rows = classes(6, lambda _: 0.5)
    rows[0]["version"], rows[1]["by"], rows[2]["error"] = "v0", "fallback", "boom"
    rows[3]["prediction"] = None
    left = answered(Task.CLASSIFICATION, rows[::-1], "v1", at(5))
    assert [r["id"] for r in left] == ["r5"]
    numbers = [{**r, "prediction": 1.0, "label": float(n)} for n, r in enumerate(rows)]
    assert losses(Task.REGRESSION, numbers[:3], 1.5).tolist() == pytest.approx([2 / 3, 0.0, 2 / 3])


def test_the_segment_that_got_worse_is_named_and_the_input_that_moved():
    before = classes(1500, lambda _: 0.1)
    after = classes(1500, lambda _, f: 0.6 if f["x"] > 0.75 else 0.1, seed=1)
    old, new = (losses(Task.CLASSIFICATION, rows, 1.0) for rows in (before, after))
    told = blame(KIND, before, after, old, new)
    assert told["segments"][0].startswith("x > 0.7")
    hidden = replace(KIND, features=tuple(replace(f, sensitive=True) for f in KIND.features))
    assert blame(hidden, before, after, old, new)["segments"][0].startswith("a part of x: ")
    assert "of the rise, loss 0.1" in told["segments"][0]
    assert told["inputs"] == []
    assert moved(KIND, before, after) == ""
    shifted = classes(1500, lambda _: 0.1, seed=2, x=lambda _, chance: chance.random() + 0.5)
    assert moved(KIND, before, shifted).startswith("x (PSI ")
    assert blame(KIND, before, shifted, old, old)["inputs"][0].startswith("x: PSI ")


def test_odd_cells_are_segments_of_their_own_and_few_rows_name_none():
    before = classes(200, lambda _: 0.1)
    odd = classes(200, lambda _: 0.9)
    for n, one in enumerate(odd):
        one["features"] = {"x": [None, "warm", float("nan")][n % 3], "c": None}
    zero, one_each = losses(Task.CLASSIFICATION, before, 1.0), losses(Task.CLASSIFICATION, odd, 1.0)
    told = blame(KIND, before, odd, zero, one_each)
    assert any(
        text.startswith("c missing: 100% of rows") and "never seen" in text for text in told["segments"]
    )
    assert blame(KIND, before[:20], odd, zero[:20], one_each) == {"segments": [], "inputs": []}


def test_rows_are_spread_where_labels_are_mixed_and_the_newest_of_each_class_where_they_come_in_blocks():
    mixed = classes(600, lambda _: 0.5)
    assert not neighbours_alike(KIND, mixed)
    learn, held, how = hold_back(KIND, mixed, 0.2, "auto")
    assert how == "spread"
    assert len(held) == pytest.approx(120, abs=1)
    assert len(learn) + len(held) == 600
    assert held[60]["time"] < mixed[-60]["time"]
    turns = [{**row, "label": n % 2} for n, row in enumerate(mixed)]
    for share in (0.1, 0.2, 0.3, 0.4, 0.5):
        held = hold_back(KIND, turns, share, "auto")[1]
        assert sum(r["label"] for r in held) == pytest.approx(share * 300, abs=1)
    blocks = [{**row, "label": (n // 100) % 3} for n, row in enumerate(mixed)]
    learn, held, how = hold_back(KIND, blocks, 0.2, "auto")
    assert how == "newest"
    assert [sum(r["label"] == c for r in held) for c in range(3)] == [40, 40, 40]
    assert len(learn) + len(held) == 600
    for label in range(3):
        mine = [r["time"] for r in held if r["label"] == label]
        assert min(mine) > max(r["time"] for r in learn if r["label"] == label)


def test_numbers_that_creep_are_held_back_at_the_end():
    rows = [{"id": str(n), "time": at(n), "features": {}, "label": float(n // 24 % 7)} for n in range(500)]
    learn, held, how = hold_back(SPEC, rows, 0.2, "auto")
    assert (how, len(learn), [r["id"] for r in held]) == ("newest", 400, [str(n) for n in range(400, 500)])
    same = [{**row, "label": 1.0} for row in rows]
    assert hold_back(SPEC, same, 0.2, "auto")[2] == "spread"
