"""``RecorderMiddleware``: records the predictions of an ASGI service from its requests and answers.

It passes every message on as it is, at once; copies of small bodies go to the buffer, and are read as JSON in the
recorder's thread. What surprises: bodies above ``most`` bytes are not recorded but counted, and at the service's
shutdown the recorder sends what it holds before the server is told that the service is down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoheal.recorder.now import ticks, unix

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
    from typing import Any

    from autoheal.recorder.recorder import Recorder

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class Exchange(NamedTuple):
    """One request and its answer. Header names are lower case; ``time`` is unix seconds, ``version`` the recorder's."""

    path: str
    headers: Mapping[str, str]
    request: bytes
    status: int
    response: bytes
    time: float
    latency_ms: float
    version: str


class RecorderMiddleware:
    """``read`` makes prediction records (mappings) of an exchange; ``paths`` may end in ``*``."""

    def __init__(
        self,
        app: App,
        recorder: Recorder,
        *,
        paths: Iterable[str] = ("/predict",),
        read: Callable[[Exchange], Iterable[Mapping[str, Any]]] | None = None,
        most: int = 64 * 1024,
        close_timeout: float = 5.0,
    ) -> None:
        self.app = app
        self.recorder = recorder
        self.paths = tuple(paths)
        self.most = most
        self.close_timeout = close_timeout
        self._read = read or _usual

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, self._closing(send))
        elif scope["type"] == "http" and scope["method"] == "POST" and self._ours(scope["path"]):
            await self._recorded(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _ours(self, path: str) -> bool:
        return any(path == p or (p.endswith("*") and path.startswith(p[:-1])) for p in self.paths)

    async def _recorded(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        asked, answered = _Copy(self.most), _Copy(self.most)
        # No status: nothing was answered, as when the client went away, which is no failure of the model.
        began, status = ticks(), 0

        async def hear() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                asked.add(message.get("body", b""))
            return message

        async def say(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                answered.add(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, hear, say)
        except Exception:
            status = status or 500
            raise
        finally:
            if status:
                self._note(scope, asked, status, answered, (ticks() - began) * 1000)

    def _note(
        self, scope: MutableMapping[str, Any], asked: _Copy, status: int, answered: _Copy, latency: float
    ) -> None:
        try:
            if asked.full or answered.full:
                self.recorder.unusable()
                return
            headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
            parts = (scope["path"], headers, bytes(asked.data), status, bytes(answered.data))
            exchange = Exchange(*parts, unix(), latency, self.recorder.version)
            self.recorder.exchange(self._read, exchange, len(asked.data) + len(answered.data) + 500)
        except Exception:  # noqa: BLE001 - nothing that is recorded may break the service
            self.recorder.unusable()

    def _closing(self, send: Send) -> Send:
        """Sends the last rows before the end of the service is announced."""

        async def say(message: Message) -> None:
            if message["type"] in {"lifespan.shutdown.complete", "lifespan.shutdown.failed"}:
                import asyncio  # noqa: PLC0415 - an ASGI service has it loaded, others need not

                await asyncio.get_running_loop().run_in_executor(
                    None, self.recorder.close, self.close_timeout
                )
            await send(message)

        return say


class _Copy:
    """The first bytes of a body; ``full`` when there were more."""

    __slots__ = ("data", "full", "most")

    def __init__(self, most: int) -> None:
        self.data = bytearray()
        self.most = most
        self.full = False

    def add(self, part: bytes) -> None:
        if len(self.data) + len(part) > self.most:
            self.full = True
            self.data.clear()
        if not self.full:
            self.data += part


def _usual(exchange: Exchange) -> Iterable[Mapping[str, Any]]:
    from autoheal.recorder.exchange import records  # noqa: PLC0415 - orjson, in the background thread

    return records(exchange)
