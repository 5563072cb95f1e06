"""A whole daemon with a thousand models of fifty features: does it keep its one-minute beat, and stay quick to talk to?

Starts ``autoheal run`` on a made configuration and registry, pushes a window of 1,000 labelled rows for every model, then
200 more rows a model each minute, and watches from outside for three minutes (``--quick``: a hundred models for one). CPU is that of the daemon's
process, in seconds a minute of the wall clock: below 60 one core carries the fleet. ``peer`` is what the machine gives or
the limit stands for; nothing here is compared with another product.
"""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import orjson
from _shape import PYTHON, Row, at_most, main
from _telemetry_rows import REGIONS, spec

from autoheal.actions.targets.registry import Registry
from autoheal.actions.targets.versions import NewVersion
from autoheal.store.reader import LogReader
from autoheal.telemetry import build_performance, build_reference

ABOUT = "python benchmarks/fleet.py"
FEATURES, WINDOW, A_MINUTE = 50, 1_000, 200


def measure(quick: bool) -> Sequence[Row]:
    models, minutes = (100, 1) if quick else (1_000, 3)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        port = _free_port()
        _make(place, models, port)
        with _daemon(place) as process, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as door:
            began = time.perf_counter()
            _wait(door, process)
            started = time.perf_counter() - began
            took = _push(door, models, WINDOW, 0)
            print(f"start {started:.1f} s; {models * WINDOW:,} rows with labels pushed in {took:.0f} s")
            _settle(place, models)
            rows = _watch(door, place, process.pid, models, minutes)
    return rows


def _make(place: Path, models: int, port: int) -> None:
    """Configuration files, and a registry with one version of each model."""
    (place / "conf").mkdir()
    (place / "autoheal.yaml").write_text(
        f"version: 1\nkind: daemon\nname: fleet\nlisten: 127.0.0.1:{port}\nconfig: [conf]\nmode: shadow\n"
        "telemetry: {memory_rows: 1000}\n"
    )
    base = spec("m", FEATURES)
    features = ", ".join(f"{f.name}: {{type: {f.kind}}}" for f in base.features)
    known = _reference()
    registry, past = Registry.open(place / "registry"), datetime.now(UTC) - timedelta(days=1)
    source = place / "source"
    source.mkdir()
    (source / "model.bin").write_bytes(b"weights")
    for i in range(models):
        (place / "conf" / f"m{i}.yaml").write_text(
            f"version: 1\nkind: model\nname: m{i}\ntask: classification\nfeatures: {{{features}}}\n"
            "monitors: {performance: {window: {rows: 1000}}, data_drift: {window: {rows: 1000}}}\n"
        )
        registry.register(f"m{i}", source, NewVersion("v1"), at=past, reference=known)
        registry.set_champion(f"m{i}", "v1", by="ci", at=past)


def _reference() -> dict[str, object]:
    rng, base, rows = np.random.default_rng(1), spec("m", FEATURES), 5_000
    columns = {
        f.name: rng.normal(0.0, 10.0, rows).tolist()
        if f.kind == "numeric"
        else rng.choice(REGIONS, rows).tolist()
        for f in base.features
    }
    truth, said, score = _answers(rng, rows)
    return build_reference(
        base.features, columns, build_performance(base.task, truth.tolist(), said.tolist(), score.tolist())
    )


def _answers(rng: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    truth = rng.integers(0, 2, rows)
    score = np.clip(0.8 * truth + 0.1 + rng.normal(0, 0.2, rows), 0.0, 1.0)
    return truth, (score > 0.5).astype(int), score


def _push(door: httpx.Client, models: int, rows: int, first: int) -> float:
    """``rows`` labelled answers of every model, the newest now; seconds."""
    names = [f.name for f in spec("m", FEATURES).features]
    rng = np.random.default_rng(first)
    columns = [np.round(rng.normal(0.0, 10.0, rows), 4).tolist() for _ in names[:-2]]
    columns += [rng.choice(REGIONS, rows).tolist() for _ in names[-2:]]
    features = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
    truth, said, score = (part.tolist() for part in _answers(rng, rows))
    now = time.time()

    def one(i: int) -> None:
        head = {"model": f"m{i}", "kind": "prediction", "version": "v1"}
        body = b"\n".join(
            orjson.dumps(
                head
                | {"id": f"r{first + n}", "time": now - 4.0 * (rows - n), "features": features[n]}
                | {"prediction": said[n], "score": score[n], "latency_ms": 3.0}
            )
            for n in range(rows)
        )
        labels = b"\n".join(
            orjson.dumps(
                {"kind": "outcome", "model": f"m{i}", "id": f"r{first + n}", "time": now, "label": truth[n]}
            )
            for n in range(rows)
        )
        for part in (body, labels):
            while True:
                answer = door.post(
                    "/v1/telemetry", content=part, headers={"content-type": "application/x-ndjson"}
                )
                if answer.status_code != 429:
                    break
                time.sleep(0.2)
            answer.raise_for_status()

    began = time.perf_counter()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(models)))
    return time.perf_counter() - began


def _watch(door: httpx.Client, place: Path, pid: int, models: int, minutes: int) -> Sequence[Row]:
    """What the daemon uses and how quickly it answers while new rows come."""
    waits: list[float] = []
    done = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=door.base_url, timeout=60) as own:
            while not done.wait(0.1):
                began = time.perf_counter()
                own.get("/healthz").raise_for_status()
                waits.append(time.perf_counter() - began)

    asking = threading.Thread(target=ask)
    asking.start()
    used, entries, began = _cpu(pid), _entries(place), time.perf_counter()
    for minute in range(minutes):
        _push(door, models, A_MINUTE, WINDOW + minute * A_MINUTE)
        time.sleep(max(began + 60.0 * (minute + 1) - time.perf_counter(), 0.0))
    past = (time.perf_counter() - began) / 60.0
    used, entries = (_cpu(pid) - used) / past, (_entries(place) - entries) / past
    done.set()
    asking.join()
    view, snapshots, size = _view(place), [], 0
    for _ in range(5):
        asked = time.perf_counter()
        size = len(view.get("/v1/snapshot").content)
        snapshots.append(time.perf_counter() - asked)
    ages = _ages(view)
    what = f"{models} models"
    print(f"{entries:.0f} log entries a minute, snapshot {size / 2**20:.1f} MiB")
    return [
        at_most(f"{what}: CPU of the daemon (s a minute)", used, 60.0, 60.0, ABOUT),
        at_most(f"{what}: oldest look at a model (s), beat", max(ages), 60.0, 120.0, ABOUT),
        at_most(f"{what}: /healthz p99 (ms)", float(np.quantile(waits, 0.99)) * 1e3, 100.0, 250.0, ABOUT),
        at_most(f"{what}: /v1/snapshot (ms)", statistics.median(snapshots) * 1e3, 1_000.0, None, ABOUT),
        at_most(f"{what}: memory (MB)", _resident(pid), 1_000.0, None, ABOUT),
    ]


def _view(place: Path) -> httpx.Client:
    """The dashboard's door."""
    door = httpx.HTTPTransport(uds=str(place / "run" / "view.sock"))
    return httpx.Client(transport=door, base_url="http://autoheal", timeout=60)


def _ages(view: httpx.Client) -> list[float]:
    """Seconds since each model's newest point of its performance, by the daemon's clock."""
    document = view.get("/v1/snapshot").json()["series"]
    now = time.time()
    newest = [
        max(datetime.fromisoformat(point[0]).timestamp() for point in points)
        for metrics in document.values()
        for path, points in metrics.items()
        if path == "performance/accuracy" and points
    ]
    return [now - at for at in newest] or [float("inf")]


def _settle(place: Path, models: int) -> None:
    """Until every model was looked at."""
    for _ in range(600):
        with closing(LogReader.open(place / "state")) as log:
            seen = {e.event.finding.target for e in log.of_kind("finding_observed")}  # type: ignore[union-attr]
        if len(seen) >= models:
            return
        time.sleep(1.0)
    raise SystemExit("the daemon does not get round")


def _entries(place: Path) -> float:
    with closing(LogReader.open(place / "state")) as log:
        return float(log.head().seq)


@contextmanager
def _daemon(place: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (place / "log.txt").open("wb") as log:
        argv = [PYTHON, "-m", "autoheal", "run", "--config", str(place / "autoheal.yaml")]
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _wait(door: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1_200):
        if process.poll() is not None:
            raise SystemExit("the daemon ended")
        try:
            if door.get("/healthz").status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise SystemExit("the daemon does not answer")


def _cpu(pid: int) -> float:
    """Seconds of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main(measure, __doc__ or ""))
