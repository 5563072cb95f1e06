"""The demo's trainer, a command as any pipeline's: ``python -m autoheal.demo.train`` with AUTOHEAL_JOB in its environment.

Reads job.json and the data set that it names, learns, and leaves an artefact and result.json where the job says. It
knows nothing of why it was called.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path
from typing import Any

from autoheal.demo import estimator
from autoheal.demo.estimator import Estimator


def main() -> int:
    job: dict[str, Any] = json.loads(Path(os.environ["AUTOHEAL_JOB"]).read_text())
    types: dict[str, str] = job["types"]
    rows, labels = read(Path(job["dataset"]), types, job["label"])
    held, truth = read(Path(job["holdout"]), types, job["label"])
    model = Estimator(job["task"], types).fit(rows, labels)
    out = Path(job["out"])
    estimator.save(model, out / "artefact")
    predictions, _ = model.predict(held)
    result = {
        "metrics": {"holdout_error": error(job["task"], predictions, truth)},
        "parameters": {"trees": estimator.TREES, "rows": len(rows)},
        "code_revision": "demo-1",
    }
    (out / "result.json").write_text(json.dumps(result))
    return 0


def read(path: Path, types: dict[str, str], label: str) -> tuple[list[dict[str, Any]], list[float]]:
    """Rows and labels of a CSV data set; empty cells are missing."""
    with path.open(newline="", encoding="utf-8") as stream:
        raws = list(csv.DictReader(stream))
    rows = [{name: _cell(kind, raw[name]) for name, kind in types.items()} for raw in raws]
    return rows, [float(raw[label]) for raw in raws]


def _cell(kind: str, text: str) -> float | str | None:
    if not text:
        return None
    return float(text) if kind == "numeric" else text


def error(task: str, predictions: list[float], truth: list[float]) -> float:
    """Mean absolute error, or the share of wrong classes."""
    if not truth:
        return 0.0
    wrong = (
        abs(p - t) if task == "regression" else float(p != t) for p, t in zip(predictions, truth, strict=True)
    )
    return sum(wrong) / len(truth)


if __name__ == "__main__":
    sys.exit(main())
