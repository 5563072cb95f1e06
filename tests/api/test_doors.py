"""The listening side: modes, peers, signals, left-over sockets, stops."""

from __future__ import annotations

import asyncio
import getpass
import os
import signal
import socket
import stat
from pathlib import Path

import pytest

from autoheal import net
from autoheal.api.app import create_app
from autoheal.api.server import tcp_door, unix_door
from autoheal.errors import AutohealError
from tests.api.house import House, house


async def test_sockets_are_for_user_and_group_only(home: House) -> None:
    for path in (home.control, home.view):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert stat.S_IMODE(home.run.stat().st_mode) == 0o700


async def test_the_kernel_says_who_calls(home: House) -> None:
    async with net.client(socket=str(home.control)) as client:
        answer = await client.post("/v1/pause", json={"reason": "db upgrade"})
        assert answer.status_code == 200, answer.text
    assert home.kernel.world.pauses["fleet"].actor == getpass.getuser()


async def test_signals_stay_with_the_daemon(folder: Path) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: heard.append(number))
    try:
        async with house(folder) as home, net.client(socket=str(home.view)) as client:
            os.kill(os.getpid(), signal.SIGTERM)
            assert (await client.get("/healthz")).json() == {"ok": True}
            await asyncio.sleep(0.25)  # longer than uvicorn's beat: it would have left by now
            assert (await client.get("/healthz")).status_code == 200
        assert heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


async def test_a_dead_daemons_socket_is_replaced_and_a_living_ones_is_not(home: House, folder: Path) -> None:
    app = create_app(home.hub)
    with pytest.raises(AutohealError, match="another daemon listens"):
        unix_door(app, home.control)
    left_over = folder / "old.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(left_over))
    door = unix_door(app, left_over)
    await door.start()
    async with net.client(socket=str(left_over)) as client:
        assert (await client.get("/healthz")).status_code == 200
    await door.stop()
    await door.stop()
    assert not left_over.exists()


async def test_a_successors_socket_is_left_alone(home: House, folder: Path) -> None:
    door = unix_door(create_app(home.hub), folder / "a.sock")
    await door.start()
    (folder / "a.sock").unlink()
    (folder / "a.sock").write_text("a successor's")
    await door.stop()
    assert (folder / "a.sock").exists()


async def test_bad_addresses_are_refused_with_a_sentence(home: House, folder: Path) -> None:
    app = create_app(home.hub)
    with pytest.raises(AutohealError, match="longer than"):
        unix_door(app, folder / ("x" * 120))
    for listen in ("0.0.0.0:9464", "example.org:80", "127.0.0.1", "127.0.0.1:99999", ""):
        with pytest.raises(AutohealError, match="loopback"):
            tcp_door(app, listen)
    taken = home.doors.doors[2].address
    with pytest.raises(AutohealError, match="in use"):
        tcp_door(app, taken)


async def test_over_tcp_there_is_health_and_nothing_to_command(home: House) -> None:
    async with net.client(base_url=home.tcp) as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200
        assert "autoheal_log_seq" in (await client.get("/metrics")).text
        for path in ("/v1/snapshot", "/v1/events", "/v1/incidents"):
            assert (await client.get(path)).status_code == 404
        assert (await client.post("/v1/pause", json={"reason": "x"})).status_code == 404


async def test_the_view_door_refuses_every_change(home: House) -> None:
    async with net.client(socket=str(home.view)) as client:
        for path in ("/v1/pause", "/v1/reload", "/v1/telemetry", "/v1/no-such-thing"):
            answer = await client.post(path, json={"reason": "x"})
            assert answer.status_code == 403
            assert "control.sock" in answer.json()["error"]
        assert (await client.get("/v1/snapshot")).json()["readonly"] is True
    assert not home.kernel.world.pauses
    async with net.client(socket=str(home.control)) as client:
        assert (await client.get("/v1/snapshot")).json()["readonly"] is False


async def test_a_stop_ends_streams_and_closes_soon(folder: Path) -> None:
    loop = asyncio.get_running_loop()
    async with house(folder) as home, net.client(socket=str(home.view), timeout=20) as client:
        async with client.stream("GET", "/v1/events?follow=1") as answer:
            lines = answer.aiter_lines()
            assert '"seq":1' in await anext(lines)
            began = loop.time()
            stop = asyncio.create_task(home.doors.stop())
            rest = [line async for line in lines]
            await stop
        assert "stopping" in rest[-1]
        assert loop.time() - began < 2.5
        assert not home.control.exists()
