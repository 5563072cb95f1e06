"""Memory after 24 simulated hours at the beat is that after 2; the disk holds a bounded past."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from autoheal.telemetry import Metric, Outcome, Prediction, Telemetry
from autoheal.telemetry.store import TIDY_BATCHES
from autoheal.telemetry.values import from_unix
from tests.telemetry.test_facts import bike_reference

Opened = Callable[..., Awaitable[Telemetry]]
#: Rows of each minute; labels come half an hour later.
EACH, LATE = 6, 30


async def minute(telemetry: Telemetry, make: Any, at: int) -> None:
    time = make.start + 60.0 * at
    rows: list[Any] = [
        Prediction(
            make.bike.name, "v1", f"{at}-{i}", time + i, {"temp": i * 9.0, "season": "ab"[i % 2]}, 50.0
        )
        for i in range(EACH)
    ]
    late = [Outcome(make.bike.name, f"{at - LATE}-{i}", time, 51.0 + i) for i in range(EACH) if at >= LATE]
    await telemetry.ingest([*rows, *late, Metric(make.bike.name, "latency_p95_ms", 5.0 + at % 7, time)])


async def test_a_day_costs_no_more_memory_than_two_hours(opened: Opened, make: Any, tmp_path: Path) -> None:
    telemetry = await opened(rows=600, memory_rows=600, metric_samples=60, batches=50)
    reference = bike_reference(make)
    used: list[int] = []
    tracemalloc.start()
    try:
        for at in range(24 * 60):
            await minute(telemetry, make, at)
            telemetry.view(
                make.bike.name,
                champion="v1",
                since=None,
                reference=reference,
                now=from_unix(make.start + 60.0 * at),  # type: ignore[arg-type]
            )
            if at % TIDY_BATCHES == TIDY_BATCHES - 1:
                gc.collect()
                used.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    # After each round of forgetting; between two of them memory grows a little, and by as much each time.
    assert len(used) == 7
    assert max(used) <= 1.15 * min(used)
    assert (tmp_path / "telemetry.db").stat().st_size < 20_000_000
