"""The public series as tables with their truth, from the folder that ``--data`` or AUTOHEAL_DATA names.

The data are not part of the package: NAB (data/, labels/combined_windows.json), Microsoft's cloud-monitoring-dataset,
the Turing Change Point Dataset (series/*.json, annotations.json), NannyML's car loans, labelled streams. Files may be
gzipped. Missing folders end in one sentence. Called by real_data.py.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from _real_scores import Span, spans

from autoheal.detect.engine import Options
from autoheal.detect.table import Table, read


@dataclass(frozen=True, slots=True)
class Series:
    """A metric: its table, the options that name its columns, and what people marked in it."""

    name: str
    table: Table
    options: Options
    marked: list[Span]
    annotations: Sequence[Sequence[int]] = ()

    @property
    def values(self) -> list[str]:
        return self.table.columns[self.options.value]


def data_folder() -> Path:
    """``--data DIR``, taken out of the command line, or AUTOHEAL_DATA."""
    given = os.environ.get("AUTOHEAL_DATA", "")
    if "--data" in sys.argv[:-1]:
        place = sys.argv.index("--data")
        given = sys.argv[place + 1]
        del sys.argv[place : place + 2]
    if not (Path(given) / "nab").is_dir() and not {"-h", "--help"} & set(sys.argv):
        raise SystemExit(
            "real_data: no folder with nab/, mscloud/, ...: name it by --data DIR or AUTOHEAL_DATA"
        )
    return Path(given)


def found(root: Path, pattern: str) -> list[Path]:
    files = sorted(root.glob(pattern))
    if not files:
        raise SystemExit(f"real_data: nothing matches {root / pattern}: name the data folder by --data")
    return files


def json_of(path: Path) -> Any:
    raw = path.read_bytes()
    return json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)


def nab(root: Path) -> Iterator[Series]:
    windows = json_of(found(root, "nab/labels/combined_windows.json")[0])
    for path in found(root, "nab/data/*/*.csv*"):
        name = f"{path.parent.name}/{path.name.removesuffix('.gz')}"
        table = read(path)
        at = [datetime.fromisoformat(cell) for cell in table.columns["timestamp"]]
        marked = []
        for start, end in windows[name]:
            first, last = (datetime.fromisoformat(str(edge)[:19]) for edge in (start, end))
            inside = [i for i, moment in enumerate(at) if first <= moment <= last]
            marked.append((inside[0], inside[-1]))
        yield Series(name, table, Options(time="timestamp", value="value"), marked)


def cloud(root: Path) -> Iterator[Series]:
    for path in found(root, "mscloud/*/*.csv*"):
        if path.name.endswith(".json"):
            continue
        table = read(path)
        time, value, label = table.columns
        marked = spans([int(float(cell or 0)) for cell in table.columns[label]])
        name = f"{path.parent.name}/{path.name.removesuffix('.gz')}"
        yield Series(name, table, Options(time=time, value=value), marked)


def turing(root: Path) -> Iterator[Series]:
    annotations = json_of(found(root, "tcpd/annotations.json")[0])
    for path in found(root, "tcpd/series/*.json*"):
        series = json_of(path)
        if series["n_dim"] != 1 or series["name"] not in annotations:
            continue
        cells = ["" if v is None else repr(v) for v in series["series"][0]["raw"]]
        people = [sorted(set(marks)) for marks in annotations[series["name"]].values()]
        yield Series(series["name"], Table({"v": cells}, len(cells)), Options(value="v"), [], people)
