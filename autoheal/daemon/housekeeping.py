"""Housekeeping: what is worth doing now and then and decides nothing. Supervised by the app.

Each night the log's hash chain is checked from the first entry to the last, and old job folders are cleared away. A
broken chain shows as the failed task ``log chain``: somebody or something changed history, which no healer should
shrug off. Runs on the machine's own clock (apscheduler, jobs in memory: a missed night is made up for once), since
disks age in real time even where policy time is scaled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger

from autoheal.actions.targets import jobs
from autoheal.domain.events import Event, TaskStateChanged
from autoheal.store.log import EventLog

_LOG = logging.getLogger(__name__)
#: Local time of the night's work.
HOUR = 3
CHAIN = "log chain"


@dataclass(slots=True)
class Housekeeping:
    """``report`` is ``kernel.submit``."""

    log: EventLog
    state_dir: Path
    report: Callable[[Event], Awaitable[object]]
    _broken: bool = False

    async def run(self) -> None:
        """Keep house until cancelled."""
        scheduler: Any = AsyncIOScheduler()
        scheduler.add_job(
            self.night, CronTrigger(hour=HOUR), misfire_grace_time=None, coalesce=True, max_instances=1
        )
        scheduler.start()
        try:
            await asyncio.Event().wait()
        finally:
            scheduler.shutdown(wait=False)

    async def night(self) -> None:
        """One night's work; a part that fails is told of and leaves the other alone."""
        for part in (self.check_chain, self.clear_jobs):
            try:
                await part()
            except Exception:  # noqa: BLE001 - one part of the night must not cost the other
                _LOG.exception("housekeeping: %s", part.__name__)

    async def check_chain(self) -> None:
        """Verify the whole log; say so when the answer changes."""
        bad = await asyncio.to_thread(self.log.verify)
        if bad is not None:
            text = f"entry {bad} does not follow from the one before: the log was changed from outside"
            await self.report(TaskStateChanged(CHAIN, "failed", text))
        elif self._broken:
            await self.report(TaskStateChanged(CHAIN, "running", "the chain is whole again"))
        self._broken = bad is not None

    async def clear_jobs(self) -> None:
        """Old training jobs; the newest stay for whoever asks what went wrong."""
        folder = self.state_dir / "jobs"
        if folder.is_dir():
            await asyncio.to_thread(jobs.prune, folder)
