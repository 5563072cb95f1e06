"""Keeps the next start short: a snapshot of the world every so many entries. A supervised task; losing it costs time
at the next start and nothing else.
"""

from __future__ import annotations

from typing import Final, Protocol

from autoheal.domain.world import World

#: Entries between two snapshots: well under a second of reading at the next start.
EVERY: Final = 5000


class Keeper(Protocol):
    """What is needed of ``store.log.EventLog``."""

    async def save_snapshot(self, world: World) -> None: ...


class Changing(Protocol):
    """What is needed of the kernel."""

    @property
    def world(self) -> World: ...

    async def changed(self, after: int) -> World: ...


async def keep_snapshots(kernel: Changing, log: Keeper, every: int = EVERY) -> None:
    """Until cancelled, or until the kernel stops."""
    last = kernel.world.seq
    while True:
        world = await kernel.changed(last + every - 1)
        await log.save_snapshot(world)
        last = world.seq
