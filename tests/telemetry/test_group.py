"""Batches that come at the same time share a transaction, and nobody can tell: same counts, same rows, own refusals."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoheal.clock import SystemClock, VirtualClock
from autoheal.domain.names import Version
from autoheal.errors import StoreError
from autoheal.telemetry import Batch, Counts, Limits, Refusal, Telemetry, parse_body
from autoheal.telemetry.pack import LEAST
from autoheal.telemetry.packed import Packed

Opened = Callable[..., Awaitable[Telemetry]]
SPAN = (datetime(2011, 1, 1, tzinfo=UTC), datetime(2012, 1, 1, tzinfo=UTC))


def body(make: Any, first: int, rows: int, **rest: Any) -> Any:
    """NDJSON as it was read: columns from ``LEAST`` rows on."""
    made = [
        {
            "kind": "prediction", "model": "loans", "version": "v1", "id": f"r{i}", "time": make.start + 20.0 * i,
            "features": {"temp": float(i), "season": "abc"[i % 3]}, "prediction": i % 2, "score": 0.5,
        } | rest
        for i in range(first, first + rows)
    ]  # fmt: skip
    return parse_body(b"\n".join(map(orjson.dumps, made)), make.tasks, lines=True)


#: First row, rows, what is unusual about them, the sender's key.
BATCH = st.tuples(
    st.integers(0, 6).map(lambda n: n * LEAST // 2),
    st.sampled_from([1, 3, LEAST, LEAST, LEAST + 1]),
    st.sampled_from([{}, {}, {"version": "v2"}, {"score": None}, {"prediction": "yes"}, {"features": {"temp": None, "season": "d"}}]),
    st.sampled_from(["", "", "a", "b"]),
)  # fmt: skip


def offered(make: Any, *given: Any) -> tuple[Any, Batch | None]:
    first, rows, rest, key = given
    if rows == 3:
        return [make.outcome(i, 1.0, "loans") for i in range(first, first + 3)], None
    return body(make, first, rows, **rest), Batch(key, str(given)) if key else None


async def stored(path: Path, make: Any, offers: list[Any], *, at_once: bool) -> Any:
    async with await Telemetry.open(path, make.models, VirtualClock()) as telemetry:
        waiting = [telemetry.ingest(*offer) for offer in offers]
        fates = (
            await asyncio.gather(*waiting, return_exceptions=True)
            if at_once
            else [await _fate(w) for w in waiting]
        )
        rows = telemetry.view(
            make.loans.name, champion=Version("v1"), since=None, reference=None, now=SPAN[1]
        ).rows
        history = telemetry.history()
        buckets = [
            (one.bucket, s.rows, s.counts.tolist(), dict(s.answers.tally), dict(s.answers.confusion))
            for one in sorted(history.buckets(make.loans.name, *SPAN), key=lambda one: one.bucket)
            for s in (one.summary,)
        ]
        history.close()
        joins = telemetry.joins().get(make.loans.name)
        columns = {
            name: (named(c.values, c.levels) if c.levels else c.values.tolist(), c.state.tolist())
            for name, c in rows.features.items()
        }
        labels = [named(codes, rows.classes) for codes in (rows.label, rows.prediction)]
    return list(map(repr, fates)), joins, buckets, labels, str(columns), rows.time.tolist()


def named(codes: Any, names: tuple[str, ...]) -> list[str]:
    """Codes are given in the order of appearance, which may differ."""
    return [names[int(code)] if code >= 0 else "" for code in codes.tolist()]


async def _fate(waiting: Awaitable[Counts]) -> Any:
    try:
        return await waiting
    except Refusal as refusal:
        return refusal


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(drawn=st.lists(BATCH, min_size=2, max_size=8))
async def test_at_once_is_as_one_after_the_other(
    drawn: list[Any], make: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    offers = [offered(make, *one) for one in drawn]
    path = tmp_path_factory.mktemp("group")
    assert await stored(path / "a.db", make, offers, at_once=True) == await stored(
        path / "b.db", make, offers, at_once=False
    )


async def test_those_that_wait_share_a_transaction(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "t.db"
    async with await Telemetry.open(path, make.models, SystemClock()) as telemetry:
        batches = [body(make, LEAST * n, LEAST) for n in range(60)]
        assert all(isinstance(batch, Packed) for batch in batches)
        assert await asyncio.gather(*map(telemetry.ingest, batches)) == [Counts(LEAST)] * 60
        with sqlite3.connect(path) as db:
            chunks, arrivals = db.execute("SELECT count(*), count(DISTINCT arrived) FROM chunks").fetchone()
        assert (await telemetry.ingest(batches[7])).duplicates == LEAST
    assert arrivals == chunks < 60


async def test_one_that_cannot_be_stored_does_not_take_the_others_with_it(
    opened: Opened, tmp_path: Path, make: Any
) -> None:
    telemetry = await opened()
    with sqlite3.connect(tmp_path / "telemetry.db") as db:
        db.execute(
            "CREATE TRIGGER no BEFORE INSERT ON predictions WHEN NEW.id = 'r5' BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    batches = [*([make.prediction(i)] for i in range(10)), [make.outcome(100), make.outcome(5)]]
    fates = await asyncio.gather(*map(telemetry.ingest, batches), return_exceptions=True)
    assert [n for n, fate in enumerate(fates) if fate != Counts(1)] == [5, 10]
    assert isinstance(fates[5], StoreError)
    assert fates[10] == Counts(2, waiting=2)
    assert telemetry.joins()[make.bike.name].predictions == 9
    assert telemetry.totals["rows"] == 11
    with sqlite3.connect(tmp_path / "telemetry.db") as db:
        db.execute("DROP TRIGGER no")
    assert await telemetry.ingest([make.prediction(5)]) == Counts(1)
    assert telemetry.joins()[make.bike.name].early == 1


async def test_who_goes_away_leaves_the_batch_and_a_new_model_has_its_turn(opened: Opened, make: Any) -> None:
    telemetry = await opened()
    gone = asyncio.ensure_future(telemetry.ingest([make.prediction(1)]))
    await asyncio.sleep(0)
    gone.cancel()
    await telemetry.configure({make.bike.name: make.bike})
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert telemetry.joins()[make.bike.name].predictions == 1
    both = await asyncio.gather(telemetry.configure(make.models), telemetry.ingest(body(make, 0, LEAST)))
    assert both[1] == Counts(LEAST)
    assert telemetry.newest(make.loans.name) is not None


async def test_a_closed_store_says_so(tmp_path: Path, make: Any) -> None:
    telemetry = await Telemetry.open(tmp_path / "t.db", make.models, VirtualClock(), Limits())
    await telemetry.close()
    with pytest.raises(StoreError, match="closed"):
        await telemetry.ingest([make.prediction(1)])
