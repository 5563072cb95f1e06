"""CSV rows as telemetry records, by a mapping of columns. Pure; used by ``files``.

``columns`` maps our names to the file's header: id, time, version, prediction, score, latency_ms, label; features go
by their own names unless mapped. Everything in a CSV is text, so numeric features and numbers are read as such here;
an empty cell is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from autoheal.domain.names import Task
from autoheal.domain.specs import ModelSpec

Kind = Literal["predictions", "outcomes"]
#: Cells that stand for nothing.
NOTHING = frozenset({"", "NA", "NaN", "nan", "null", "None"})


def record(row: Mapping[str, str], kind: Kind, spec: ModelSpec, columns: Mapping[str, str]) -> dict[str, Any]:
    """One row as the dict that ``parse_rows`` checks; what is not there stays away, for it to complain about."""

    def cell(ours: str) -> str | None:
        text = row.get(columns.get(ours, ours))
        return None if text is None or text.strip() in NOTHING else text.strip()

    found: dict[str, Any] = {"model": spec.name, "id": cell("id"), "time": _time(cell("time"))}
    answer = _number if spec.task is Task.REGRESSION else _text
    if kind == "outcomes":
        return found | {"kind": "outcome", "label": answer(cell("label"))}
    features = {
        f.name: _number(cell(f.name)) if f.kind == "numeric" else cell(f.name)
        for f in spec.features
        if columns.get(f.name, f.name) in row
    }
    return found | {
        "kind": "prediction",
        "version": cell("version"),
        "features": features,
        "prediction": answer(cell("prediction")),
        "score": _number(cell("score")),
        "latency_ms": _number(cell("latency_ms")),
        "error": cell("error"),
        "by": cell("by") or "champion",
    }


def _number(text: str | None) -> float | str | None:
    """A number where it is one; the text itself where not, so that the check names the cell."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def _text(text: str | None) -> str | None:
    return text


def _time(text: str | None) -> float | str | None:
    """Unix seconds or ISO text; ``2011-07-01 05:00:00`` without an offset is taken as UTC."""
    value = _number(text)
    if isinstance(value, str) and len(value) >= 10 and not value.endswith("Z") and "+" not in value:
        return value if "-" in value[10:] else value + ("T00:00:00Z" if len(value) == 10 else "Z")
    return value
