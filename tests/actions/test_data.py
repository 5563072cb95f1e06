"""Which rows a trainer gets, and when it gets none."""

from __future__ import annotations

import csv
import json
from datetime import timedelta
from pathlib import Path

import pytest

from autoheal.actions.cleaning import clean, split
from autoheal.actions.judgement import compare, objection, slow
from autoheal.domain.names import Task
from autoheal.errors import ActionError, ActionNotYet, ActionRefused
from tests.actions.house import FLAGS, SPEC, START, house, row, serve_rows


def read(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as stream:
        return list(csv.DictReader(stream))


def plain(count: int, **changes) -> list[dict]:
    return [
        {
            "id": f"r{n}",
            "time": START + timedelta(hours=n),
            "features": {"x": float(n), "city": "a"} | changes,
            "label": float(n),
        }
        for n in range(count)
    ]


def broken(rows: list[dict], first: int, last: int, feature: str = "x") -> list[dict]:
    for one in rows[first:last]:
        one["features"] = {**one["features"], feature: None}
    return rows


async def test_rows_come_in_order_split_over_time_and_say_what_they_are(tmp_path):
    async with house(tmp_path, served=False) as home:
        await serve_rows(home.telemetry, (row(n) for n in reversed(range(500))))
        done = await home.apply("data.validate", "R1/data", model="m", min_rows=100)
        again = await home.probe("data.validate", "R1/data", model="m")
    learn, held = read(done["dataset"]), read(done["holdout"])
    assert (len(learn), len(held)) == (done["rows"], done["held_back"]) == (400, 100)
    assert list(learn[0]) == ["time", "x", "city", "label"]
    times = [r["time"] for r in learn]
    assert times == sorted(times)
    assert not {r["time"] for r in learn} & {r["time"] for r in held}
    assert held[0]["time"] > times[190]  # held back from the newest part
    assert held[50]["time"] < times[-60]  # and spread over it
    assert done["from"] == START.isoformat()
    lines = [json.loads(x) for x in Path(done["holdout"]).with_suffix(".jsonl").read_text().splitlines()]
    assert [x["label"] for x in lines] == [float(r["label"]) for r in held]
    assert again.outputs == done


async def test_only_rows_since_the_change_and_only_when_they_suffice(tmp_path):
    async with house(tmp_path, served=False) as home:
        await serve_rows(home.telemetry, (row(n) for n in range(500)))
        late = START + timedelta(hours=299)
        some = await home.apply("data.validate", "R1/data", model="m", min_rows=150, since=late)
        assert some["rows"] + some["held_back"] == 200
        assert some["began"] == "2026-01-13 11:00"
        with pytest.raises(
            ActionNotYet, match=r"200 of 250 sound labelled rows of m since the change \(2026-01-13 11:00\)"
        ) as caught:
            await home.apply("data.validate", "R2/data", model="m", min_rows=250, since=late)
        assert caught.value.retryable
        with pytest.raises(ActionError, match=r"500 of 501 sound labelled rows of m$"):
            await home.apply("data.validate", "R3/data", model="m", min_rows=501, since="")


async def test_an_outage_in_the_past_is_left_out_and_one_that_lasts_forbids_training(tmp_path):
    async with house(tmp_path, served=False) as home:
        gone = range(300, 360)
        await serve_rows(home.telemetry, (row(n, **({"x": None} if n in gone else {})) for n in range(500)))
        done = await home.apply("data.validate", "R1/data", model="m", min_rows=100)
        assert done["dropped"] == {"served while x was broken": 60}
        assert all(r["x"] for r in read(done["dataset"]) + read(done["holdout"]))
        await serve_rows(home.telemetry, (row(n, x=None) for n in range(500, 540)))
        with pytest.raises(
            ActionRefused, match="must not be learned from: x is broken: missing in 40 of the newest 50"
        ):
            await home.apply("data.validate", "R2/data", model="m", min_rows=100)


@pytest.mark.parametrize("first", [0, 7, 25, 110, 149])
@pytest.mark.parametrize("length", [20, 50, 80])
def test_broken_stretches_are_found_wherever_they_begin(first, length):
    rows = broken(plain(300), first, first + length)
    cleaned = clean(SPEC, rows, {"x": 0.0})
    assert not cleaned.refusal
    assert [r["id"] for r in cleaned.rows] == [f"r{n}" for n in range(300) if not first <= n < first + length]


def test_a_feature_that_is_often_missing_is_no_outage():
    rows = plain(300)
    for n in range(0, 300, 3):
        rows[n]["features"]["city"] = None
    assert len(clean(SPEC, rows, {"city": 0.33}).rows) == 300
    assert len(clean(SPEC, rows, {}).rows) == 300  # nobody said how often: the rows themselves do
    assert "city is broken" in clean(SPEC, rows, {"city": 0.0}).refusal


def test_odd_missing_values_without_an_outage_are_kept():
    rows = broken(broken(plain(300), 40, 42), 290, 291)
    assert len(clean(SPEC, rows, {"x": 0.0}).rows) == 300


def test_rows_of_a_wrong_type_or_without_a_label_are_dropped_and_counted():
    rows = plain(100)
    rows[3]["features"]["x"] = "warm"
    rows[4]["label"] = None
    rows[5]["label"] = float("nan")
    rows[6]["label"] = "high"
    cleaned = clean(SPEC, rows, {})
    assert len(cleaned.rows) == 96
    assert cleaned.dropped == {
        "x of a wrong type": 1,
        "without a label": 2,
        "with a label that is no number": 1,
    }
    for one in rows[:60]:
        one["features"]["x"] = "warm"
    assert "only 40 of 100 labelled rows are sound: 57 x of a wrong type" in clean(SPEC, rows, {}).refusal
    assert clean(SPEC, [], {}).rows == ()


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2, 0.3, 0.5])
@pytest.mark.parametrize("count", [10, 97, 1000])
def test_the_split_keeps_its_share_and_every_row(count, share):
    learn, held = split(plain(count), share)
    assert len(learn) + len(held) == count
    assert len(held) == pytest.approx(share * count, abs=1.5)
    assert {r["id"] for r in learn}.isdisjoint(r["id"] for r in held)
    assert held[-1]["id"] == f"r{count - 1}"


def test_the_very_end_may_be_held_back_instead():
    learn, held = split(plain(100), 0.2, spread=False)
    assert [r["id"] for r in held] == [f"r{n}" for n in range(80, 100)]
    assert len(learn) == 80


async def test_a_classifier_that_would_see_one_class_is_not_trained(tmp_path):
    from autoheal.telemetry.records import Outcome, Prediction

    async with house(tmp_path, served=False) as home:
        at = START.timestamp()
        pairs = [
            (
                Prediction(FLAGS.name, "v1", f"f{n}", at + n, {"x": 1.0}, 1),
                Outcome(FLAGS.name, f"f{n}", at + n, 1),
            )
            for n in range(200)
        ]
        await serve_rows(home.telemetry, pairs)
        with pytest.raises(ActionRefused, match="all 200 labels are 1"):
            await home.apply("data.validate", "R1/data", model="flags", min_rows=100)
        with pytest.raises(ActionRefused, match="no model is called 'nobody'"):
            await home.apply("data.validate", "R2/data", model="nobody")


def test_features_called_like_our_columns_do_not_collide():
    from dataclasses import replace

    from autoheal.actions import dataset
    from autoheal.domain.specs import FeatureSpec

    spec = replace(
        SPEC,
        features=(
            FeatureSpec("label", "numeric"),
            FeatureSpec("time", "numeric"),
            FeatureSpec("_label", "numeric"),
        ),
    )
    rows = [{"id": "a", "time": START, "features": {"label": 1.0, "time": 2.0, "_label": 3.0}, "label": 9.0}]
    head, first = dataset.as_csv(spec, rows).decode().splitlines()
    assert head.split(",") == ["_time", "label", "time", "_label", "__label"]
    assert first.split(",")[1:] == ["1.0", "2.0", "3.0", "9.0"]


# --- the comparison itself ---------------------------------------------------------------------------------------


def test_classes_are_compared_by_discordant_pairs_like_the_textbook():
    """b = 60, c = 25, n = 1000: gain 0.035, ln E = 5.667352597."""
    labels = [1] * 1000
    champion = [0] * 60 + [1] * 940
    candidate = [1] * 60 + [0] * 25 + [1] * 915
    found = compare(Task.CLASSIFICATION, labels, champion, candidate)
    assert (found.better, found.worse, found.gain) == (60, 25, pytest.approx(0.035))
    assert found.log_e == pytest.approx(5.667352597, abs=1e-8)
    assert objection(found, at_least=0.0, evidence=2.995732) == ""
    assert "gains less" in objection(found, at_least=0.05, evidence=2.995732)


def test_classes_are_equal_whatever_their_type():
    found = compare(Task.CLASSIFICATION, ["1", 1.0, True, "yes"], [1, 1, 1, "yes"], ["1", "1", 1.0, "no"])
    assert (found.champion_loss, found.candidate_loss) == (0.0, 0.25)


def test_equal_models_are_hardly_ever_called_better():
    import random

    wrong = 0
    for seed in range(200):
        chance = random.Random(seed)
        labels = [chance.gauss(0, 1) for _ in range(300)]
        old = [x + chance.gauss(0, 1) for x in labels]
        new = [x + chance.gauss(0, 1) for x in labels]
        found = compare(Task.REGRESSION, labels, old, new)
        wrong += not objection(found, at_least=0.0, evidence=2.995732)
    assert wrong <= 10  # at most one in twenty


def test_one_absurd_answer_does_not_decide_but_does_count():
    labels = [float(n % 7) for n in range(300)]
    old = [x + 1.0 for x in labels]
    new = [x + 0.5 for x in labels]
    assert objection(compare(Task.REGRESSION, labels, old, new), at_least=0.1, evidence=3.0) == ""
    new[5] = 1e9
    found = compare(Task.REGRESSION, labels, old, new)
    assert found.bounded_gain > 0  # by most rows it is better
    assert "it is not better" in objection(found, at_least=0.0, evidence=3.0)


def test_a_champion_that_gives_nonsense_counts_as_wrong_or_as_silent():
    labels = [float(n % 5) for n in range(100)]
    good = [x + 0.1 for x in labels]
    few = [float("nan") if n == 3 else x + 0.1 for n, x in enumerate(labels)]
    assert compare(Task.REGRESSION, labels, few, good).against == "champion"
    assert compare(Task.REGRESSION, labels, [None] * 100, good).against == "constant"
    assert objection(compare(Task.REGRESSION, labels, None, good), at_least=0.0, evidence=3.0) == ""
    with pytest.raises(ValueError, match="unusable"):
        compare(Task.REGRESSION, labels, good, few)


def test_slowness_is_judged_against_the_champion_and_above_a_floor():
    assert slow([2.0] * 40, [15.0] * 40, 3.0) == ""  # nobody notices 15 ms
    assert "120.0 ms" in slow([30.0] * 40, [120.0] * 40, 3.0)
    assert slow([30.0] * 40, [80.0] * 40, 3.0) == ""
    assert slow([], [500.0] * 40, 3.0) == ""
