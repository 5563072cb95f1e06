"""Rows of files and tables as telemetry records, by a mapping of columns. Pure; used by ``files`` and ``sql``.

``columns`` maps our names to the row's: id, time, version, prediction, score, latency_ms, label, error, by; features go
by their own names unless mapped, or lie together in a column ``features``. A name with dots looks into nested objects.
Everything in a CSV is text, so numeric features and numbers are read as such here. The surprising part: a category is its
text to the letter, as it is in a push and in a reference (`NA` is Namibia) and only the empty one is missing. Rows of
kind ``records`` are records as they are pushed, of any kind.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal

from autoheal.domain.names import Task
from autoheal.domain.specs import NOTHING, ModelSpec
from autoheal.sources.tally import Tally
from autoheal.telemetry import Record, Refusal, parse_rows

Kind = Literal["predictions", "outcomes", "features", "records"]
_ABSENT = object()


def usable(
    rows: Sequence[Mapping[str, Any]], kind: Kind, spec: ModelSpec, columns: Mapping[str, str], tally: Tally
) -> list[Record]:
    """The records of rows; where one of them is bad they are checked one by one, and the bad ones counted."""
    raw = [record(row, kind, spec, columns) for row in rows]
    tasks = {spec.name: spec.task}
    try:
        return parse_rows(raw, tasks)
    except Refusal:
        good: list[Record] = []
        for one in raw:
            try:
                good += parse_rows([one], tasks)
            except Refusal as refusal:
                tally.refuse(refusal.field or refusal.reason, refusal.message)
        return good


def record(row: Mapping[str, Any], kind: Kind, spec: ModelSpec, columns: Mapping[str, str]) -> dict[str, Any]:
    """One row as the dict that ``parse_rows`` checks; what is not there stays away, for it to complain about."""
    if kind == "records":
        return {"model": spec.name, **row}

    def cell(ours: str) -> Any:
        return _plain(_looked_up(row, columns.get(ours, ours)))

    found: dict[str, Any] = {"model": spec.name, "id": cell("id"), "time": _time(cell("time"))}
    answer = _number if spec.task is Task.REGRESSION else _same
    if kind == "outcomes":
        return found | {"kind": "outcome", "label": answer(cell("label"))}
    if kind == "features":
        return found | {"kind": "features", "features": _features(row, spec, columns)}
    return found | {
        "kind": "prediction",
        "version": _text(cell("version")),
        "features": _features(row, spec, columns),
        "prediction": answer(cell("prediction")),
        "score": _number(cell("score")),
        "latency_ms": _number(cell("latency_ms")),
        "error": _text(cell("error")),
        "by": cell("by") or "champion",
    }


def _features(row: Mapping[str, Any], spec: ModelSpec, columns: Mapping[str, str]) -> dict[str, Any]:
    together = _looked_up(row, columns.get("features", "features"))
    if isinstance(together, Mapping):
        return {str(name): _category(value) for name, value in together.items()}
    found = {f.name: (f, _looked_up(row, columns.get(f.name, f.name))) for f in spec.features}
    return {
        name: _number(_plain(value)) if f.kind == "numeric" else _category(value)
        for name, (f, value) in found.items()
        if value is not _ABSENT
    }


def _looked_up(row: Mapping[str, Any], name: str) -> Any:
    """The cell of that name, ``_ABSENT`` when there is none."""
    if name in row:
        return row[name]
    first, dot, rest = name.partition(".")
    inner = row.get(first) if dot else None
    return _looked_up(inner, rest) if isinstance(inner, Mapping) else _ABSENT


def _plain(value: Any) -> Any:
    """A cell as a number, text, truth value or None, whatever the file or database calls it."""
    if isinstance(value, str):
        text = value.strip()
        return None if text in NOTHING else text
    if value is _ABSENT or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return value


def _category(value: Any) -> Any:
    return (value or None) if isinstance(value, str) else _plain(value)


def _number(value: Any) -> Any:
    """A number where it is one; the value itself where not, so that the check names the cell."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value


def _same(value: Any) -> Any:
    return value


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _time(value: Any) -> Any:
    """Unix seconds or ISO text; ``2011-07-01 05:00:00`` without an offset is taken as UTC."""
    value = _number(value)
    if isinstance(value, str) and len(value) >= 10 and not value.endswith("Z") and "+" not in value:
        return value if "-" in value[10:] else value + ("T00:00:00Z" if len(value) == 10 else "Z")
    return value
