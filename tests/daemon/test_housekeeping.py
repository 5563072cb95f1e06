"""Housekeeping notices a log that was changed from outside."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from autoheal.daemon.housekeeping import CHAIN, Housekeeping
from autoheal.domain.events import Entry, Event, TaskStateChanged, Ticked
from autoheal.store.log import EventLog

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def test_a_changed_log_is_told_of_and_a_whole_one_is_not(tmp_path: Path) -> None:
    said: list[Event] = []

    async def report(event: Event) -> None:
        said.append(event)

    with EventLog.open(tmp_path) as log:
        await log.append([Entry(n, NOW, Ticked()) for n in (1, 2, 3)])
        house = Housekeeping(log, tmp_path, report)
        await house.night()
        assert said == []
        with sqlite3.connect(log.path) as thief:
            table = thief.execute(
                "select name from sqlite_master where sql like '%hash%' and type = 'table'"
            ).fetchone()[0]
            columns = [row[1] for row in thief.execute(f"pragma table_info({table})")]
            body = next(c for c in columns if c in {"body", "event", "entry", "data"})
            thief.execute(f"update {table} set {body} = replace({body}, 'ticked', 'tocked') where seq = 2")
        thief.close()
        await house.night()
    assert [(e.task, e.state) for e in said if isinstance(e, TaskStateChanged)] == [(CHAIN, "failed")]
