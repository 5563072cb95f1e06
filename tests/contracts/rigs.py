"""One rig per source: how rows come into being for it, and how what it depends on can be made to misbehave.

A row is a number: the id of a prediction, or the value of a metric. ``feed`` makes rows appear as the source's world
would, ``turn`` changes the world's mood, ``source`` gives a new source on the state of the one before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import aiomqtt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import uvicorn
from fastapi import FastAPI, Response

from autoheal.clock import Clock, SystemClock
from autoheal.domain.names import ModelName, Task, Verdict
from autoheal.domain.specs import ModelSpec
from autoheal.net import HTTPError, client
from autoheal.sources.contract import Intake, Source
from autoheal.sources.files import Files
from autoheal.sources.http_push import HttpPush, telemetry_router
from autoheal.sources.mqtt import Mqtt
from autoheal.sources.mqtt_link import Broker
from autoheal.sources.prometheus import Pace, Prometheus, Server
from autoheal.sources.scrape import Scrape
from autoheal.sources.sql import Query, Sql
from autoheal.sources.sql_database import Database
from autoheal.telemetry import Telemetry
from tests.contracts.proxy import Mood, Proxy, between
from tests.contracts.servers import Mosquitto, Sample, free_port, stopping
from tests.contracts.servers import Prometheus as RealPrometheus
from tests.contracts.standing import Standing

SPEC = ModelSpec(ModelName("fraud"), Task.CLASSIFICATION)
BASE = 1_790_000_000.0


def row(number: int) -> dict[str, Any]:
    """A prediction as every sender of records writes it."""
    return {
        "kind": "prediction",
        "model": "fraud",
        "version": "v1",
        "id": f"{number}",
        "time": BASE + number,
        "prediction": "yes",
    }


class Rig(Protocol):
    """``first`` is what a new source says once it stands ready to receive; None: at once, and it is not said."""

    clock: Clock
    first: Verdict | None

    def source(self) -> Source: ...

    async def feed(self, *numbers: int) -> None: ...

    async def turn(self, mood: Mood) -> None: ...


@dataclass
class FilesRig:
    """A CSV file that grows. ``away``: its folder is gone; ``half``: a line without its end."""

    folder: Path
    clock: Clock = field(default_factory=SystemClock)
    first: Verdict | None = None
    ending: str = "csv"

    def source(self) -> Files:
        where = self.folder / "in" / f"*.{self.ending}"
        return Files(
            "tried",
            path=str(where),
            spec=SPEC,
            holds="predictions",
            state_file=self.folder / "s.json",
            every=0.02,
        )

    def _append(self, text: str) -> None:
        file = next(f / "rows.csv" for f in (self.folder / "in", self.folder / "gone") if f.exists())
        fresh = not file.exists()
        with file.open("a") as out:
            out.write(("id,time,version,prediction\n" if fresh else "") + text)

    async def feed(self, *numbers: int) -> None:
        self._append("".join(f"{n},{BASE + n},v1,yes\n" for n in numbers))

    async def turn(self, mood: Mood) -> None:
        if mood == "slow":
            mood = "half"  # a slow writer is one that has written half a line
        inside, gone = self.folder / "in", self.folder / "gone"
        if mood == "away":
            inside.rename(gone)
        elif mood == "half":
            self._append("999,179")
        elif mood == "garbage":
            self._append("\x00\x01,,,\n{}\n,,,,,,,,\n")
        elif gone.exists():
            gone.rename(inside)
        else:
            self._append("9\n")  # the rest of the half line, which is no good row


@dataclass
class JsonLinesRig(FilesRig):
    """The same as JSON lines."""

    ending: str = "jsonl"

    def _append(self, text: str) -> None:
        file = next(f / "rows.jsonl" for f in (self.folder / "in", self.folder / "gone") if f.exists())
        with file.open("a") as out:
            out.write(text)

    async def feed(self, *numbers: int) -> None:
        self._append("".join(orjson.dumps(row(n)).decode() + "\n" for n in numbers))


@dataclass
class ParquetRig(FilesRig):
    """A file for each feed. ``half``: one that is being written."""

    ending: str = "parquet"
    count: int = 0

    def _put(self, data: bytes) -> Path:
        folder = next(f for f in (self.folder / "in", self.folder / "gone") if f.exists())
        self.count += 1
        file = folder / f"{self.count}.parquet"
        file.write_bytes(data)
        return file

    async def feed(self, *numbers: int) -> None:
        rows = [{"id": n, "time": BASE + n, "version": "v1", "prediction": "yes"} for n in numbers]
        buffer = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows), buffer)
        self._put(buffer.getvalue().to_pybytes())

    async def turn(self, mood: Mood) -> None:
        inside, gone = self.folder / "in", self.folder / "gone"
        if mood == "away":
            inside.rename(gone)
        elif mood in {"half", "slow"}:
            self.part = self._put(b"PAR1" + b"\x00" * 50)
        elif mood == "garbage":
            self._put(b"nonsense" * 20)
        elif gone.exists():
            gone.rename(inside)
        else:
            self.part.unlink()


@dataclass
class SqlRig:
    """A table in a SQLite file. ``slow``: another process holds the lock; ``half``: the table is not there yet."""

    folder: Path
    clock: Clock = field(default_factory=SystemClock)
    first: Verdict | None = None
    holder: sqlite3.Connection | None = None

    @property
    def path(self) -> Path:
        return self.folder / "rows.db"

    def open(self) -> sqlite3.Connection:
        gone = self.folder / "gone.db"
        return sqlite3.connect(gone if gone.exists() else self.path, isolation_level=None)

    def source(self) -> Sql:
        database = Database(f"sqlite:///{self.path}", timeout=0.3)
        query = Query("SELECT * FROM rows", "arrived", overlap=3, page=2)
        return Sql(
            "tried",
            database=database,
            query=query,
            spec=SPEC,
            holds="predictions",
            state_file=self.folder / "s.json",
            every=0.02,
        )

    def make(self) -> None:
        self.path.touch()
        with closing(self.open()) as db:
            db.execute("CREATE TABLE rows (arrived INTEGER PRIMARY KEY, id, time, version, prediction)")

    async def feed(self, *numbers: int) -> None:
        if self.holder is not None:
            self.holder.rollback()
            self.holder = None
        for n in numbers:
            with (
                contextlib.suppress(sqlite3.OperationalError, sqlite3.DatabaseError),
                closing(self.open()) as db,
            ):
                insert = "INSERT INTO {} (id, time, version, prediction) VALUES (?, ?, 'v1', 'yes')"
                for table in ("rows", "hidden"):
                    with contextlib.suppress(sqlite3.OperationalError):
                        db.execute(insert.format(table), (n, BASE + n))

    async def turn(self, mood: Mood) -> None:
        if mood == "away":
            self.path.rename(self.folder / "gone.db")
        elif mood == "slow":
            self.holder = self.open()
            self.holder.execute("BEGIN EXCLUSIVE")
        elif mood == "half":
            with closing(self.open()) as db:
                db.execute("ALTER TABLE rows RENAME TO hidden")
        elif mood == "garbage":
            self.path.rename(self.folder / "gone.db")
            self.path.write_bytes(bytes(range(256)) * 20)
        elif (gone := self.folder / "gone.db").exists():
            gone.replace(self.path)
        else:
            with contextlib.suppress(sqlite3.OperationalError), closing(self.open()) as db:
                db.execute("ALTER TABLE hidden RENAME TO rows")


@dataclass
class PushRig:
    """The daemon's door; the world is a sender. ``away``: the daemon is; else it is the sender who misbehaves."""

    telemetry: Telemetry
    clock: Clock = field(default_factory=SystemClock)
    first: Verdict | None = None
    port: int = field(default_factory=free_port)
    server: uvicorn.Server | None = None
    waiting: list[int] = field(default_factory=list)
    mood: Mood = "honest"
    holding: asyncio.StreamWriter | None = None

    def source(self) -> HttpPush:
        return HttpPush("tried")

    async def feed(self, *numbers: int) -> None:
        """A sender keeps what was not accepted, and sends it again."""
        self.waiting += numbers
        body = b"\n".join(orjson.dumps(row(n)) for n in self.waiting)
        async with client(base_url=f"http://127.0.0.1:{self.port}") as http:
            with contextlib.suppress(HTTPError):
                answer = await http.post(
                    "/v1/telemetry", content=body, headers={"content-type": "application/x-ndjson"}
                )
                assert answer.status_code == 202
                self.waiting.clear()

    async def turn(self, mood: Mood) -> None:
        if mood == "away":
            await self.stop()
        elif mood == "honest":
            await self.start()
        else:
            _, self.holding = await asyncio.open_connection("127.0.0.1", self.port)
            head = "POST /v1/telemetry HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            body = orjson.dumps([row(999)])
            junk = bytes(range(200)) if mood == "garbage" else body[:-5]
            self.holding.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + junk)
            if mood == "half":
                self.holding.close()

    async def start(self) -> None:
        if self.server is not None:
            return
        app = FastAPI()

        async def nowhere(_finding: object) -> None: ...

        app.include_router(
            telemetry_router(Intake(self.telemetry.ingest, nowhere), lambda: self.telemetry.tasks)
        )
        config = uvicorn.Config(
            app, port=self.port, log_level="critical", lifespan="off", timeout_graceful_shutdown=1
        )
        self.server = uvicorn.Server(config)
        self.task = asyncio.create_task(self.server.serve())
        async with asyncio.timeout(5):
            while not self.server.started:  # noqa: ASYNC110 - a server has no event for that
                await asyncio.sleep(0.01)
        await self.feed()

    async def stop(self) -> None:
        if self.holding is not None:
            self.holding.close()
        if self.server is not None:
            self.server.should_exit = True
            await self.task
            self.server = None


@dataclass
class ScrapeRig:
    """A page that shows the newest row."""

    proxy: Proxy
    shown: list[int]
    clock: Clock = field(default_factory=SystemClock)
    first: Verdict | None = Verdict.OK

    def source(self) -> Scrape:
        url = f"http://127.0.0.1:{self.proxy.port}/metrics"
        return Scrape("tried", url=url, model=SPEC.name, every=0.02, timeout=0.3, metrics={"row": "row"})

    async def feed(self, *numbers: int) -> None:
        self.shown[:] = numbers[-1:]

    async def turn(self, mood: Mood) -> None:
        self.proxy.turn(mood)


@dataclass
class PrometheusRig:
    """A real server behind the proxy; a row is a sample half a second before its step."""

    folder: Path
    server: RealPrometheus
    proxy: Proxy
    clock: Standing
    first: Verdict | None = Verdict.NO_DATA

    def source(self) -> Prometheus:
        return Prometheus(
            "tried",
            server=Server(f"http://127.0.0.1:{self.proxy.port}"),
            queries={"row": "row"},
            models=[SPEC.name],
            state_file=self.folder / "s.json",
            pace=Pace(every=0.02, step=1.0, timeout=0.3, backfill=100.0, late=60.0, stale=1000.0),
        )

    async def feed(self, *numbers: int) -> None:
        start = self.clock.at - self.clock.at % 1000
        for n in numbers:
            with contextlib.suppress(AssertionError):  # a sample sent twice is refused by the server itself
                await self.server.push([Sample("row", n, start + n - 0.5)])
        self.clock.at = max(self.clock.at, start + max(numbers))

    async def turn(self, mood: Mood) -> None:
        self.proxy.turn(mood)


@dataclass
class MqttRig:
    """A real broker behind the proxy."""

    server: Mosquitto
    proxy: Proxy
    clock: Clock = field(default_factory=SystemClock)
    first: Verdict | None = Verdict.OK

    def source(self) -> Mqtt:
        broker = Broker("127.0.0.1", self.proxy.port, "autoheal-tried", timeout=0.3, keepalive=1)
        return Mqtt("tried", broker=broker, tasks={SPEC.name: SPEC.task}, first_pause=0.02, beat=0.02)

    async def feed(self, *numbers: int) -> None:
        to = aiomqtt.Client("127.0.0.1", self.server.port, protocol=aiomqtt.ProtocolVersion.V5)
        async with to as broker:
            for n in numbers:
                await broker.publish("autoheal/fraud/predictions", orjson.dumps(row(n)), qos=1)

    async def turn(self, mood: Mood) -> None:
        self.proxy.turn(mood)


FILES: dict[str, type[FilesRig]] = {"files": FilesRig, "jsonl": JsonLinesRig, "parquet": ParquetRig}


@asynccontextmanager
async def rig(kind: str, folder: Path, telemetry: Telemetry) -> AsyncIterator[Rig]:
    """The rig of one source, its world in good order."""
    if kind in FILES:
        (folder / "in").mkdir()
        yield FILES[kind](folder)
    elif kind == "sql":
        table = SqlRig(folder)
        table.make()
        yield table
    elif kind == "http_push":
        push = PushRig(telemetry)
        await push.start()
        yield push
        await push.stop()
    elif kind == "scrape":
        shown = [0]
        app = FastAPI()
        app.add_api_route("/metrics", lambda: Response(f"# TYPE row gauge\nrow {shown[0]}\n" + "# x\n" * 99))
        page = uvicorn.Server(uvicorn.Config(app, port=free_port(), log_level="critical", lifespan="off"))
        task = asyncio.create_task(page.serve())
        async with between(page.config.port) as proxy:
            yield ScrapeRig(proxy, shown)
        page.should_exit = True
        await task
    elif kind == "prometheus":
        real = RealPrometheus.at(folder)
        now = SystemClock().now().timestamp()
        async with stopping(real), between(real.port) as proxy:
            yield PrometheusRig(folder, real, proxy, Standing(now - now % 1000 - 1000))
    else:
        broker = Mosquitto.at(folder)
        async with stopping(broker), between(broker.port) as proxy:
            yield MqttRig(broker, proxy)
