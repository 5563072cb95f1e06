"""Each kind of odd input on a healthy table, wherever it strikes: the outcome that docs/detect.md states.

Warnings are errors in this suite, so a division by zero anywhere below fails here too.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoheal.detect.engine import Options, detect
from autoheal.detect.events import Event
from autoheal.detect.table import Table
from autoheal.errors import TelemetryError

FEW = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
ROWS, REFERENCE = 1400, 400
_RNG = np.random.default_rng(11)
NUMBERS = [repr(v) for v in _RNG.normal(10, 2, ROWS).tolist()]
LEVELS = _RNG.choice(["a", "b", "c"], ROWS).tolist()
TRUTH = _RNG.integers(0, 2, ROWS).astype(str).tolist()
SAID = [t if u > 0.1 else str(1 - int(t)) for t, u in zip(TRUTH, _RNG.random(ROWS).tolist(), strict=True)]
TIMES = [repr(1.6e9 + 600.0 * i) for i in range(ROWS)]
MODEL = Options(features=("x", "k"), prediction="p", label="y", reference=(0, REFERENCE))
METRIC = Options(time="t", value="x")

#: A stretch of rows in which something is wrong.
STRETCH = st.tuples(st.integers(0, ROWS - 1), st.integers(1, ROWS)).map(
    lambda p: range(p[0], min(p[0] + p[1], ROWS))
)


def table(**changed: list[str]) -> Table:
    columns = {"t": TIMES, "x": NUMBERS, "k": LEVELS, "p": SAID, "y": TRUTH, **changed}
    return Table(columns, len(next(iter(changed.values()), NUMBERS)))


def struck(cells: list[str], rows: Iterable[int], by: str) -> list[str]:
    changed = list(cells)
    for row in rows:
        changed[row] = by
    return changed


def sound(events: list[Event], rows: int = ROWS) -> list[Event]:
    """What holds for every answer: rows of the file, in order, finite numbers, levels where they belong."""
    assert [e.row for e in events] == sorted(e.row for e in events)
    for e in events:
        assert 0 <= (e.started_row if e.started_row is not None else e.row) < rows
        assert 0 <= e.row < rows
        assert all(np.isfinite(v) for v in (e.effect, e.evidence) if v is not None)
        assert (e.kind == "alarm") == (e.level is not None)
        assert e.verdict in {"breach", "ok", "no_data", "not_yet"}
    return events


def said(events: list[Event]) -> set[tuple[str, str, str]]:
    return {(e.monitor, e.subject, e.verdict) for e in events}


def test_the_healthy_table_says_nothing() -> None:
    assert sound(detect(table(), MODEL)) == []
    assert sound(detect(table(), METRIC)) == []


@FEW
@given(STRETCH, st.sampled_from(["nan", "", "NA", "null", "None"]))
def test_missing_numbers_are_missing(rows: range, by: str) -> None:
    events = sound(detect(table(x=struck(NUMBERS, rows, by)), MODEL))
    left = REFERENCE - len(set(rows) & set(range(REFERENCE)))
    if left < 100:
        assert ("data_drift", "x", "not_yet") in said(events)
    elif set(range(1000, 1200)) <= set(rows):
        assert ("schema", "x", "breach") in said(events)
    metric = sound(detect(table(x=struck(NUMBERS, rows, by)), METRIC))
    known = ROWS - len(rows)
    if known < 30:
        assert said(metric) == {("serving", "x", "not_yet" if known else "no_data")}


@FEW
@given(STRETCH, st.sampled_from(["inf", "-inf", "Infinity", "1e999"]))
def test_infinities_are_missing_in_a_metric_and_out_of_range_in_a_feature(rows: range, by: str) -> None:
    changed = table(x=struck(NUMBERS, rows, by))
    metric = sound(detect(changed, METRIC))
    finding = next(e for e in metric if e.monitor == "schema")
    assert (finding.row, finding.verdict) == (rows[0], "breach")
    assert "infinite" in finding.detail
    events = sound(detect(changed, MODEL))
    if rows[0] >= REFERENCE and set(range(1000, 1200)) <= set(rows):
        assert any(e.subject == "x" and e.kind == "alarm" for e in events)


@FEW
@given(st.sampled_from(["0", "-7.25", "1e300", "1e-300", "yes"]))
def test_constants(by: str) -> None:
    constant = table(x=[by] * ROWS)
    assert [e for e in sound(detect(constant, MODEL)) if e.subject == "x"] == []
    if by == "yes":
        with pytest.raises(TelemetryError, match="x: holds no numbers"):
            detect(constant, METRIC)
    else:
        assert sound(detect(constant, METRIC)) == []
    moved = sound(detect(table(x=struck([by] * ROWS, range(900, ROWS), "3.5")), MODEL))
    assert any(e.subject == "x" and e.kind == "alarm" and e.row >= 900 for e in moved)


@FEW
@given(st.integers(0, 29), st.booleans())
def test_one_row_and_a_few_more(rows: int, timed: bool) -> None:
    short = Table({name: cells[:rows] for name, cells in table().columns.items()}, rows)
    events = sound(detect(short, METRIC if timed else Options(value="x")), max(rows, 1))
    assert said(events) == {("serving", "x", "not_yet" if rows else "no_data")}
    model = Options(features=("x", "k"), prediction="p", label="y")
    if rows:
        events = sound(detect(short, model), rows)
        assert all(e.verdict == "not_yet" for e in events)
        assert {"x", "k", "p"} <= {e.subject for e in events}
        assert "performance" in {e.monitor for e in events}
    else:
        assert [e.verdict for e in detect(short, model)] == ["no_data"]


@FEW
@given(st.integers(REFERENCE, ROWS - 201), st.sampled_from(["zebra", "ü", "0", " d "]))
def test_a_category_never_seen_is_named(first: int, by: str) -> None:
    events = sound(detect(table(k=struck(LEVELS, range(first, ROWS), by)), MODEL))
    found = next(e for e in events if e.monitor == "schema")
    assert (found.subject, found.kind, found.level) == ("k", "alarm", "act")
    assert "new_level" in found.detail or "constant" in found.detail
    assert first <= found.row < first + 400


@FEW
@given(st.integers(REFERENCE, ROWS - 401), st.sampled_from(["text", "12 kg", "true"]))
def test_a_column_that_changes_type_is_named(first: int, by: str) -> None:
    events = sound(detect(table(x=struck(NUMBERS, range(first, ROWS), by)), MODEL))
    assert any("type_changed" in e.detail and e.subject == "x" and e.kind == "alarm" for e in events)
    metric = sound(detect(table(x=struck(NUMBERS, range(first, ROWS), by)), METRIC))
    finding = next(e for e in metric if e.monitor == "schema")
    assert finding.row == first
    assert "no numbers" in finding.detail


@FEW
@given(STRETCH)
def test_labels_before_predictions_are_left_out_and_said(rows: range) -> None:
    events = sound(detect(table(p=struck(SAID, rows, "")), MODEL))
    early = next(e for e in events if e.monitor == "performance" and "no prediction" in e.detail)
    assert (early.row, early.verdict) == (rows[0], "no_data")
    assert early.effect == pytest.approx(len(rows) / ROWS)
    assert not any(e.monitor == "performance" and e.kind == "alarm" for e in events)
    late = sound(detect(table(y=struck(TRUTH, rows, "")), MODEL))
    assert ("performance", "wrong answers", "not_yet") in said(late)
    if len(rows) == ROWS:
        assert ("performance", "wrong answers", "no_data") in said(late)


@FEW
@given(st.integers(0, 2**32 - 1))
def test_times_out_of_order_change_nothing_but_one_finding(seed: int) -> None:
    order = np.random.default_rng(seed).permutation(ROWS).tolist()
    x = struck(NUMBERS, [1200], "900")
    straight = detect(table(x=x), METRIC)
    mixed = sound(detect(Table({"t": [TIMES[i] for i in order], "x": [x[i] for i in order]}, ROWS), METRIC))
    assert [(e.monitor, e.verdict) for e in mixed if e.monitor == "times"] == [("times", "breach")]
    assert {order[e.row] for e in mixed if e.kind == "alarm"} == {e.row for e in straight}
    assert 1200 in {e.row for e in straight}


@FEW
@given(st.integers(1, 99))
def test_a_reference_that_is_too_small_is_not_yet(rows: int) -> None:
    events = sound(detect(table(), Options(("t"), "", ("x", "k"), "p", "y", (0, rows))))
    assert {e.verdict for e in events} == {"not_yet"}
    assert {"x", "k", "p"} <= {e.subject for e in events}
    assert any(e.monitor == "performance" and f"{rows} of 100" in e.detail for e in events)


@FEW
@given(st.integers(0, ROWS - 1), st.sampled_from(["", "nan", "inf", "soon", "2024-02-30"]))
def test_a_time_that_cannot_be_read_is_refused_with_column_and_row(row: int, by: str) -> None:
    with pytest.raises(TelemetryError, match=rf"t.*\b{row}\b|\b{row}\b.*t"):
        detect(table(t=struck(TIMES, [row], by)), METRIC)
