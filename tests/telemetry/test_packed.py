"""Large batches come in as columns, and nobody can tell: same records, same refusals, same join, same history."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoheal.clock import VirtualClock
from autoheal.domain.names import Version
from autoheal.telemetry import Counts, Metric, Refusal, Telemetry, parse_body, parse_rows
from autoheal.telemetry.id_index import hashes
from autoheal.telemetry.pack import LEAST, pack
from autoheal.telemetry.packed import Packed
from autoheal.telemetry.store import TIDY_BATCHES, TIDY_ROWS

Opened = Callable[..., Awaitable[Telemetry]]
LATE = datetime(2027, 1, 1, tzinfo=UTC)
N = 306


def rows(make: Any, model: str = "bike", first: int = 0, **rest: Any) -> list[dict[str, Any]]:
    return [
        {
            "kind": "prediction", "model": model, "version": "v1", "id": f"r{first + i}", "time": make.start + i * 60.0,
            "features": {"temp": i * 0.5, "season": "ab"[i % 2]}, "prediction": i % 2, "score": 0.25,
        } | rest
        for i in range(N)
    ]  # fmt: skip


def lines(records: list[dict[str, Any]]) -> bytes:
    return b"\n".join(map(orjson.dumps, records))


ODD: Any = st.sampled_from(
    [
        {}, {"id": 7}, {"id": ""}, {"id": "x" * 201}, {"id": "é"}, {"time": "2011-07-01T00:00:00Z"}, {"time": -1},
        {"time": True}, {"version": "v2"}, {"version": ""}, {"model": "loans"}, {"model": "gone"}, {"kind": "outcome"},
        {"prediction": None}, {"prediction": None, "error": "late"}, {"prediction": "yes"}, {"prediction": True},
        {"prediction": 1e300}, {"prediction": [1]}, {"score": None}, {"score": 2}, {"score": "x"}, {"score": True},
        {"latency_ms": 3}, {"latency_ms": -1.0}, {"by": "fallback"}, {"by": "nobody"}, {"more": 1}, {"features": {}},
        {"features": {"temp": None, "season": "a"}}, {"features": {"temp": "warm", "season": 3}},
        {"features": {"temp": True, "season": True}}, {"features": {"temp": 2, "season": "x" * 1001}},
        {"features": {"temp": [1], "season": "a"}}, {"features": {"temp": 1.0, "other": "a"}}, {"features": [1, 2]},
        {"features": {"season": "b", "temp": 1.0}}, {"features": {"temp": 10**400, "season": ""}},
        {"time": "2011-07-01T02:00:00.5+02:00"}, {"time": "2011-07-01"}, {"time": "soon"}, {"by": "champion"},
        {"error": None}, {"time": None}, {"latency_ms": None}, {"id": None}, {"prediction": 2**63}, {"prediction": ""},
        {"features": {"temp": 2**60 + 1, "season": "é" * 1000}}, {"features": {"temp": None, "season": None}},
        {"features": {"temp": 1e308, "season": "2011"}}, {"features": {}, "prediction": 0}, {"features": None},
    ]
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(odd=ODD, place=st.sampled_from([0, 1, LEAST, N - 1]), model=st.sampled_from(["bike", "loans"]))
def test_what_the_fast_way_takes_is_what_the_exact_way_says(
    odd: dict[str, Any], place: int, model: str, make: Any
) -> None:
    records = rows(make, model)
    records[place] = records[place] | odd
    try:
        body = lines(records)
    except TypeError:  # a number that orjson does not write
        return
    why: Refusal | None = None
    want: list[Any] = []
    try:
        want = parse_rows([orjson.loads(line) for line in body.split(b"\n")], make.tasks)
    except Refusal as refusal:
        why = refusal
    if why is not None:
        with pytest.raises(Refusal) as got:
            parse_body(body, make.tasks, lines=True)
        assert (got.value.reason, got.value.row, got.value.field) == (why.reason, why.row, why.field)
        return
    found = list(parse_body(body, make.tasks, lines=True))
    assert found == want
    assert kinds(found) == kinds(want)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(
    every=st.sampled_from(
        [
            {"time": "2011-07-01T00:00:00Z"}, {"prediction": "yes"}, {"prediction": True}, {"by": "champion", "error": None},
            {"score": None}, {"more": 1}, {"features": {"temp": True, "season": None}}, {"features": {"a b": 1, "": "x"}},
            {"features": {"temp": 2}}, {"features": {"season": "a"}}, {"latency_ms": 4}, {"version": "é"},
        ]
    ),
    odd=ODD,
    place=st.sampled_from([None, 0, 1, N - 1]),
)  # fmt: skip
def test_rows_that_are_all_unusual_in_one_way(
    every: dict[str, Any], odd: dict[str, Any], place: int | None, make: Any
) -> None:
    records = [row | every for row in rows(make, "loans")]
    if place is not None:
        records[place] |= odd
    try:
        body = lines(records)
    except TypeError:
        return
    fast, exact = outcome(body, make), outcome(body + b"\n\n", make)
    assert fast == exact


def outcome(body: bytes, make: Any) -> Any:
    """What a batch gives, or why it is refused; an empty line sends it the exact way."""
    try:
        found = parse_body(body, make.tasks, lines=True)
    except Refusal as refusal:
        return (refusal.reason, refusal.row, refusal.field)
    assert isinstance(found, list) or not body.endswith(b"\n\n")
    return (list(found), kinds(list(found)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"id":"r5"', b'"id":\n"r5"'), (b"}\n{", b"} {"), (b"}\n{", b"}{"), (b"}\n{", b"}\r\n{"), (b"}\n{", b"}\n\n{"),
        (b"}\n{", b"}\n [] {"), (b'"kind"', b'"\\ud800":1,"kind"'), (b"prediction", b"pred\xffiction"), (b'"id":"r5"', b'"id":"r5","id":"r6"'),
        (b'{"temp":', b'{"temp":NaN,"temp":'), (b'{"temp":', b'{"temp":'), (b"}\n{", b"},\n{"),
    ],
)  # fmt: skip
def test_bytes_that_are_not_plainly_lines(old: bytes, new: bytes, make: Any) -> None:
    """One defect, also several that make the numbers of lines and of records agree."""
    body = lines(rows(make))
    for changed in (
        body.replace(old, new, 1),
        body.replace(old, new, 1).replace(b',"model"', b',\n"model"', 1),
    ):
        assert outcome(changed, make) == outcome(changed + b"\n\n", make)


def kinds(records: list[Any]) -> list[dict[str, type]]:
    """1.0 equals True, but is not the same."""
    return [{name: type(value) for name, value in record.features.items()} for record in records]


def test_the_usual_batch_is_packed_and_a_small_or_broken_one_is_not(make: Any) -> None:
    packed = pack(lines(rows(make)), make.tasks)
    assert isinstance(packed, Packed)
    assert len(packed) == N
    assert packed[-1].id == f"r{N - 1}"  # type: ignore[union-attr]
    assert pack(lines(rows(make)[: LEAST - 1]), make.tasks) is None
    assert pack(lines(rows(make)) + b"\n{", make.tasks) is None
    assert pack(lines(rows(make)) + b"\n", make.tasks) is not None


def everything(telemetry: Telemetry, make: Any, model: str) -> dict[str, Any]:
    name = make.models[model].name
    seen = telemetry.view(name, champion=Version("v1"), since=None, reference=None, now=LATE).rows
    history = telemetry.history()
    window = history.window(name, datetime(2000, 1, 1, tzinfo=UTC), LATE)
    history.close()
    assert window is not None
    columns = {n: (c.values.tolist(), c.state.tolist(), c.levels) for n, c in seen.features.items()}
    return {
        "columns": columns,
        "floats": [
            str(getattr(seen, n).tolist()) for n in ("time", "prediction", "score", "latency", "label")
        ],
        "classes": (seen.classes, seen.versions),
        "labelled": telemetry.labelled(name, now=LATE),
        "served": telemetry.served(name, since=None, until=LATE, limit=500),
        "matured": telemetry.matured(name, now=LATE),
        "joins": telemetry.joins()[name],
        "counts": (
            window.summary.counts.tolist(),
            window.summary.rows,
            dict(window.summary.answers.confusion),
        ),
    }


@pytest.mark.parametrize("model", ["bike", "loans"])
async def test_a_packed_batch_is_like_single_rows_in_every_way(model: str, tmp_path: Path, make: Any) -> None:
    body, spec = lines(rows(make, model)), make.models[model]
    truth = [make.outcome(i, i % 2, model) for i in range(0, N, 3)] + [make.outcome(0, 5, model)]
    seen = []
    for way in ("packed", "single"):
        path = tmp_path / f"{way}.db"
        batch = parse_body(body, make.tasks, lines=True)
        async with await Telemetry.open(path, make.models, VirtualClock()) as telemetry:
            assert await telemetry.ingest(batch if way == "packed" else list(batch)) == Counts(N)
            await telemetry.ingest(truth[:-1])
            assert (await telemetry.ingest(truth[-1:])).corrected == 1
            assert (await telemetry.ingest(truth[-1:])).duplicates == 1
            seen.append(everything(telemetry, make, spec.name))
        async with await Telemetry.open(path, make.models, VirtualClock()) as telemetry:
            again = everything(telemetry, make, spec.name)
            assert again["floats"][0] == seen[-1]["floats"][0]
            assert {n: again[n] for n in ("labelled", "served", "joins", "counts")} == {
                n: seen[-1][n] for n in ("labelled", "served", "joins", "counts")
            }
    assert seen[0] == seen[1]


async def test_ids_are_known_whichever_way_they_came(opened: Opened, make: Any) -> None:
    telemetry = await opened()
    body = lines(rows(make))
    batch = parse_body(body, make.tasks, lines=True)
    await telemetry.ingest([batch[3], make.outcome(9, 4.0)])
    assert await telemetry.ingest(batch) == Counts(N - 1, duplicates=1), "one is known as a single row"
    assert telemetry.joins()[make.bike.name].early == 1, "one was awaited"
    later = parse_body(lines(rows(make, first=N)), make.tasks, lines=True)
    assert await telemetry.ingest(later) == Counts(N)
    assert await telemetry.ingest(later) == Counts(0, duplicates=N)
    assert await telemetry.ingest(list(later[:5])) == Counts(0, duplicates=5)
    await telemetry.close()
    telemetry = await opened()
    assert await telemetry.ingest(later) == Counts(0, duplicates=N)
    counts = telemetry.joins()[make.bike.name]
    assert (counts.predictions, counts.repeated, counts.joined) == (2 * N, 1 + 2 * N + 5, 1)


async def test_packed_rows_leave_by_number_and_are_then_unknown(opened: Opened, make: Any) -> None:
    telemetry = await opened(rows=2_000)
    for first in range(0, 80 * N, N):
        batch = [r | {"time": make.start + first + i} for i, r in enumerate(rows(make, first=first))]
        await telemetry.ingest(parse_body(lines(batch), make.tasks, lines=True))
    counts = telemetry.joins()[make.bike.name]
    assert counts.predictions == 80 * N
    assert 0 < counts.predictions - counts.expired < 2_000 + 70 * N
    assert (await telemetry.ingest([make.outcome(1)])).waiting == 1


async def test_after_a_restart_no_number_of_a_row_that_left_is_given_again(opened: Opened, make: Any) -> None:
    """Rows that come last and are the oldest by their own time leave first, and with them the highest numbers."""
    telemetry = await opened(rows=N)
    ahead = [row | {"time": row["time"] + 1e6} for row in rows(make)]
    for batch in [ahead, *(rows(make, first=N * k) for k in range(1, TIDY_ROWS // N + 1))]:
        await telemetry.ingest(parse_body(lines(batch), make.tasks, lines=True))
    await telemetry.close()
    telemetry = await opened(rows=N)
    for first in range(100 * N, 110 * N, N):
        batch = rows(make, first=first)
        assert await telemetry.ingest(parse_body(lines(batch), make.tasks, lines=True)) == Counts(N)


async def test_a_model_whose_rows_have_all_left_begins_anew_after_a_restart(
    opened: Opened, make: Any, clock: VirtualClock
) -> None:
    telemetry = await opened(row_days=1.0)
    await telemetry.ingest([make.prediction(1)])
    await telemetry.ingest(parse_body(lines(rows(make, first=5)), make.tasks, lines=True))
    await clock.advance(timedelta(days=2))
    for i in range(TIDY_BATCHES):
        await telemetry.ingest([Metric(make.bike.name, "queue", 1.0, make.start + i)])
    assert telemetry.joins()[make.bike.name].expired == N + 1
    await telemetry.close()
    telemetry = await opened(row_days=1.0)
    assert await telemetry.ingest([make.prediction(1)]) == Counts(1)
    assert await telemetry.ingest(parse_body(lines(rows(make, first=5)), make.tasks, lines=True)) == Counts(N)


def test_hashes_do_not_depend_on_the_neighbours() -> None:
    ids = ["a", "b" * 40, "é", "", "request-0001", "request-0002", "a\0"]
    together = hashes(ids)
    assert [int(hashes([one])[0]) for one in ids] == together.tolist()
    assert len(np.unique(hashes([f"request-{i:08d}" for i in range(50_000)]))) == 50_000


async def test_a_sample_of_raw_rows_is_the_same_however_they_came(
    opened: Opened, tmp_path: Path, make: Any
) -> None:
    batch = parse_body(lines(rows(make)), make.tasks, lines=True)
    day = (datetime(2011, 6, 30, tzinfo=UTC), datetime(2011, 7, 2, tzinfo=UTC))
    seen = []
    for name, parts in (("a", [batch]), ("b", [list(batch[::2]), list(batch[1::2])])):
        async with await Telemetry.open(tmp_path / f"{name}.db", make.models, VirtualClock()) as telemetry:
            for part in parts:
                await telemetry.ingest(part)
            await telemetry.ingest([make.outcome(i, 1.0) for i in range(N)])
            history = telemetry.history()
            seen.append(history.sample(make.bike, *day, 10))
            hidden = history.sample(make.hidden(make.bike), *day, 10)
            assert history.sample(make.bike, day[1], day[1], 10) == []
            history.close()
    assert seen[0] == seen[1]
    assert len({row["id"] for row in seen[0]}) == 10
    assert all(row["label"] == 1.0 and set(row["features"]) == {"temp", "season"} for row in seen[0])
    assert [row["features"] for row in hidden] == [{}] * 10
