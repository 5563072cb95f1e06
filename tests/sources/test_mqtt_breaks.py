"""A connection that is made and lost at once, again and again: what was lost, and why, is told all the same."""

from __future__ import annotations

import asyncio
import contextlib
import tracemalloc
from pathlib import Path
from typing import Any

from autoheal.clock import SystemClock
from autoheal.domain.names import Verdict
from autoheal.sources.mqtt import Mqtt
from tests.contracts.servers import Mosquitto, stopping
from tests.sources.test_mqtt import (
    PREDICTIONS,
    TASKS,
    Broker,
    broker,
    ids,
    publish,
    rows,
    running,
    source,
    up,
)

__all__ = ["broker"]


async def test_a_lost_session_is_told_although_the_first_connection_broke(
    tmp_path: Path, broker: Mosquitto, sink: Any
) -> None:
    """The broker forgot us; the connection on which it says so ends before we have subscribed."""
    cut = False

    async def between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal cut
        with contextlib.suppress(OSError):
            theirs, ours = await asyncio.open_connection("127.0.0.1", broker.port)
            ours.write(await reader.read(4096))
            writer.write(await theirs.read(4096))
            if cut:
                cut = False
                await reader.read(1)
            else:
                await asyncio.wait(
                    [
                        asyncio.ensure_future(_pass(reader, ours)),
                        asyncio.ensure_future(_pass(theirs, writer)),
                    ],
                    return_when=asyncio.FIRST_COMPLETED,
                )
            ours.close()
        writer.close()

    server = await asyncio.start_server(between, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    one = Mqtt(
        "mq", broker=Broker("127.0.0.1", port, "autoheal-mq"), tasks=TASKS, first_pause=0.05, beat=0.05
    )
    async with server, running(one, sink):
        await up(sink)
        await broker.stop()
        await sink.until(lambda: sink.findings[-1].verdict is not Verdict.OK)
        (tmp_path / "mosquitto.db").unlink(missing_ok=True)
        cut = True
        await broker.start()
        await sink.until(lambda: sink.findings[-1].verdict is Verdict.OK)
        assert not cut, "one connection was cut"
        assert one.lost_sessions == 1
        assert "no session" in sink.findings[-1].detail


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


async def test_two_with_one_client_id_are_told_and_a_breach(tmp_path: Path, sink: Any) -> None:
    """Each connects and is thrown out by the other; each connection alone looks well."""
    async with stopping(Mosquitto.at(tmp_path)) as server:
        assert isinstance(server, Mosquitto)
        to = Broker("127.0.0.1", server.port, "autoheal-same")
        one, two = (Mqtt(n, broker=to, tasks=TASKS, first_pause=0.05, beat=0.05) for n in ("one", "two"))
        async with running(one, sink), running(two, sink):
            await sink.until(lambda: any(f.verdict is Verdict.BREACH for f in sink.findings), seconds=20)


async def test_messages_that_nobody_will_read_take_no_memory_while_the_store_is_away(
    broker: Mosquitto, sink: Any
) -> None:
    """At 4 MiB each, what may be unacknowledged would be a gigabyte."""
    free = asyncio.Event()

    class Stuck:
        report = sink.report

        async def __call__(self, records: Any, batch: Any = None) -> Any:
            await free.wait()
            return await sink(records, batch)

    async with running(source(broker), Stuck()) as one:
        await up(sink)
        tracemalloc.start()
        try:
            await publish(broker, *rows(1), *[(PREDICTIONS, b"x" * 3_000_000)] * 20, *rows(2))
            await sink.until(lambda: one.tally.refused["too_large"] == 20)
            assert tracemalloc.get_traced_memory()[0] < 20_000_000
        finally:
            tracemalloc.stop()
        free.set()
        await sink.until(lambda: ids(sink) == [1, 2])
    assert one.tally.refused.total() == 20


async def test_a_source_ends_at_once_when_the_broker_closed_before_it_answered(sink: Any) -> None:
    closed = asyncio.Event()

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()
        closed.set()

    server = await asyncio.start_server(close, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    one = Mqtt("one", broker=Broker("127.0.0.1", port, "autoheal-one"), tasks=TASKS, first_pause=0.05)
    async with server:
        run = asyncio.create_task(one.run(sink, SystemClock()))
        await closed.wait()
        await asyncio.sleep(0.2)  # paho hears of it
        run.cancel()
        done, _ = await asyncio.wait({run}, timeout=4)
        assert done
