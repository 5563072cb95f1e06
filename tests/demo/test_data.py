"""The shipped data as feeds, and the faults that a seed places in them."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice, pairwise
from pathlib import Path

import autoheal.demo
from autoheal.demo import faults, feeds, fleet
from autoheal.demo.feeds import END, LAST_WEEK, START
from autoheal.demo.fleet import FLEET, requests, service_rows, training_rows

SEEDS = range(30)
FOLDER = Path(autoheal.demo.__file__).parent / "data"


def test_the_data_are_small_and_their_sources_named() -> None:
    assert sum(f.stat().st_size for f in FOLDER.iterdir()) < 4_000_000
    text = (FOLDER / "SOURCES.md").read_text()
    assert all(f.name in text for f in FOLDER.glob("*.gz"))
    assert "CC BY 4.0" in text
    assert "Apache" in text


def test_all_rows_are_there_in_the_order_of_time() -> None:
    assert len(feeds.bike(busy=False)) == 17_379
    assert len(feeds.loans()) == 70_000
    for model in FLEET:
        rows = model.rows()
        assert all(a.time <= b.time for a, b in pairwise(rows))
        assert len({r.id for r in rows}) == len(rows)
        assert set(model.features) <= set(rows[0].features)


def test_nobody_serves_what_was_trained_on() -> None:
    for model in FLEET:
        learnt, met = training_rows(model), service_rows(model)
        assert max(r.time for r in learnt) < START <= min(r.time for r in met)
        assert max(r.time for r in met) <= END
        assert not {r.id for r in learnt} & {r.id for r in met}


def test_about_half_of_the_first_half_year_is_busy() -> None:
    labels = [r.label for r in training_rows(fleet.model("bike-busy"))]
    assert 0.48 < sum(labels) / len(labels) < 0.52


def test_last_week_is_what_was_true_then() -> None:
    rows = {r.time: r for r in feeds.bike(busy=False)}
    known = [r for r in rows.values() if r.features[LAST_WEEK] is not None]
    assert len(known) > 17_000
    assert all(r.features[LAST_WEEK] == rows[r.time - timedelta(days=7)].label for r in known)


def test_requests_come_in_order_and_once() -> None:
    got = list(requests(FLEET))
    ends = [rows[-1].time for _, rows in got]
    assert ends == sorted(ends)
    assert sum(len(rows) for _, rows in got) == sum(len(service_rows(m)) for m in FLEET)


def test_the_data_played_again_go_on_where_they_ended() -> None:
    bike = fleet.model("bike-demand")
    first = sum(1 for _ in requests((bike,)))
    rows = [row for _, batch in islice(requests((bike,), endless=True), first + 400) for row in batch]
    assert all(timedelta(0) < b.time - a.time < timedelta(days=2) for a, b in pairwise(rows))
    assert len({row.id for row in rows}) == len(rows)
    later = rows[-1]
    assert later.time > END + timedelta(days=390)
    assert later.features["weekday"] == float((later.time.weekday() + 1) % 7)


def test_a_seed_places_the_faults_and_another_moves_them() -> None:
    plans = [faults.plan(seed) for seed in SEEDS]
    assert plans == [faults.plan(seed) for seed in SEEDS]
    assert len({p.release.at for p in plans}) > 15
    assert len({(p.upstream.start, p.upstream.end) for p in plans}) > 15
    assert {p.upstream.column for p in plans} == {"temp", "hum"}
    assert {p.release.column for p in plans} == {column for column, _ in faults.UNIT_ERRORS}
    for plan in plans:
        assert START < plan.release.at < plan.upstream.start < plan.upstream.end < END - timedelta(days=40)


def test_only_the_weather_of_that_time_is_broken() -> None:
    fault = faults.plan(1).upstream
    row = feeds.bike(busy=False)[5000].features
    assert faults.broken(row, fault.start - timedelta(seconds=1), fault) == row
    assert faults.broken(row, fault.end, fault) == row
    assert faults.broken(row, fault.start, fault) == {**row, fault.column: None}
    loan = feeds.loans()[0].features
    assert faults.broken(loan, fault.start, fault) == loan
