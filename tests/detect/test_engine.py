"""Features, predictions and labels over a table: what changes is named, what stays says nothing."""

from __future__ import annotations

import numpy as np
import pytest

from autoheal.detect.clock import Clock
from autoheal.detect.engine import Options, detect
from autoheal.detect.events import Event
from autoheal.detect.table import Table
from autoheal.errors import TelemetryError


def table(**columns: object) -> Table:
    cells = {name: [str(c) for c in values] for name, values in columns.items()}  # type: ignore[attr-defined]
    return Table(cells, len(next(iter(cells.values()))))


def healthy(n: int = 6000, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = rng.random(n) < 0.4
    return {
        "age": rng.normal(40, 10, n),
        "income": rng.lognormal(8, 1, n),
        "city": rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1]),
        "said": np.where(rng.random(n) < 0.1, ~label, label).astype(int),
        "true": label.astype(int),
    }


def alarms(events: list[Event]) -> list[Event]:
    return [e for e in events if e.kind == "alarm"]


NAMED = Options(features=("age", "income", "city"), prediction="said", label="true", reference=(0, 2000))


def test_nothing_wrong_is_no_alarm() -> None:
    for seed in range(3):
        assert alarms(detect(table(**healthy(seed=seed)), NAMED)) == []


def test_a_category_that_always_brings_new_levels_is_no_alarm_until_it_brings_far_more() -> None:
    """300 merchants, some of which the 2,000 reference rows have not seen."""
    rng = np.random.default_rng(2)
    chances = 1.0 / np.arange(1, 301)
    merchant = [f"m{i}" for i in rng.choice(300, 8_000, p=chances / chances.sum())]
    options = Options(features=("merchant",), reference=(0, 2000))
    assert alarms(detect(table(merchant=merchant), options)) == []
    merchant[5000:5400] = [
        f"new{i % 40}" if i % 5 == 0 else name for i, name in enumerate(merchant[5000:5400])
    ]
    first = alarms(detect(table(merchant=merchant), options))[0]
    assert (first.monitor, first.subject) == ("schema", "merchant")
    assert 5000 <= first.row < 5400


def test_a_numeric_shift_is_named_with_its_start() -> None:
    columns = healthy()
    columns["age"][4000:] += 12
    found = alarms(detect(table(**columns), NAMED))
    assert {e.subject for e in found if e.monitor == "data_drift"} == {"age"}
    first = found[0]
    assert 4000 <= first.row < 4400
    assert first.started_row == 4000
    assert first.effect is not None
    assert first.effect > 0.2


def test_shares_of_levels_and_a_new_level() -> None:
    columns = healthy()
    columns["city"] = columns["city"].astype(object)
    columns["city"][4000:5000] = "c"
    columns["city"][5000:5100] = "zzz"
    found = alarms(detect(table(**columns), NAMED))
    assert {e.monitor for e in found if e.subject == "city"} >= {"schema"}
    assert any("new_level" in e.detail or "constant" in e.detail for e in found)


def test_worse_answers_are_found_without_any_drift() -> None:
    columns = healthy()
    rng = np.random.default_rng(9)
    flip = np.flatnonzero(rng.random(6000) < 0.3)
    flip = flip[flip >= 4000]
    columns["said"][flip] = 1 - columns["said"][flip]
    found = alarms(detect(table(**columns), NAMED))
    worse = [e for e in found if e.monitor == "performance"]
    assert worse
    assert 4000 <= worse[0].row < 4400
    assert abs((worse[0].started_row or 0) - 4000) < 150


def test_regression_errors_and_probabilities_have_their_own_loss() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 10, 4000)
    said = truth + rng.normal(0, 1, 4000)
    said[3000:] += 5
    options = Options(prediction="said", label="true", reference=(0, 2000))
    found = [e for e in alarms(detect(table(said=said, true=truth), options)) if e.monitor == "performance"]
    assert found[0].subject == "error"
    assert 3000 <= found[0].row < 3200
    label = (rng.random(4000) < 0.5).astype(int)
    score = np.clip(0.5 + (label - 0.5) * 0.8 + rng.normal(0, 0.05, 4000), 0, 1)
    score[3000:] = rng.random(1000)
    found = alarms(detect(table(said=score, true=label), options))
    assert any(e.subject == "distance to the label" and e.row >= 3000 for e in found)


def test_missing_cells_creep_in() -> None:
    columns = {k: v.astype(object) for k, v in healthy().items()}
    columns["income"][4000::25] = ""
    found = alarms(detect(table(**columns), NAMED))
    assert any(e.monitor == "rates" and e.subject == "income" for e in found)


def test_a_relation_that_breaks_is_seen_by_none_but_the_multivariate_look() -> None:
    rng = np.random.default_rng(3)
    a = rng.normal(size=12000)
    b = a * 0.9 + rng.normal(size=12000) * 0.4
    b[9000:] = rng.permutation(b[9000:])
    options = Options(features=("a", "b"), reference=(0, 5000))
    found = alarms(detect(table(a=a, b=b), options))
    assert {e.monitor for e in found} == {"multivariate"}
    assert all(e.level == "notify" for e in found)


def test_rows_are_judged_in_the_order_of_time_and_named_by_the_file() -> None:
    x = np.random.default_rng(1).normal(0, 1, 400)
    x[300] = 60
    at = 1.6e9 + 3600 * np.arange(400)
    swap = np.random.default_rng(2).permutation(400)
    found = detect(table(at=at[swap], x=x[swap]), Options(time="at", value="x"))
    assert [e.verdict for e in found if e.monitor == "times"] == ["breach"]
    spike = next(e for e in alarms(found) if e.row == int(np.flatnonzero(swap == 300)[0]))
    assert spike.level in {"notify", "act"}


def test_options_that_make_no_sense_are_refused() -> None:
    data = table(x=range(50), y=range(50))
    for options, word in (
        (Options(value="z"), "z: there is no such column"),
        (Options(value="x", label="y"), "--value watches one metric"),
        (Options(label="y"), "--prediction"),
        (Options(features=("x",), reference=(10, 5)), "10:5"),
        (Options(features=("x",), reference=(0, 500)), "0:500"),
    ):
        with pytest.raises(TelemetryError, match=word):
            detect(data, options)


def test_an_alarm_holds_its_monitor_until_it_is_well() -> None:
    clock = Clock(["a", "b"], np.array([0.5, 0.5]), 2, ("notify", "act"))
    bad, calm = np.array([[9.0, 9.0], [0.0, 0.0]]), np.full((2, 2), -1.0)
    ill, well = np.array([False, True]), np.array([True, True])
    first = clock.step((bad, bad), 1.0, ill)
    assert [(r.index, r.level) for r in first] == [(0, "act")]
    assert all(clock.step((bad, bad), 1.0, ill) == [] for _ in range(5))
    clock.step((calm, calm), 1.0, well)
    assert [r.index for r in clock.step((bad, bad), 1.0, ill)] == [0]
