"""``Recorder``: what a model service calls for each prediction and outcome. It costs an append, and never raises.

Made once per model and process; a thread of its own starts with the first row and sends in the background, so it works
in threaded and asynchronous services alike. What surprises: after a fork the child has a recorder of its own, empty and
without a thread yet, because what the parent holds the parent will send.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import weakref
from typing import TYPE_CHECKING, NamedTuple

from autoheal.recorder.buffer import BATCH, Buffer
from autoheal.recorder.now import ticks, unix

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from autoheal.recorder.buffer import Drop
    from autoheal.recorder.decorate import Pick
    from autoheal.recorder.sender import Out, Sender

#: Where the daemon listens unless told otherwise, and the topics that it reads unless told otherwise.
SOCKET = "unix:/run/autoheal/control.sock"
TOPIC = "autoheal/{model}/{kind}s"
#: Seconds that the end of a process waits for what was not sent.
AT_EXIT = 2.0

#: Seconds that a row waits for company at least: a thread that never rests would slow the service.
SHORTEST = 0.01

_living: weakref.WeakSet[Recorder] = weakref.WeakSet()


class Stats(NamedTuple):
    """What became of everything recorded in this process.

    ``dropped`` had no room, ``unusable`` could not be written as JSON, ``refused`` was not taken by the daemon,
    ``waiting`` is not sent yet (after ``close``: lost); ``failures`` counts tries that reached nobody, ``last_error`` the last reason.
    """

    recorded: int
    sent: int
    waiting: int
    dropped: int
    unusable: int
    refused: int
    duplicates: int
    failures: int
    last_error: str


class Recorder:
    """Records for one ``model``, sent ``to`` the daemon: ``unix:/path``, ``http(s)://host:port``, ``mqtt(s)://host``.

    ``capacity`` rows wait at most (and one batch is on its way); a full buffer drops the ``oldest`` or the ``newest``.
    ``every`` is how long a row waits for company, ``timeout`` for one answer, both in seconds.
    """

    def __init__(
        self,
        model: str,
        *,
        version: str = "",
        to: str = SOCKET,
        capacity: int = 10_000,
        drop: Drop = "oldest",
        every: float = 0.5,
        timeout: float = 5.0,
        most_bytes: int = 32 * 1024 * 1024,
        token_file: str = "",
        username: str = "",
        password_file: str = "",
        ca_file: str = "",
        topic: str = TOPIC,
    ) -> None:
        if not to.startswith(("unix:/", "http://", "https://", "mqtt://", "mqtts://")):
            raise ValueError(f"{to!r}: write unix:/path, http://host:port or mqtt://host")
        if every < SHORTEST or timeout <= 0.0:
            raise ValueError(f"every is at least {SHORTEST} seconds, and timeout is above 0")
        self.model = model
        self.version = version
        self._to = to
        self._timing = {"every": every, "timeout": timeout}
        self._room = (capacity, drop, most_bytes)
        self._http = {"token_file": token_file, "ca_file": ca_file}
        self._mqtt = {
            "username": username,
            "password_file": password_file,
            "ca_file": ca_file,
            "topic": topic,
        }
        self._begin()
        _living.add(self)

    def prediction(
        self,
        id: str | int,  # noqa: A002 - the record's own word
        features: Mapping[str, Any],
        prediction: Any = None,
        *,
        score: float | None = None,
        latency_ms: float | None = None,
        error: str | None = None,
        version: str = "",
        time: float | None = None,
        by: str | None = None,
    ) -> bool:
        """Record one answer of the model; False when it was dropped. The features are copied."""
        try:
            row = (
                "prediction", id, unix() if time is None else time, version or self.version, dict(features),
                prediction, score, latency_ms, error, by,
            )  # fmt: skip
        except Exception:  # noqa: BLE001 - nothing that is recorded may break the service
            self._buffer.drop()
            return False
        return self._put(row)

    def outcome(self, id: str | int, label: Any, *, time: float | None = None) -> bool:  # noqa: A002 - as above
        """Record the truth about a prediction, from whichever process learns it."""
        return self._put(("outcome", id, unix() if time is None else time, label))

    def metric(self, name: str, value: float, *, time: float | None = None) -> bool:
        """Record one sample of a metric of the service."""
        return self._put(("metric", name, unix() if time is None else time, value))

    def exchange(self, read: Callable[[Any], Any], exchange: Any, weight: int) -> bool:
        """Record what ``read`` will find in an exchange of ``weight`` bytes, in the background; for the middleware."""
        if self._closed:
            self._buffer.drop()
            return False
        kept = self._buffer.put_heavy(weight, read, exchange)
        self._awake()
        return kept

    def unusable(self) -> None:
        """Count something that could not be made a row of; for the decorator and the middleware."""
        self._buffer.drop()

    def predicts(
        self,
        *,
        id: Pick | None = None,  # noqa: A002 - as above
        features: Pick | None = None,
        answer: Callable[[Any], Mapping[str, Any]] | None = None,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """A decorator for a function that predicts; see ``decorate.predicts``."""
        from autoheal.recorder.decorate import predicts  # noqa: PLC0415 - inspect is loaded by those who decorate

        return predicts(self, id, features, answer)

    def stats(self) -> Stats:
        """The counts so far; recorded = sent + waiting + dropped + unusable + refused while nothing is moving."""
        buffer, sender = self._buffer, self._sender
        waiting = len(buffer)
        if sender is None:
            return Stats(buffer.dropped + waiting, 0, waiting, buffer.dropped, 0, 0, 0, 0, "")
        return Stats(
            sender.recorded + waiting,
            sender.sent,
            waiting + sender.held,
            buffer.dropped,
            sender.unusable,
            sender.refused,
            sender.duplicates,
            sender.failures,
            sender.last_error,
        )

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until nothing waits; False when ``timeout`` seconds were not enough. Blocks: not for an event loop."""
        end = ticks() + timeout
        while self.stats().waiting:
            if self._sender is not None:
                self._sender.hurry()
            if ticks() >= end:
                return False
            threading.Event().wait(0.005)
        return True

    def close(self, timeout: float = 5.0) -> bool:
        """Send what waits, for ``timeout`` seconds at most, and record no more; True when nothing was lost."""
        self._stop(end := ticks() + timeout)
        if self._thread is not None:
            self._thread.join(max(end - ticks(), 0.0) + 0.5)
        return not self.stats().waiting

    def _stop(self, end: float) -> None:
        self._closed = True
        if self._sender is not None:
            self._sender.stop(end)

    def _begin(self) -> None:
        """As new; also in a child after a fork."""
        self._closed = False
        self._buffer = Buffer(*self._room)
        self._sender: Sender | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def _put(self, row: tuple[Any, ...]) -> bool:
        if self._closed:
            self._buffer.drop()
            return False
        buffer = self._buffer
        kept = buffer.put(row)
        if self._thread is None or len(buffer) >= BATCH:
            self._awake()
        return kept

    def _awake(self) -> None:
        """Start the thread, or tell it that a batch is full."""
        if self._sender is not None:
            self._sender.hurry()
        elif self._starting.acquire(blocking=False):
            try:
                self._start()
            except Exception:  # noqa: BLE001 - no thread to be had: the buffer fills, drops and counts
                self._sender = self._thread = None
            finally:
                self._starting.release()

    def _start(self) -> None:
        from autoheal.recorder.sender import Sender  # noqa: PLC0415 - loaded by the first row

        sender = Sender(self.model, self._buffer, self._out, **self._timing)
        thread = threading.Thread(target=sender.run, name=f"autoheal-recorder-{self.model}", daemon=True)
        thread.start()
        self._sender, self._thread = sender, thread
        if (workers := sys.modules.get("multiprocessing.util")) is not None:
            workers.Finalize(None, _ending, exitpriority=0)  # its processes end without asking atexit

    def _out(self) -> Out:
        """The way to the daemon, made in the background thread."""
        if self._to.startswith("mqtt"):
            from autoheal.recorder.mqtt_out import MqttOut  # noqa: PLC0415 - paho, for those who use it

            return MqttOut(self._to, self.model, **self._mqtt)
        from autoheal.recorder.http_out import HttpOut  # noqa: PLC0415 - http.client, off the service's start

        return HttpOut(self._to, **self._http)


def _forked() -> None:
    for recorder in list(_living):
        recorder._begin()  # noqa: SLF001 - the module's own class


def _ending() -> None:
    """All at once: a service with many recorders and no daemon ends as soon as one with one."""
    end, living = ticks() + AT_EXIT, list(_living)
    for recorder in living:
        recorder._stop(end)  # noqa: SLF001 - the module's own class
    for recorder in living:
        recorder.close(max(end - ticks(), 0.0))


os.register_at_fork(after_in_child=_forked)
atexit.register(_ending)
