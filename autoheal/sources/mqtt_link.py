"""The one module that knows aiomqtt: a connection with a persistent session whose messages *we* acknowledge.

Called by ``mqtt``. aiomqtt 2 acknowledges on arrival, which would lose what a crash catches between arrival and
commit; ``_manual`` therefore reaches for paho's public ``manual_ack_set`` and ``ack`` through aiomqtt's private
``_client``, and is the only place that does (aiomqtt 3 has manual acknowledgement of its own; a test fails when the
attribute goes). What surprises: QoS 1 cannot overflow here, because the broker is told (Receive Maximum) how many
unacknowledged messages we take; only QoS 0 can, and what is dropped of it is told. A payload that nobody will read is let
go when it comes, since all that is unacknowledged lies in memory while the store is away.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from autoheal.errors import AutohealError
from autoheal.sources.payload import LARGEST
from autoheal.sources.secret import Credentials, Tls

T = TypeVar("T")
#: Seconds that a polite end of a connection may take.
LEAVING = 2.0
#: A larger packet than this the broker does not send us.
LARGEST_PACKET = 4 * 1024 * 1024
#: Payload bytes after which a batch is full.
BATCH_BYTES = 4 * 1024 * 1024
REFUSED = 128
_CODES = {
    133: "the broker does not take our client id",
    134: "the broker does not accept our user or password",
    135: "the broker does not allow us in: user, password or access list",
    142: "another client took over our client id",
}


class LinkError(AutohealError):
    """There is no connection, or no longer; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where to connect and as whom. ``client_id`` names the session that the broker keeps for ``keep`` seconds while we
    are away; ``window`` is how many messages may be unacknowledged, ``timeout`` is for one answer of the broker."""

    host: str
    port: int
    client_id: str
    credentials: Credentials = field(default_factory=Credentials)
    tls: Tls | None = None
    keep: int = 7 * 86_400
    keepalive: int = 10
    window: int = 256
    timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class Message:
    topic: str
    payload: bytes
    qos: int
    mid: int


class Inbox:
    """The queue between paho and us: it outlives no connection, ``refuse`` counts what is not kept: a QoS 0 message
    without room, and the payload of one that is too long."""

    def __init__(self, window: int, refuse: Callable[[str, str], None]) -> None:
        self._queue: asyncio.Queue[aiomqtt.Message] | None = None
        inbox = self

        class Bounded(asyncio.Queue[aiomqtt.Message]):
            def __init__(self, maxsize: int = 0) -> None:
                super().__init__(maxsize)
                inbox._queue = self

            def put_nowait(self, item: aiomqtt.Message) -> None:
                if len(item.payload) > LARGEST:
                    refuse("too_large", f"a message of {len(item.payload)} bytes, {LARGEST} are read")
                    item.payload = b""  # nothing to store, and still to be acknowledged
                if item.qos == 0 and self.qsize() >= window:
                    refuse("qos0_overflow", "messages at QoS 0 came faster than they could be stored")
                else:
                    super().put_nowait(item)

        self.kind: type[asyncio.Queue[aiomqtt.Message]] = Bounded

    def take(self) -> aiomqtt.Message | None:
        """One more message, without waiting: cheaper by far than aiomqtt's iterator."""
        try:
            return None if self._queue is None else self._queue.get_nowait()
        except asyncio.QueueEmpty:
            return None


@dataclass(slots=True)
class _Hand:
    """What ``_manual`` took hold of: paho's acknowledgement and disconnect; whether a socket was ever opened, and whether the
    session went on."""

    ack: Callable[[int, int], Any]
    leave: Callable[[], Any]
    opened: bool = False
    resumed: bool = False


@dataclass(slots=True)
class Link:
    """An open connection. ``resumed`` says that the broker had kept our session, and so all that came meanwhile."""

    resumed: bool
    _client: aiomqtt.Client
    _inbox: Inbox
    _ack: Callable[[int, int], Any]
    _next: asyncio.Task[aiomqtt.Message] | None = None

    async def batch(self, most: int, wait: float) -> list[Message]:
        """What has arrived, at most so many; empty when nothing came for ``wait`` seconds. Raises ``LinkError``."""
        if self._next is None:
            self._next = asyncio.ensure_future(anext(self._client.messages))
        done, _ = await asyncio.wait((self._next,), timeout=wait)
        if not done:
            return []
        first, self._next = self._next, None
        try:
            message: aiomqtt.Message | None = first.result()
        except aiomqtt.MqttError as error:
            raise LinkError(_sentence(error)) from None
        found: list[Message] = []
        size = 0
        while message is not None:
            payload = message.payload
            found.append(Message(message.topic.value, payload, message.qos, message.mid))
            size += len(payload)
            message = self._inbox.take() if len(found) < most and size < BATCH_BYTES else None
        return found

    def ack(self, messages: Sequence[Message]) -> None:
        """These are stored: the broker may forget them. On a broken connection it does nothing, they come again."""
        for message in messages:
            if message.qos:
                self._ack(message.mid, message.qos)

    async def subscribe(self, filters: Sequence[str]) -> None:
        """QoS 1, and retained messages only for a subscription that is new; raises ``LinkError`` when one is refused."""
        options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
        for topic in filters:
            for code in await _alone(self._client.subscribe(topic, options=options)):
                if (code if isinstance(code, int) else code.value) >= REFUSED:
                    raise LinkError(f"the broker does not let us subscribe to {topic}: {code}")

    async def close(self) -> None:
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)


@asynccontextmanager
async def connected(broker: Broker, refuse: Callable[[str, str], None]) -> AsyncIterator[Link]:
    """Connect, and leave without ending the session. ``refuse`` counts what ``Inbox`` does not keep. Raises ``LinkError`` or ``SecretError``."""
    password = await asyncio.to_thread(broker.credentials.password)
    tls = await asyncio.to_thread(broker.tls.context) if broker.tls else None
    inbox = Inbox(broker.window, refuse)
    client = _client(broker, password, tls, inbox)
    hand = _manual(client)
    await _enter(client, hand)
    link = Link(hand.resumed, client, inbox, hand.ack)
    try:
        yield link
    except aiomqtt.MqttError as error:
        raise LinkError(_sentence(error)) from None
    finally:
        await link.close()
        await _left(client)


async def _left(client: aiomqtt.Client) -> None:
    """Leave, as politely as that is quickly done: a broken connection cannot be, and that must not hide why we leave (a
    cancellation above all), nor hold up who waits for it."""
    leaving = asyncio.ensure_future(client.__aexit__(None, None, None))
    try:
        await asyncio.wait({leaving}, timeout=LEAVING)
    finally:
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)


async def _alone(work: Coroutine[Any, Any, T]) -> T:
    """``work`` in a task of its own. aiomqtt waits with ``asyncio.wait_for``, which in Python 3.11 forgets a cancellation that
    comes together with the answer; whoever stops us would then wait for ever."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task})
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return task.result()


def _manual(client: aiomqtt.Client) -> _Hand:
    """The only use of aiomqtt's private parts: its paho client, of which everything used is public."""
    paho = client._client  # noqa: SLF001 - aiomqtt 2 has no manual acknowledgement; see the module's first lines
    paho.manual_ack_set(True)
    hand = _Hand(paho.ack, paho.disconnect)
    connect: Any = paho.on_connect
    socket_open: Any = paho.on_socket_open

    def on_connect(client: Any, userdata: Any, flags: Any, *rest: Any) -> None:
        hand.resumed = bool(flags.session_present)
        connect(client, userdata, flags, *rest)

    def on_socket_open(client: Any, userdata: Any, socket: Any) -> None:
        hand.opened = True
        socket_open(client, userdata, socket)

    paho.on_connect, paho.on_socket_open = on_connect, on_socket_open
    return hand


def _client(broker: Broker, password: str | None, tls: ssl.SSLContext | None, inbox: Inbox) -> aiomqtt.Client:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = broker.keep
    properties.ReceiveMaximum = broker.window
    properties.MaximumPacketSize = LARGEST_PACKET
    return aiomqtt.Client(
        broker.host,
        broker.port,
        username=broker.credentials.username or None,
        password=password,
        identifier=broker.client_id,
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=False,
        properties=properties,
        keepalive=broker.keepalive,
        timeout=broker.timeout,
        tls_context=tls,
        queue_type=inbox.kind,
    )


async def _enter(client: aiomqtt.Client, hand: _Hand) -> None:
    """Connect. aiomqtt does it in a thread that cannot be cancelled, so whoever is cancelled waits for its end: an open socket.
    Not for the broker's answer, which never comes when it closes the socket at once."""
    connecting = asyncio.ensure_future(client.__aenter__())
    try:
        await asyncio.shield(connecting)
    except asyncio.CancelledError:
        while not (connecting.done() or hand.opened):
            await asyncio.wait({connecting}, timeout=0.05)
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        hand.leave()
        raise
    except (aiomqtt.MqttError, ValueError) as error:
        hand.leave()
        raise LinkError(_sentence(error)) from None


def _sentence(error: BaseException) -> str:
    """What went wrong, with the cause that aiomqtt hides behind it."""
    cause: Any = error.__cause__ or error
    code = getattr(cause, "rc", None)
    value = getattr(code, "value", code)
    if isinstance(value, int) and value in _CODES:
        return _CODES[value]
    text = str(error) if cause is error else f"{error}: {cause}"
    return " ".join(text.split())[:200]
