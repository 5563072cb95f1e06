"""One FastAPI application per door, over one hub: control (everything), view (reads only), or push (telemetry over TCP).

Mounts the routers and sets what they share; decides nothing. Interactive documentation is off, because its page loads
scripts from elsewhere; ``/openapi.json`` is generated.
"""

from __future__ import annotations

import asyncio

from fastapi import FastAPI

from autoheal import __version__
from autoheal.api import commands, events, past, queries
from autoheal.api.faults import Border, install_handlers
from autoheal.api.hub import Hub
from autoheal.api.once import Remembered


def create_app(hub: Hub, *, readonly: bool = False, push_only: bool = False) -> FastAPI:
    """The application of one door.

    ``readonly`` answers every change with 403 (the view socket). ``push_only`` offers telemetry, metrics and health
    and nothing else (TCP, where nobody can be known). Set ``app.state.stopping`` to end its event streams.
    """
    app = FastAPI(title="autoheal", version=__version__, docs_url=None, redoc_url=None)
    app.state.hub = hub
    app.state.readonly = readonly
    app.state.stopping = asyncio.Event()
    app.state.remembered = Remembered()
    app.state.encoded_world = (-1, b"")
    install_handlers(app)
    app.include_router(queries.health_router)
    if not push_only:
        app.include_router(queries.router)
        app.include_router(events.router)
        app.include_router(past.router)
    if not push_only and not readonly:
        app.include_router(commands.router)
    if hub.telemetry is not None and not readonly:
        app.include_router(hub.telemetry())
    app.add_middleware(Border, readonly=readonly)
    return app
