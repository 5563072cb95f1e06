"""Trainers as processes: ``python trainers.py MODE``. All but ``good`` misbehave in one way each."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path


def fit(job: dict) -> dict[str, float]:
    """Least squares of the label on ``x`` alone."""
    with Path(job["dataset"]).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    xs, ys = [float(r["x"]) for r in rows], [float(r[job["label"]]) for r in rows]
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    slope = sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True)) / sum((x - mx) ** 2 for x in xs)
    return {"slope": slope, "bias": my - slope * mx}


def finish(job: dict, model: dict[str, float], result: str | None = None) -> None:
    out = Path(job["out"])
    (out / "artefact").mkdir()
    (out / "artefact" / "model.json").write_text(json.dumps(model))
    good = {"metrics": {"mae": 1, "rmse": 2.5}, "parameters": {"kind": "linear"}, "code_revision": "abc123"}
    (out / "result.json").write_text(json.dumps(good) if result is None else result)


def nap(seconds: float) -> None:
    threading.Event().wait(seconds)


def main(mode: str) -> None:
    job = json.loads(Path(os.environ["AUTOHEAL_JOB"]).read_text())
    marks = Path(job["out"]).parent / "marks"
    with marks.open("a") as stream:
        stream.write(f"{os.getpid()}\n")
    if mode == "fail":
        sys.stdout.write("no convergence after 10 rounds\n")
        sys.exit(3)
    if mode == "fail_once" and len(marks.read_text().split()) == 1:
        sys.exit(3)
    if mode == "hang":
        nap(600)
    if mode == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen([sys.executable, "-c", "import threading; threading.Event().wait(600)"])
        nap(600)
    if mode == "loud":
        for n in range(40_000):
            sys.stdout.write(f"line {n} {'x' * 90}\n")
    if mode == "slow":
        nap(float(os.environ.get("SECONDS_TO_TRAIN", "2")))
    if mode == "nothing":
        return
    if mode == "no_artefact":
        (Path(job["out"]) / "result.json").write_text('{"metrics": {}}')
        return
    if mode == "link":
        finish(job, fit(job))
        (Path(job["out"]) / "artefact" / "passwd").symlink_to("/etc/passwd")
        return
    if mode == "worse":
        finish(job, {"slope": 0.0, "bias": 0.0})
        return
    if mode == "nan_model":
        finish(job, {"slope": float("nan"), "bias": 0.0})
        return
    if mode == "slow_model":
        finish(job, {**fit(job), "seconds": 0.06})
        return
    results = {
        "garbage": "\x00 not json",
        "nan": '{"metrics": {"mae": NaN}}',
        "list": "[]",
        "words": '{"metrics": {"mae": "low"}}',
    }
    finish(job, fit(job), results.get(mode))


if __name__ == "__main__":
    main(sys.argv[1])
