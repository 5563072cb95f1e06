"""What a model service pays for recording a prediction of 20 features, against a bare logging call and a queue.

The call is what the service's own thread pays, in microseconds. The whole is the CPU time of the process, with the
background thread that writes JSON, packs and sends it to a daemon in another process, against a logging call that
writes the same record as a line of JSON to a file. Import is a whole process that imports it and nothing else.
"""

from __future__ import annotations

import gc
import json
import logging
import queue
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from _shape import PYTHON, Row, main, paired, process, row

from autoheal.recorder import Recorder

FEATURES = {f"feature_{i:02}": i * 1.25 for i in range(19)} | {"country": "NL"}
ABOUT = "python benchmarks/recorder.py"
#: A daemon that takes everything, so that what is measured is the service's side.
DOOR = """
import http.server
class Door(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(202); self.send_header("content-length", "2"); self.end_headers(); self.wfile.write(b"{}")
    def log_message(self, *_): ...
door = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
print(door.server_port, flush=True)
door.serve_forever()
"""


@contextmanager
def daemon() -> Iterator[str]:
    with subprocess.Popen([PYTHON, "-c", DOOR], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        server.kill()


@contextmanager
def logger(file: Path) -> Iterator[logging.Logger]:
    one = logging.getLogger("service")
    one.setLevel(logging.INFO)
    one.propagate = False
    handler = logging.FileHandler(file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    one.addHandler(handler)
    yield one
    handler.close()


def per_call(call: Callable[[int], object], count: int) -> float:
    """Microseconds of one call, of the fastest of five runs."""
    best = float("inf")
    for _ in range(5):
        gc.collect()
        began = time.perf_counter()
        for i in range(count):
            call(i)
        best = min(best, time.perf_counter() - began)
    return best / count * 1e6


def calls(folder: Path, count: int) -> list[Row]:
    """The service's own thread: what one call costs. Nobody takes the rows meanwhile, so nothing is shared."""
    one = Recorder("m", version="v1", to="unix:/nowhere", capacity=10 * count, every=3600.0)
    waiting: queue.Queue[tuple[object, ...]] = queue.Queue()
    with logger(folder / "a.log") as log:
        ours = per_call(lambda i: one.prediction(i, FEATURES, 1.5, score=0.5, latency_ms=2.0), count)
        plain = per_call(lambda i: log.info("prediction %s %s", i, 1.5), count)
        put = per_call(lambda i: waiting.put((i, time.time(), "v1", dict(FEATURES), 1.5, 0.5, 2.0)), count)
    full = Recorder("m", version="v1", to="unix:/nowhere", capacity=100, every=3600.0)
    dropping = per_call(lambda i: full.prediction(i, FEATURES, 1.5, score=0.5, latency_ms=2.0), count)
    for recorder in (one, full):
        recorder.close(0.0)
    return [
        row("a call, against logger.info (us)", ours, plain, 0.5, ABOUT),
        row("a call, against queue.put (us)", ours, put, 1.5, ABOUT),
        row("a call with a full buffer (us)", dropping, plain, 0.75, ABOUT),
    ]


def whole(folder: Path, count: int) -> Row:
    """CPU of the process for one record, to the daemon or to the file."""
    with daemon() as to, logger(folder / "b.log") as log:
        one = Recorder("m", version="v1", to=to, capacity=2 * count)
        one.prediction("warm", FEATURES, 1.5)
        assert one.flush(30.0), one.stats()

        def ours() -> None:
            for i in range(count):
                one.prediction(i, FEATURES, 1.5, score=0.5, latency_ms=2.0)
            assert one.flush(60.0), one.stats()

        def peer() -> None:
            for i in range(count):
                log.info(json.dumps({"id": i, "features": FEATURES, "prediction": 1.5, "score": 0.5}))

        mine: list[float] = []
        theirs: list[float] = []
        for _ in range(3):
            for work, times in ((ours, mine), (peer, theirs)):
                began = time.process_time()
                work()
                times.append((time.process_time() - began) / count * 1e6)
        one.close()
        assert one.stats().dropped == 0
    return row("sent, against a JSON log line (us CPU)", min(mine), min(theirs), 1.0, ABOUT)


def measure(quick: bool) -> Sequence[Row]:
    count = 20_000 if quick else 100_000
    with tempfile.TemporaryDirectory() as name:
        rows = [*calls(Path(name), count), whole(Path(name), count // 2)]
    script = [PYTHON, "-c"]
    ours, peer = paired(
        process([*script, "import autoheal.recorder"]),
        process([*script, "import logging"]),
        9 if quick else 31,
    )
    return [
        *rows,
        row("import, against import logging (s)", ours, peer, 1.5, "python -c 'import autoheal.recorder'"),
    ]


if __name__ == "__main__":
    sys.exit(main(measure, __doc__ or ""))
