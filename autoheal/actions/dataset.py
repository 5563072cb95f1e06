"""The files of one data set: CSV for trainers, JSON lines for gates, validated.json for whoever asks what is in it.

``data.validate`` writes them; ``pipeline.train``, ``evaluate.gate`` and ``registry.register`` read them. CSV has no
types, so whatever must be served again exactly as it was is kept as JSON.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from autoheal.actions.cleaning import Row
from autoheal.domain.specs import NOTHING, ModelSpec
from autoheal.errors import ActionRefused


def read_validated(folder: Path) -> dict[str, Any] | None:
    """What a finished validation said, or None."""
    try:
        found: dict[str, Any] = orjson.loads((folder / "validated.json").read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return found


def label_column(spec: ModelSpec) -> str:
    """The name of the label's column: ``label``, unless a feature is called so."""
    return _free("label", spec)


def time_column(spec: ModelSpec) -> str:
    return _free("time", spec)


def _free(name: str, spec: ModelSpec) -> str:
    taken = {f.name for f in spec.features}
    while name in taken:
        name = f"_{name}"
    return name


def as_csv(spec: ModelSpec, rows: Sequence[Row]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([time_column(spec), *(f.name for f in spec.features), label_column(spec)])
    for row in rows:
        cells = [row["features"].get(f.name) for f in spec.features]
        writer.writerow([row["time"].isoformat(), *cells, row["label"]])
    return text.getvalue().encode()


def as_lines(rows: Sequence[Row]) -> bytes:
    """The rows as they were served, one JSON object a line."""
    return b"".join(orjson.dumps(_plain(row)) + b"\n" for row in rows)


def _plain(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "time": row["time"].isoformat(),
        "features": row["features"],
        "label": row["label"],
    }


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows that ``holdout.jsonl`` holds, in the order of time."""
    try:
        return [_with_time(orjson.loads(line)) for line in path.read_bytes().splitlines()]
    except (OSError, orjson.JSONDecodeError) as error:
        raise ActionRefused(f"the held-back rows cannot be read: {error}") from error


def _with_time(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "time": datetime.fromisoformat(row["time"])}


def read_columns(spec: ModelSpec, path: Path) -> dict[str, list[Any]]:
    """The features of a CSV data set by column: numbers, or text, or None where a cell is empty."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows: list[Mapping[str, str | None]] = list(csv.DictReader(stream))
    except OSError as error:
        raise ActionRefused(f"the data that {spec.name} was trained on is gone: {error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ActionRefused(f"{path} is no CSV in UTF-8: {error}") from error
    return {
        f.name: numbers(path, f.name, [row[f.name] for row in rows])
        if f.kind == "numeric"
        else [row[f.name] or None for row in rows]
        for f in spec.features
    }


def numbers(path: Path, column: str, cells: Sequence[str | None]) -> list[float | None]:
    """A column of a CSV as numbers, None where there is none; ActionRefused names the row that is something else."""
    found: list[float | None] = []
    for row, cell in enumerate(cells, 1):
        try:
            found.append(None if (text := (cell or "").strip()) in NOTHING else float(text))
        except ValueError:
            raise ActionRefused(f"{path}, row {row} of column {column}: {cell!r} is no number") from None
    return found
