"""What a source brought and could not bring is on its health, also when it was the store that said no."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from autoheal.clock import VirtualClock
from autoheal.daemon.feeds import Feeds
from autoheal.domain.finding import Finding
from autoheal.errors import StoreError
from autoheal.sources.contract import Intake
from autoheal.sources.http_push import HttpPush
from autoheal.telemetry import Batch, Counts, Record


async def test_rows_that_were_not_stored_are_the_sources_last_error() -> None:
    async def full(_records: Sequence[Record], _batch: Batch | None) -> Counts:
        raise StoreError("the disk is full")

    async def nobody(_finding: Finding) -> None:
        return

    feeds, source = Feeds(Intake(full, nobody), VirtualClock()), HttpPush("push")
    feeds.put([source])
    with pytest.raises(StoreError):
        await feeds.sink(source)([])
    (health,) = feeds.health()
    assert (health.name, health.rows, health.last_error) == ("push", 0, "not stored: the disk is full")
