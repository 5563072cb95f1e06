"""What routes are handed: the hub, the stop signal and the memory of commands of the app that they run in. No I/O."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Depends, Request

from autoheal.api.actor import actor
from autoheal.api.hub import Hub
from autoheal.api.once import Remembered


async def _hub(request: Request) -> Hub:
    hub = request.app.state.hub
    assert isinstance(hub, Hub)
    return hub


async def _stopping(request: Request) -> asyncio.Event:
    stopping = request.app.state.stopping
    assert isinstance(stopping, asyncio.Event)
    return stopping


async def _remembered(request: Request) -> Remembered:
    remembered = request.app.state.remembered
    assert isinstance(remembered, Remembered)
    return remembered


async def _actor(request: Request) -> str:
    return actor(request)


HubPart = Annotated[Hub, Depends(_hub)]
StoppingPart = Annotated[asyncio.Event, Depends(_stopping)]
RememberedPart = Annotated[Remembered, Depends(_remembered)]
ActorPart = Annotated[str, Depends(_actor)]
