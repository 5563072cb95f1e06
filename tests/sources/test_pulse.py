"""Whether a source works: what it says of itself, when, and since when it is away."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from autoheal.domain.names import Verdict
from autoheal.sources.contract import DOWN_AFTER, REFRESH, Pulse

T0 = datetime(2026, 3, 1, tzinfo=UTC)


async def test_a_source_that_is_away_says_since_when(sink: Any) -> None:
    pulse = Pulse("labels")
    for second in range(DOWN_AFTER + 1):
        await pulse.away(sink, T0 + timedelta(seconds=second), "no answer")
    assert [f.verdict for f in sink.findings] == [Verdict.NO_DATA, Verdict.BREACH]
    assert sink.findings[-1].started_at == T0, "the first failure, and not the one that made it a breach"
    await pulse.up(sink, T0 + timedelta(minutes=1))
    await pulse.away(sink, T0 + timedelta(minutes=2), "no answer")
    assert [f.verdict for f in sink.findings[2:]] == [Verdict.OK, Verdict.NO_DATA], "counted from one again"


async def test_what_does_not_change_is_said_now_and_then(sink: Any) -> None:
    pulse = Pulse("labels")
    for _ in range(2 * REFRESH + 1):
        await pulse.up(sink, T0)
    assert len(sink.findings) == 3


async def test_a_source_that_answers_and_has_nothing_has_not_failed(sink: Any) -> None:
    pulse = Pulse("prom", "latency")
    for _ in range(DOWN_AFTER - 1):
        await pulse.away(sink, T0, "no answer")
    await pulse.quiet(sink, T0, "no sample")
    await pulse.away(sink, T0, "no answer")
    assert {f.verdict for f in sink.findings} == {Verdict.NO_DATA}


async def test_the_log_has_each_change_once(sink: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="autoheal.sources")
    pulse = Pulse("labels")
    for why in ("", "gone", "gone still", "gone", "gone", ""):
        await (pulse.away(sink, T0, why) if why else pulse.up(sink, T0))
    assert [r.getMessage().split(": ")[0] for r in caplog.records] == [
        "source labels/up is ok",
        "source labels/up is no_data",
        "source labels/up is breach",
        "source labels/up is ok",
    ]
