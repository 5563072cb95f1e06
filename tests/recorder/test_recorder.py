"""The recorder against the daemon's own door: everything arrives once, or is counted, and the service never notices."""

from __future__ import annotations

import asyncio
import functools
import gc
import multiprocessing
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoheal.recorder import Recorder
from autoheal.recorder.buffer import Buffer
from tests.contracts.servers import free_port
from tests.recorder.conftest import Door, until


@contextmanager
def recording(to: str, **rest: Any) -> Iterator[Recorder]:
    one = Recorder("fraud", **({"version": "v1", "to": to, "every": 0.02, "timeout": 2.0} | rest))
    try:
        yield one
    finally:
        one.close(0.0)


def conserved(one: Recorder) -> bool:
    s = one.stats()
    return s.recorded == s.sent + s.waiting + s.dropped + s.unusable + s.refused


def test_predictions_outcomes_and_metrics_arrive(door: Door) -> None:
    door.start()
    with recording(door.to) as one:
        assert one.prediction(
            "a", {"amount": 3.5, "country": "NL", "x": None}, "yes", score=0.9, latency_ms=2.0
        )
        assert one.prediction(7, {}, error="timeout", by="fallback", version="v2", time=1e9)
        assert one.outcome("a", "no")
        assert one.metric("queue_depth", 4)
        assert one.flush()
        assert one.close()
        assert not one.prediction("late", {}, "yes"), "closed"
        assert one.stats()[:5] == (5, 4, 0, 1, 0)
    stored = door.rows(
        "SELECT id, version, prediction, score, latency_ms, error, label FROM predictions ORDER BY seq"
    )
    assert stored == [
        ("a", "v1", "yes", 0.9, 2.0, None, "no"),
        ("7", "v2", None, None, None, "timeout", None),
    ]
    metrics = dict(door.rows("SELECT name, value FROM metrics"))
    assert metrics["queue_depth"] == 4.0


def test_a_unix_socket(door: Door) -> None:
    with tempfile.TemporaryDirectory(prefix="ah-") as short:
        path = Path(short) / "s"
        door.start(path)
        with recording(f"unix:{path}") as one:
            one.prediction("a", {}, "yes")
            assert one.flush(), one.stats()
        door.stop()
    assert door.ids() == ["a"]


def test_the_daemon_goes_and_comes_back_and_nothing_is_lost_or_doubled(door: Door) -> None:
    door.start()
    with recording(door.to, capacity=5000, timeout=0.5) as one:
        for i in range(1000):
            one.prediction(i, {"x": float(i)}, "yes")
            one.metric("m", float(i))
        until(lambda: one.stats().sent > 0)
        door.stop()
        for i in range(1000, 1500):
            one.prediction(i, {"x": float(i)}, "yes")
            one.metric("m", float(i))
        until(lambda: one.stats().failures, one.stats)
        door.start()
        assert one.flush(20.0), one.stats()
        assert conserved(one)
        assert one.stats().sent == 3000
    assert sorted(map(int, door.ids())) == list(range(1500))
    assert sorted(v for (v,) in door.rows("SELECT value FROM metrics WHERE name = 'm'")) == list(range(1500))


@pytest.mark.parametrize("drop", ["oldest", "newest"])
def test_a_full_buffer_drops_as_told_and_the_daemon_hears_of_it(door: Door, drop: str) -> None:
    with recording(door.to, capacity=100, drop=drop, every=30.0) as one:
        for i in range(1000):
            one.prediction(i, {}, "yes")
        assert one.stats().dropped + one.stats().waiting == 1000
        assert one.stats().dropped >= 300, "at most a batch is on its way beside the buffer"
        door.start()
        assert one.close(10.0), one.stats()
        assert conserved(one)
        dropped = one.stats().dropped
    kept = set(map(int, door.ids()))
    assert len(kept) == 1000 - dropped
    assert (999 in kept) == (drop == "oldest")
    told = dict(door.rows("SELECT name, value FROM metrics"))
    assert told == {"recorder_dropped": dropped, "recorder_dropped_share": dropped / 1000}


def test_bad_rows_cost_nothing_but_themselves(door: Door) -> None:
    door.start()
    with recording(door.to, every=5.0) as one:
        one.prediction("a", {"x": 1.0}, "yes")
        one.prediction("b", {"x": object()}, "yes")
        one.prediction("c", {"x": [1, 2]}, "yes")
        one.prediction("d", 7, "yes")  # type: ignore[arg-type]
        one.prediction("e" * 500, {}, "yes")
        one.prediction("f", {}, float("nan"))
        one.prediction("g", {"x": float("nan")}, "yes")
        assert one.close()
        s = one.stats()
        assert (s.recorded, s.sent, s.unusable, s.refused, s.dropped) == (7, 2, 1, 3, 1)
        assert "422" in s.last_error
        assert conserved(one)
    assert door.ids() == ["a", "g"]
    assert sum(v for (v,) in door.rows("SELECT value FROM metrics WHERE name = 'recorder_dropped'")) == 5


def test_rows_that_are_all_bad_are_given_up_after_a_few_tries(door: Door) -> None:
    door.start()
    with recording(door.to, every=5.0) as one:
        for i in range(400):
            one.prediction(i, {"x": []}, "yes")
        assert one.close()
        assert one.stats().refused == 400
    assert door.refused["bad_row"] <= 25


def test_a_model_that_is_not_known_yet_is_waited_for(door: Door) -> None:
    spec = dict(door.models)
    door.models.clear()
    door.start()
    with recording(door.to) as one:
        one.prediction("a", {}, "yes")
        until(lambda: "404" in one.stats().last_error)
        door.stop()
        door.models.update(spec)
        door.start()
        assert one.flush(), one.stats()
    assert door.ids() == ["a"]


def test_an_end_without_a_daemon_comes_in_time() -> None:
    with recording(f"http://127.0.0.1:{free_port()}") as one:
        one.prediction("a", {}, "yes")
        assert not one.close(0.2)
        assert one._thread is not None
        assert not one._thread.is_alive()
        assert one.stats().waiting == 1
        assert "Refused" in one.stats().last_error


def test_a_daemon_that_says_nothing_does_not_hold_the_service() -> None:
    with threading_server() as port, recording(f"http://127.0.0.1:{port}", timeout=0.1) as one:
        for i in range(5000):
            one.prediction(i, {}, "yes")
        until(lambda: one.stats().failures > 1, one.stats)
        assert not one.close(0.1)


@contextmanager
def threading_server() -> Iterator[int]:
    """Listens, and never says a word."""
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(10)
        yield listener.getsockname()[1]


def test_many_threads(door: Door) -> None:
    door.start()
    with recording(door.to) as one:

        def work(start: int) -> None:
            for i in range(start, start + 500):
                one.prediction(i, {"x": i}, "yes")

        threads = [threading.Thread(target=work, args=(500 * n,)) for n in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert one.flush()
        assert one.stats().sent == 4000
    assert len(set(door.ids())) == 4000


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_records_its_own_and_not_its_parents(door: Door) -> None:
    door.start()
    with recording(door.to, every=0.2) as one:
        one.prediction("parent", {}, "yes")

        def child(answer: Any) -> None:
            kept = one.prediction("child", {}, "yes")
            answer.put((kept, one.close(5.0), one.stats()[:2]))

        context = multiprocessing.get_context("fork")
        queue = context.SimpleQueue()
        process = context.Process(target=child, args=(queue,))
        process.start()
        assert queue.get() == (True, True, (1, 1))
        process.join()
        assert one.flush()
    assert sorted(door.ids()) == ["child", "parent"]


def test_a_process_that_ends_sends_what_it_holds(door: Door) -> None:
    door.start()
    code = f"from autoheal.recorder import Recorder\nr = Recorder('fraud', version='v1', to='{door.to}', every=60.0)\nr.prediction('a', {{}}, 'yes')"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    assert door.ids() == ["a"]


def test_a_worker_process_that_ends_sends_what_it_holds(door: Door) -> None:
    """Processes of multiprocessing end without asking ``atexit``."""
    door.start()
    with recording(door.to, every=60.0) as one:
        for method in ("fork", "forkserver"):
            process = multiprocessing.get_context(method).Process(target=_work, args=(door.to, method))
            process.start()
            process.join()
            assert process.exitcode == 0
        process = multiprocessing.get_context("fork").Process(
            target=one.prediction, args=("inherited", {}, 1)
        )
        process.start()
        process.join()
    assert sorted(door.ids()) == ["fork", "forkserver", "inherited"]


def _work(to: str, name: str) -> None:
    Recorder("fraud", version="v1", to=to, every=60.0).prediction(name, {}, "yes")


def test_many_recorders_end_together() -> None:
    code = (
        "from autoheal.recorder import Recorder\n"
        "many = [Recorder('fraud', version='v1', to='unix:/nowhere/x', every=60.0) for _ in range(8)]\n"
        "assert all(one.prediction('a', {}, 1) for one in many)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=10)  # two seconds, and not two each


INTERRUPTED = """
import contextlib, faulthandler, os, queue, sys
from autoheal.recorder import Recorder
faulthandler.dump_traceback_later(10, exit=True)
one, left = Recorder("fraud", version="v1", to="unix:/nowhere/x", every=60.0), 0
def trace(frame, event, arg):
    global left
    left -= event == "line"
    if left == 0:
        one.prediction("handler", {}, 1)
    return trace
for _ in range(2000):
    one.prediction("a", {}, 1)
for line in range(1, 60):
    while not one._sender._wake.empty():  # it has heard so far
        with contextlib.suppress(queue.Empty):
            one._sender._wake.get_nowait()
    left = line
    sys.settrace(trace)
    one.prediction("a", {}, 1)
    sys.settrace(None)
print(one.stats().recorded)
os._exit(0)
"""


def test_a_signal_handler_may_record_in_the_middle_of_recording() -> None:
    """At each line of it; the trace stands for the handler, which Python calls between two lines."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], check=False, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert 2059 < int(done.stdout) <= 2118


def test_importing_it_loads_nothing_heavy() -> None:
    code = (
        "import sys\nbefore = set(sys.modules)\nimport autoheal.recorder\n"
        "print(*{m.split('.')[0] for m in set(sys.modules) - before})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=30
    )
    heavy = {
        "numpy",
        "pydantic",
        "pydantic_core",
        "orjson",
        "http",
        "ssl",
        "asyncio",
        "paho",
        "logging",
        "inspect",
        "json",
    }
    assert not set(done.stdout.split()) & heavy


def test_numpy_scalars_are_numbers(door: Door) -> None:
    import numpy as np

    door.start()
    with recording(door.to) as one:
        one.prediction(
            np.int64(3), {"x": np.float32(0.5), "b": np.bool_(True)}, np.int64(1), score=np.float64(0.25)
        )
        assert one.flush()
        assert one.stats().sent == 1, one.stats()
    assert door.rows("SELECT id, prediction, score, features FROM predictions") == [
        ("3", 1, 0.25, '{"x":0.5,"b":true}')
    ]


def test_values_of_databases_and_tables_are_taken(door: Door) -> None:
    class Timestamp(datetime):
        """As pandas has it."""

    class NaTType(datetime):
        """Likewise: no time."""

    class NAType:
        """Likewise: no value."""

    door.start()

    class Tensor:
        """As torch has it: one value, and a size that is a method."""

        def size(self) -> list[int]:
            return []

        def item(self) -> float:
            return 0.5

    class Tensors(Tensor):
        def item(self) -> float:
            raise RuntimeError("has more than one element")

    features = {
        "tensor": Tensor(),
        "price": Decimal("9.5"),
        "day": Timestamp(2026, 1, 2),
        "no": NAType(),
        "never": NaTType(1, 1, 1),
    }
    with recording(door.to) as one:
        one.prediction("a", features, Decimal(1))
        one.prediction("b", {"x": Tensors()}, 1)
        assert one.flush()
        assert (one.stats().sent, one.stats().unusable) == (1, 1), one.stats()
    assert door.rows("SELECT prediction, features FROM predictions") == [
        (1.0, '{"tensor":0.5,"price":9.5,"day":"2026-01-02T00:00:00","no":null,"never":null}')
    ]


class TestDecorator:
    def test_plain_and_asynchronous_functions(self, door: Door) -> None:
        door.start()
        with recording(door.to) as one:

            @one.predicts(id="request")
            def scorer(features: dict[str, Any], request: str) -> dict[str, Any]:
                return {"prediction": "yes", "score": 0.7, "version": "v9"}

            @one.predicts(
                id=lambda row: row["id"],
                features=lambda row: row["f"],
                answer=lambda said: {"prediction": said[0]},
            )
            async def later(row: dict[str, Any]) -> tuple[str, int]:
                await asyncio.sleep(0)
                return ("no", 1)

            assert scorer({"x": 1.0}, request="a") == {"prediction": "yes", "score": 0.7, "version": "v9"}
            assert asyncio.run(later({"id": "b", "f": {"x": 2.0}})) == ("no", 1)
            assert one.flush()
        found = door.rows(
            "SELECT id, version, features, prediction, score, latency_ms >= 0 FROM predictions ORDER BY id"
        )
        assert found == [("a", "v9", '{"x":1.0}', "yes", 0.7, 1), ("b", "v1", '{"x":2.0}', "no", None, 1)]

    def test_errors_pass_and_are_recorded(self, door: Door) -> None:
        door.start()
        with recording(door.to) as one:

            @one.predicts(id="i")
            def broken(features: dict[str, Any], i: str = "z") -> None:
                raise ZeroDivisionError(f"{i}")

            with pytest.raises(ZeroDivisionError):
                broken({"x": 1.0}, "a")
            assert one.flush()
        assert door.rows("SELECT id, error FROM predictions") == [("a", "ZeroDivisionError")]

    def test_features_are_those_that_were_asked_about(self, door: Door) -> None:
        door.start()
        with recording(door.to) as one:

            @one.predicts(id="i")
            def scorer(features: dict[str, Any], i: str) -> float:
                features["x"] = features.pop("raw") / 2
                return float(features["x"])

            assert scorer({"raw": 3.0}, "a") == 1.5
            assert one.flush()
        assert door.rows("SELECT features, prediction FROM predictions") == [('{"raw":3.0}', 1.5)]

    def test_whatever_returns_an_awaitable(self, door: Door) -> None:
        class Model:
            async def __call__(self, features: dict[str, Any], i: str) -> str:
                if i == "bad":
                    raise ZeroDivisionError
                return "yes"

        door.start()
        with recording(door.to) as one:
            asked: Callable[..., Any] = one.predicts(id="i")(Model())
            part: Callable[..., Any] = one.predicts(id="i")(functools.partial(Model().__call__, i="b"))
            assert asyncio.run(asked({"x": 1.0}, "a")) == "yes"
            assert asyncio.run(part({"x": 1.0})) == "yes"
            with pytest.raises(ZeroDivisionError):
                asyncio.run(asked({"x": 1.0}, i="bad"))
            assert one.flush()
        assert door.rows("SELECT id, prediction, error FROM predictions ORDER BY id") == [
            ("a", "yes", None),
            ("b", "yes", None),
            ("bad", None, "ZeroDivisionError"),
        ]

    def test_a_function_that_yields_is_refused_when_it_is_decorated(self) -> None:
        async def parts(features: dict[str, Any]) -> Any:
            yield 1

        with recording(f"http://127.0.0.1:{free_port()}") as one:
            for function in (parts, lambda features: (yield features)):
                with pytest.raises(ValueError, match="has no one answer"):
                    one.predicts()(function)

    def test_what_cannot_be_recorded_does_not_reach_the_caller(self) -> None:
        with recording(f"http://127.0.0.1:{free_port()}") as one:
            odd: Callable[..., Any] = one.predicts(id=lambda **_: 1 / 0)(lambda **k: 5)
            assert odd(x=1) == 5
            assert one.stats().dropped == 1
            with pytest.raises(ValueError, match="no argument 'nothing'"):
                one.predicts(id="nothing")(lambda a: a)


@given(
    capacity=st.integers(1, 20),
    drop=st.sampled_from(["oldest", "newest"]),
    steps=st.lists(st.one_of(st.integers(0, 15), st.tuples(st.integers(1, 60))), max_size=40),
)
def test_the_buffer_counts_every_row_whatever_happens(capacity: int, drop: Any, steps: list[Any]) -> None:
    buffer, model, put, taken = Buffer(capacity, drop, 100), [], 0, 0
    for step in steps:
        if isinstance(step, tuple):
            put += 1
            buffer.put_heavy(step[0], "read", put)
        elif step % 3:
            put += 1
            kept = buffer.put(("row", put))
            assert kept or drop == "newest"
        else:
            taken += len(model := buffer.take(step))
            assert len(model) <= step
        assert len(buffer) <= capacity
        assert buffer._bytes <= 100
        assert put == taken + buffer.dropped + len(buffer)
    buffer.take(1000)
    assert buffer._bytes == 0


@pytest.mark.parametrize(
    "bad", [{"to": "ftp://x"}, {"capacity": 0}, {"drop": "some"}, {"every": 0.0}, {"timeout": 0.0}]
)
def test_settings_that_make_no_sense_are_refused_at_once(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"write unix|at least one row|above 0"):
        Recorder("fraud", **bad)


def test_a_forgotten_recorder_is_freed() -> None:
    import weakref

    one = Recorder("fraud", version="v1")
    ref = weakref.ref(one)
    del one
    gc.collect()
    assert ref() is None
