"""``mqtt``: records from a broker, at QoS 1 with a session that the broker keeps while we are away.

Topics are templates with one ``{model}`` level (``autoheal/{model}/predictions``); the level names the model. A
message is acknowledged only after its records are in telemetry.db, so a crash at any moment makes it come again, and
the store counts it as a duplicate. While the store is full or the disk says no, nothing is acknowledged and the
broker holds the rest. What surprises: a message that cannot be read *is* acknowledged, since it would else come back
for ever; it is counted, and told as ``source/records``.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from autoheal.clock import Clock
from autoheal.domain.names import ModelName, Task
from autoheal.durable import replace_file
from autoheal.errors import AutohealError, StoreError
from autoheal.sources.contract import Pulse, Sink, whole
from autoheal.sources.mqtt_link import Broker, Link, Message, connected
from autoheal.sources.payload import Kind, columns, records
from autoheal.sources.tally import Tally
from autoheal.telemetry import Record, Refusal

_LOG = logging.getLogger(__name__)
MODEL = "{model}"
#: Back-off between connections, in real seconds; after ``SETTLED`` connected ones it begins anew.
FIRST, LONGEST, SETTLED = 0.5, 30.0, 10.0
#: Real seconds between two reports of health, and bytes above which messages are read in a thread.
BEAT = 15.0
LOST = "the broker had kept no session for us: what came while we were away is lost"
LONG = 64 * 1024


@dataclass(frozen=True, slots=True)
class Topic:
    """One template: ``kind`` is what its records are unless they say so themselves (None: they must)."""

    template: str
    kind: Kind | None = None

    def __post_init__(self) -> None:
        levels = self.template.split("/")
        if levels.count(MODEL) != 1 or any(set(level) & set("+#{}") for level in levels if level != MODEL):
            raise ValueError(
                f"the topic {self.template!r} needs exactly one level {MODEL} and no other wildcard"
            )
        if self.template.startswith("$"):
            raise ValueError(
                f"the topic {self.template!r} begins with $: for a shared one, name its group in `share`"
            )

    def filter(self, share: str = "") -> str:
        """What is subscribed to."""
        plain = self.template.replace(MODEL, "+")
        return f"$share/{share}/{plain}" if share else plain

    def model(self, topic: str) -> ModelName | None:
        """The model that a message's topic names, None when it is not of this template."""
        ours, theirs = self.template.split("/"), topic.split("/")
        if len(ours) != len(theirs) or any(o not in (t, MODEL) for o, t in zip(ours, theirs, strict=True)):
            return None
        return ModelName(theirs[ours.index(MODEL)])


USUAL = (
    Topic("autoheal/{model}/predictions", "prediction"),
    Topic("autoheal/{model}/outcomes", "outcome"),
    Topic("autoheal/{model}/metrics", "metric"),
    Topic("autoheal/{model}/features", "features"),
)


class Mqtt:
    """Follows topics of one broker. ``tally`` counts records, ``lost_sessions`` how often the broker had forgotten us,
    so that something is missing."""

    def __init__(
        self,
        name: str,
        *,
        broker: Broker,
        tasks: Mapping[ModelName, Task],
        topics: Sequence[Topic] = USUAL,
        share: str = "",
        first_pause: float = FIRST,
        beat: float = BEAT,
        state_file: Path | None = None,
    ) -> None:
        self.name = name
        self.broker = broker
        self.tasks = dict(tasks)
        self.topics = tuple(topics)
        self.share = share
        self.first_pause = first_pause
        self.beat = beat
        self.tally = Tally(name)
        self.lost_sessions = 0
        self._state_file = state_file
        self._connected_before = False
        self._unsaid = ""

    async def run(self, sink: Sink, clock: Clock) -> None:
        """Receive until cancelled; connect again for ever."""
        pulse, pause, short = Pulse(self.name), self.first_pause, 0
        filters = [topic.filter(self.share) for topic in self.topics]
        while True:
            started = clock.monotonic()
            try:
                async with connected(self.broker, self.tally.refuse) as link:
                    # First: the session begins with the connection, and is there the next time, whatever fails now.
                    await asyncio.to_thread(self._joined, link)
                    await link.subscribe(filters)
                    await pulse.up(sink, clock.now(), self._unsaid)
                    self._unsaid = ""
                    await self._receive(link, sink, clock, pulse)
            except (AutohealError, OSError) as error:
                if clock.monotonic() - started >= SETTLED:
                    pause, short = self.first_pause, 0
                # One that connects and is thrown out, again and again, is away although each connection was "up".
                pulse.failures = max(pulse.failures, short)
                short += 1
                where = f"{self.broker.host}:{self.broker.port}"
                await pulse.away(sink, clock.now(), f"{where}: {error}"[:300])
            await clock.sleep(pause)
            pause = min(pause * 2, LONGEST)

    def _joined(self, link: Link) -> None:
        """See whether a session was lost: ``_unsaid`` until it is told. Blocks; a daemon that was away remembers too."""
        session = {"client_id": self.broker.client_id, "host": self.broker.host, "port": self.broker.port}
        known = self._connected_before or self._had() == session
        if known and not link.resumed and self.broker.keep > 0:
            self.lost_sessions += 1
            self._unsaid = LOST
            _LOG.warning("%s: %s", self.name, LOST)
        if self._state_file is not None and not self._connected_before:
            replace_file(self._state_file, orjson.dumps(session))
        self._connected_before = True

    def _had(self) -> object:
        """The session that an earlier daemon had; None when it is not known."""
        try:
            return None if self._state_file is None else orjson.loads(self._state_file.read_bytes())
        except (OSError, ValueError):
            return None

    async def _receive(self, link: Link, sink: Sink, clock: Clock, pulse: Pulse) -> None:
        told = clock.monotonic()
        while True:
            # Half of what may be unacknowledged, so that the broker sends the other half while this one is stored.
            batch = await link.batch(max(self.broker.window // 2, 1), wait=self.beat)
            if batch:
                await self._store(link, batch, sink, clock, pulse)
            if not batch or clock.monotonic() - told >= self.beat:
                told = clock.monotonic()
                await pulse.up(sink, clock.now())
                await self.tally.report(sink, clock.now())

    async def _read(self, batch: Sequence[Message]) -> list[Sequence[Record]]:
        if sum(len(message.payload) for message in batch) > LONG:
            return await asyncio.to_thread(self._records, batch)
        return self._records(batch)

    def _records(self, batch: Sequence[Message]) -> list[Sequence[Record]]:
        """What the messages say, in their order; neighbours of one topic together."""
        found: list[Sequence[Record]] = []
        for topic, messages in itertools.groupby(batch, key=lambda message: message.topic):
            payloads = [message.payload for message in messages]
            for template in self.topics:
                model = template.model(topic)
                if model is not None:
                    found.append(self._of_topic(payloads, model, template.kind))
                    break
            else:
                for _ in payloads:
                    self.tally.refuse("other_topic", "a message came on a topic that is not ours")
        return [part for part in found if part]

    def _of_topic(self, payloads: Sequence[bytes], model: ModelName, kind: Kind | None) -> Sequence[Record]:
        together = columns(payloads, model, kind, self.tasks)
        if together is not None:
            return together
        return [r for payload in payloads for r in records(payload, model, kind, self.tasks, self.tally)]

    async def _store(
        self, link: Link, batch: Sequence[Message], sink: Sink, clock: Clock, pulse: Pulse
    ) -> None:
        """Returns when the records are stored, however long that takes; until then the broker gets no acknowledgement."""
        found, pause = await self._read(batch), self.first_pause
        while True:
            try:
                await whole(self._commit(link, batch, found, sink))
            except (Refusal, StoreError) as error:
                await pulse.away(sink, clock.now(), f"not stored: {error}"[:300])
                await clock.sleep(pause)
                pause = min(pause * 2, LONGEST)
            else:
                if pulse.failures:
                    await pulse.up(sink, clock.now())
                return

    async def _commit(
        self, link: Link, batch: Sequence[Message], found: list[Sequence[Record]], sink: Sink
    ) -> None:
        """Store part after part; what was stored is taken out, so that trying again does not store it again."""
        while found:
            await sink(found[0])
            self.tally.taken += len(found.pop(0))
        link.ack(batch)
