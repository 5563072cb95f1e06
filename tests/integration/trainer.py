"""A tiny real trainer under the pipeline protocol: the threshold that separates best. It can be told to misbehave by a
file beside it in its working directory: ``fail``, ``hang`` or ``worse``."""

from __future__ import annotations

import csv
import json
import os
import sys
import time
from pathlib import Path

job = json.loads(Path(os.environ["AUTOHEAL_JOB"]).read_text())
mood = next((m for m in ("fail", "hang", "worse") if Path(m).exists()), "")
if mood == "fail":
    sys.stderr.write("the disk of the trainer is full\n")
    sys.exit(3)
if mood == "hang":
    time.sleep(600)
with Path(job["dataset"]).open(newline="") as stream:
    rows = [(float(r["x"]), int(float(r[job["label"]]))) for r in csv.DictReader(stream)]
best = min((n / 20 for n in range(-40, 41)), key=lambda t: sum((x > t) != bool(y) for x, y in rows))
out = Path(job["out"])
(out / "artefact").mkdir(parents=True, exist_ok=True)
(out / "artefact" / "model.json").write_text(json.dumps({"threshold": 9.0 if mood == "worse" else best}))
(out / "result.json").write_text(json.dumps({"metrics": {"rows": float(len(rows))}, "code_revision": "t1"}))
