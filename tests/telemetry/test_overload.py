"""Under overload either all that does not fit is refused, or a fair sample is kept; what is dropped is counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoheal.domain.names import Verdict, Version
from autoheal.monitors.contract import finding
from autoheal.telemetry import Refusal, Telemetry, parse_body
from autoheal.telemetry.overload import Kept, share, thin
from autoheal.telemetry.packed import Packed
from autoheal.telemetry.values import from_unix

Opened = Callable[..., Awaitable[Telemetry]]


@pytest.mark.parametrize("packed", [True, False])
async def test_a_sample_is_kept_and_the_rest_counted(opened: Opened, make: Any, packed: bool) -> None:
    telemetry = await opened(in_flight=2_000, overload="sample")
    rows = [make.prediction(i) for i in range(1_600)]
    batches: list[Any] = [rows[:1_200], rows[1_200:], [make.outcome(5)]]
    if packed:
        lines = [{"kind": "prediction", "model": "bike", "version": "v1", "id": r.id, "time": r.time,
                  "features": r.features, "prediction": r.prediction} for r in batches[1]]  # fmt: skip
        batches[1] = parse_body(b"\n".join(map(orjson.dumps, lines)), telemetry.tasks, lines=True)
        assert isinstance(batches[1], Packed)
    done = await asyncio.gather(*(telemetry.ingest(batch) for batch in batches))
    counts = telemetry.joins()[make.bike.name]
    assert counts.predictions + counts.sampled_out == 1_600
    assert 100 < counts.sampled_out < 300, "half of the second batch"
    assert done[2].accepted == 1, "outcomes are always kept"
    now = from_unix(make.start - 10**9)
    assert telemetry.kept(make.bike.name, since=now) == pytest.approx(counts.predictions / 1_600)
    assert _said(telemetry, make).endswith(
        f"(a sample: {counts.predictions / 1_600:.0%} of the rows were kept)"
    )
    await telemetry.ingest([make.prediction(9_999)])
    assert telemetry.joins()[make.bike.name].sampled_out == counts.sampled_out


async def test_by_default_nothing_is_dropped(opened: Opened, make: Any) -> None:
    telemetry = await opened(in_flight=2_000)
    rows = [make.prediction(i) for i in range(2_400)]
    done = await asyncio.gather(
        telemetry.ingest(rows[:1_200]), telemetry.ingest(rows[1_200:]), return_exceptions=True
    )
    assert [isinstance(d, Refusal) for d in done] == [False, True]
    assert telemetry.joins()[make.bike.name].sampled_out == 0
    assert telemetry.kept(make.bike.name, since=from_unix(0.0)) == 1.0
    assert "sample" not in _said(telemetry, make)


def _said(telemetry: Telemetry, make: Any) -> str:
    """What a monitor that looks at the model's rows says of them."""
    now = from_unix(make.start + 10**8)
    view = telemetry.view(make.bike.name, champion=Version("v1"), since=None, reference=None, now=now)
    return finding(view, "performance", "mae", now, Verdict.OK, n=len(view.rows), detail="mae 1").detail


@given(pending=st.integers(0, 10_000), room=st.integers(1, 10_000))
def test_the_share_falls_with_the_load(pending: int, room: int) -> None:
    assert 1 / 32 <= share(pending, room) <= 1.0
    assert share(pending + 1, room) <= share(pending, room)


def test_the_sample_is_the_same_everywhere_and_about_as_large_as_said(make: Any) -> None:
    rows = [make.prediction(i) for i in range(4_000)]
    kept, dropped = thin(rows, 0.25)
    assert len(kept) + dropped["bike"] == 4_000
    assert 850 < len(kept) < 1_150
    again, _ = thin(rows[::-1], 0.25)
    assert {r.id for r in kept} == {r.id for r in again}  # type: ignore[union-attr]


def test_only_what_came_since_counts() -> None:
    kept = Kept()
    kept.note(1.0, Counter(m=50), Counter(m=50))
    kept.note(2.0, Counter(m=100), Counter())
    assert kept.share("m", 0.0) == 0.75
    assert kept.share("m", 1.5) == kept.share("other", 0.0) == 1.0


async def test_a_finding_says_so_as_long_as_rows_of_the_sample_are_in_memory(
    opened: Opened, make: Any
) -> None:
    """Rows that come one by one afterwards do not hide it."""
    telemetry = await opened(in_flight=1_000, overload="sample", memory_rows=2_000)
    batches = [[make.prediction(n * 100 + i) for i in range(100)] for n in range(10)]
    await asyncio.gather(*map(telemetry.ingest, batches))
    lost = telemetry.joins()[make.bike.name].sampled_out
    assert lost
    await asyncio.gather(*(telemetry.ingest([make.prediction(n)]) for n in range(5_000, 5_400)))
    since = datetime(2026, 1, 1, tzinfo=UTC)
    assert telemetry.kept(make.bike.name, since=since) == pytest.approx(1 - lost / 1_400)
