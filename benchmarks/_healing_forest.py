"""The random forest that the healing benchmark's models are, and its trainer: run as a command, as any pipeline's.

``python _healing_forest.py`` with AUTOHEAL_JOB in the environment is what ``pipeline.train`` starts: it reads job.json
and the data set, learns, and leaves the artefact and result.json. ``fit`` is the same forest for the peers, in process.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

Floats = NDArray[np.float64]
TREES = 30


def fit(rows: Floats, labels: Sequence[Any]) -> Any:
    """A forest on (rows, features); the seed is fixed, so the same rows give the same forest."""
    return RandomForestClassifier(TREES, random_state=0).fit(rows, np.asarray(labels))


def load(folder: Path) -> Any:
    return joblib.load(folder / "forest.joblib")


def save(forest: Any, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(forest, folder / "forest.joblib")


def main() -> None:
    job: dict[str, Any] = json.loads(Path(os.environ["AUTOHEAL_JOB"]).read_text())
    with Path(job["dataset"]).open(newline="") as stream:
        raws = list(csv.DictReader(stream))
    rows = np.array([[float(raw[name]) for name in job["features"]] for raw in raws])
    labels = [raw[job["label"]] for raw in raws]
    out = Path(job["out"])
    save(fit(rows, labels), out / "artefact")
    (out / "result.json").write_text(json.dumps({"metrics": {}, "parameters": {"rows": len(rows)}}))


if __name__ == "__main__":
    main()
