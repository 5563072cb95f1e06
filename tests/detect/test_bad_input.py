"""Whatever a file holds: a stated outcome, no warning of numpy (warnings are errors here), and rows that exist."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoheal.detect import table as tables
from autoheal.detect.engine import Options, detect
from autoheal.detect.table import Table, parse, read
from autoheal.errors import TelemetryError

CELLS = st.one_of(
    st.sampled_from(
        ["", "nan", "inf", "-inf", "1e308", "-1e308", "1e-320", "0", "1", "yes", "NULL", "None", "é"]
    ),
    st.floats(allow_nan=True).map(str),
    st.integers(-3, 3).map(str),
)
FEW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def tiled(cells: list[str], rows: int) -> list[str]:
    return (cells * (rows // max(len(cells), 1) + 1))[:rows]


@FEW
@given(st.lists(CELLS, min_size=1, max_size=60), st.integers(0, 400))
def test_any_metric_ends_well_or_names_its_column(cells: list[str], rows: int) -> None:
    data = Table({"v": tiled(cells, rows)}, rows)
    try:
        events = detect(data, Options(value="v"))
    except TelemetryError as refused:
        assert "v" in str(refused)  # noqa: PT017 - one of two good ends
        return
    assert all(0 <= e.row < max(rows, 1) and 0 <= (e.started_row or 0) <= e.row for e in events)
    assert all(math.isfinite(x) for e in events for x in (e.effect, e.evidence) if x is not None)
    known = sum(
        math.isfinite(tables.number(c) or (0 if tables.number(c) == 0 else math.nan))
        for c in data.columns["v"]
    )
    if known == 0:
        assert [e.verdict for e in events][-1] == "no_data"
    elif known < 30:
        assert [e.verdict for e in events][-1] == "not_yet"


@FEW
@given(
    st.lists(CELLS, min_size=1, max_size=300),
    st.lists(CELLS, min_size=1, max_size=300),
    st.lists(CELLS, min_size=1, max_size=50),
    st.integers(1, 1500),
)
def test_any_features_predictions_and_labels_end_well(
    before: list[str], after: list[str], answers: list[str], rows: int
) -> None:
    half = rows // 2
    feature = tiled(before, half) + tiled(after, rows - half)
    answer, truth = tiled(answers, rows), tiled(answers[::-1], rows)
    data = Table({"f": feature, "p": answer, "y": truth}, rows)
    options = Options(features=("f",), prediction="p", label="y", reference=(0, max(half, 1)))
    events = detect(data, options)
    assert all(0 <= e.row < rows and 0 <= (e.started_row or 0) <= e.row for e in events)
    assert all(math.isfinite(x) for e in events for x in (e.effect, e.evidence) if x is not None)
    if half < 100:
        assert {"f", "p"} <= {e.subject for e in events if e.verdict == "not_yet"}


def outcome(cells: list[str], **options: object) -> list[tuple[str, str, str]]:
    data = Table({"f": cells, "g": [str(i % 7 + i / 1000) for i in range(len(cells))]}, len(cells))
    named = Options(features=("f",), reference=(0, 600), **options)  # type: ignore[arg-type]
    return [(e.monitor, e.verdict, e.detail) for e in detect(data, named) if e.subject == "f"]


NUMBERS = [str((i * 37) % 101 / 7) for i in range(1500)]


def test_each_odd_column_has_its_outcome() -> None:
    assert outcome(["nan"] * 1500)[0][:2] == ("data_drift", "not_yet")
    assert outcome(["7"] * 1500) == []
    assert ("schema", "breach", "all_missing") in outcome(NUMBERS[:800] + [""] * 700)
    assert ("schema", "breach", "type_changed, constant") in outcome(NUMBERS[:800] + ["text"] * 700)
    assert ("schema", "breach", "constant") in outcome(NUMBERS[:800] + ["3"] * 700)
    assert any("new_level" in d for _, _, d in outcome(["a", "b", "b"] * 300 + ["c"] * 600))
    assert outcome([f"id-{i}" for i in range(1500)])[0][1] == "not_yet"
    assert outcome(NUMBERS) == []
    assert outcome(NUMBERS[:700])[0][1] == "not_yet"  # fewer than 200 rows behind the reference


def test_labels_without_predictions_have_no_data() -> None:
    data = Table({"p": [""] * 500, "y": ["1"] * 500}, 500)
    events = detect(data, Options(prediction="p", label="y"))
    assert ("performance", "no_data") in {(e.monitor, e.verdict) for e in events}


def test_an_empty_file_has_no_data() -> None:
    assert [e.verdict for e in detect(Table({"v": []}, 0), Options(value="v"))] == ["no_data"]
    assert [e.verdict for e in detect(Table({"v": ["3"]}, 1), Options(value="v"))] == ["not_yet"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "empty"),
        ("a,a\n1,2\n", "a: two columns"),
        ("a,b\n1,2\n3\n", "row 1: has 1 cells"),
    ],
)
def test_files_that_are_no_tables_are_refused(text: str, word: str) -> None:
    with pytest.raises(TelemetryError, match=word):
        parse(text.splitlines())


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    for content in (gzip.compress(b"a,b\n1,2\n")[:-6], b"\xff\xfe\x00a,b", gzip.compress(b"\xff\xff")):
        file = tmp_path / "x.csv"
        file.write_bytes(content)
        with pytest.raises(TelemetryError, match=r"x\.csv"):
            read(file)
    with pytest.raises(TelemetryError, match="cannot be read"):
        read(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("cell", "seconds"),
    [
        ("2020-01-01", 1577836800),
        ("2020-01-01T01:00:00+01:00", 1577836800),
        ("2020-01", 1577836800),
        ("1577836800", 1577836800),
    ],
)
def test_times_in_many_spellings(cell: str, seconds: float) -> None:
    found = tables.times("t", [cell])
    assert found is not None
    assert found.tolist() == [seconds]


def test_counters_are_no_times_and_nonsense_is_refused() -> None:
    assert tables.times("t", ["0", "1", "2"]) is None
    for bad in ("tomorrow", "", "nan", "2020-13", "99999999999999999999"):
        with pytest.raises(TelemetryError, match="t: "):
            tables.times("t", ["2020-01-01", bad])
