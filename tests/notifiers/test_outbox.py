"""Messages that survive crashes and dead receivers, delivered by real HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from datetime import timedelta

import pytest

from autoheal.clock import SystemClock
from autoheal.notifiers.log import LogNotifier
from autoheal.notifiers.outbox import Outbox
from autoheal.notifiers.webhook import WebhookNotifier
from tests.gateway.house import free_port, until


class Receiver:
    """An HTTP server that answers with ``statuses`` in turn, then 200."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.got: list[tuple[str, dict]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        body = await reader.readexactly(int(head.split("content-length: ")[1].split("\r")[0]))
        self.got.append((head.split("idempotency-key: ")[1].split("\r")[0], json.loads(body)))
        status = self.statuses.pop(0) if self.statuses else 200
        writer.write(
            f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\nretry-after: 0\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()


@pytest.fixture
async def receiver():
    one = Receiver()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    yield one
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def running(outbox: Outbox):
    task = asyncio.create_task(outbox.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def webhook(url: str, name: str = "oncall") -> WebhookNotifier:
    return WebhookNotifier(name, url, timedelta(seconds=2))


async def test_messages_arrive_in_order_once_and_are_logged(tmp_path, receiver, caplog):
    caplog.set_level(logging.INFO)
    outbox = Outbox(tmp_path, [webhook(receiver.url)], SystemClock())
    async with running(outbox):
        for n in range(5):
            await outbox.post(f"R{n}/tell", "oncall", f"healed {n}", {"model": "m"})
            await outbox.post(f"R{n}/tell", "oncall", f"healed {n}", {"model": "m"})
        await until(lambda: outbox.delivered == 5)
        await outbox.post("R0/tell", "oncall", "healed 0", {})
        assert outbox.posted("R0/tell")
        assert not outbox.posted("R9/tell")
    assert [body["text"] for _, body in receiver.got] == [f"healed {n}" for n in range(5)]
    assert receiver.got[0] == ("r0/tell", {"to": "oncall", "text": "healed 0", "model": "m"})
    assert "oncall: healed 3 [model=m]" in caplog.text


async def test_a_message_survives_the_daemon_and_is_sent_by_the_next(tmp_path, receiver):
    first = Outbox(tmp_path, [webhook(f"http://127.0.0.1:{free_port()}")], SystemClock())
    async with running(first):
        await first.post("R1/tell", "oncall", "rolled back", {})
        await asyncio.sleep(0.1)
    assert first.waiting == 1
    second = Outbox(tmp_path, [webhook(receiver.url)], SystemClock())
    async with running(second):
        await until(lambda: second.delivered == 1)
    assert [body["text"] for _, body in receiver.got] == ["rolled back"]
    assert Outbox(tmp_path, [], SystemClock()).posted("R1/tell")


async def test_trouble_is_retried_with_the_same_key_and_refusal_is_not(tmp_path, receiver):
    receiver.statuses = [503, 429, 200, 400, 200]
    outbox = Outbox(tmp_path, [webhook(receiver.url)], SystemClock())
    async with running(outbox):
        await outbox.post("R1/tell", "oncall", "first", {})
        await outbox.post("R2/tell", "oncall", "refused", {})
        await outbox.post("R3/tell", "oncall", "last", {})
        await until(lambda: outbox.delivered == 2 and outbox.waiting == 0)
    assert [key for key, _ in receiver.got] == ["r1/tell"] * 3 + ["r2/tell", "r3/tell"]
    assert outbox.given_up == 1
    assert outbox.waiting == 0


async def test_a_dead_receiver_holds_nobody_else_up(tmp_path, receiver):
    dead = webhook(f"http://127.0.0.1:{free_port()}", "pager")
    outbox = Outbox(tmp_path, [dead, webhook(receiver.url)], SystemClock())
    async with running(outbox):
        for n in range(10):
            await outbox.post(f"P{n}", "pager", f"{n}", {})
            await outbox.post(f"O{n}", "oncall", f"{n}", {})
        await until(lambda: outbox.delivered == 10)
        await until(lambda: outbox.waiting == 10)


async def test_a_full_outbox_lets_the_oldest_go_and_counts_it(tmp_path):
    outbox = Outbox(tmp_path, [LogNotifier("oncall")], SystemClock(), room=3)
    for n in range(5):
        await outbox.post(f"R{n}", "oncall", f"{n}", {})
    assert (outbox.waiting, outbox.dropped) == (3, 2)
    async with running(outbox):
        await until(lambda: outbox.delivered == 3)
    assert not outbox.posted("R0")
    assert outbox.posted("R4")


async def test_messages_wait_for_a_notifier_that_is_configured_later(tmp_path, receiver):
    outbox = Outbox(tmp_path, [], SystemClock())
    async with running(outbox):
        await outbox.post("R1", "oncall", "x", {})
        outbox.configure([webhook(receiver.url)])
        await until(lambda: outbox.delivered == 1)


async def test_a_message_that_cannot_be_read_does_not_block_the_rest(tmp_path, receiver):
    outbox = Outbox(tmp_path, [webhook(receiver.url)], SystemClock())
    (tmp_path / "waiting" / "000000000000-torn").write_bytes(b'{"key": "R')
    await outbox.post("R1", "oncall", "x", {})
    async with running(outbox):
        await until(lambda: outbox.delivered == 1)
