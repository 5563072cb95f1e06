"""What was recorded as lines of JSON, in the background thread. Pure, but for the readers of exchanges it is given.

Called by ``sender``. A row is a tuple as ``recorder`` put it; it becomes one line, or several for an exchange of the
middleware. What cannot be written becomes None, so that it is counted and its neighbours are sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

from autoheal.recorder.buffer import HEAVY

if TYPE_CHECKING:
    from autoheal.recorder.buffer import Row

#: Fields of a row after its kind, in order.
FIELDS = {
    "prediction": (
        "id",
        "time",
        "version",
        "features",
        "prediction",
        "score",
        "latency_ms",
        "error",
        "by",
    ),
    "outcome": ("id", "time", "label"),
    "metric": ("name", "time", "value"),
}
_OPTIONAL = ("score", "latency_ms", "error", "by")
#: Types of the values by which pandas says that there is none.
_NOTHING = {"NAType", "NaTType"}
Line = tuple[str, bytes]


def lines(row: Row, model: str) -> list[Line | None]:
    """(kind, JSON) of each record of a row, None for each that cannot be written."""
    if row[0] != HEAVY:
        return [_line(row[0], dict(zip(FIELDS[row[0]], row[1:], strict=True)), model)]
    _, _, read, exchange = row
    try:
        found = list(read(exchange))
    except Exception:  # noqa: BLE001 - a reader is the service's own code, and must not end the recorder
        return [None]
    return [_line("prediction", record, model) if isinstance(record, Mapping) else None for record in found]


def metric(model: str, name: str, value: float, time: float) -> Line:
    """A line about the recorder itself."""
    line = _line("metric", {"name": name, "time": time, "value": value}, model)
    assert line is not None
    return line


def _line(kind: str, record: Mapping[str, Any], model: str) -> Line | None:
    if kind == "prediction" and not record.get("version"):
        return None
    whole = {"kind": kind, "model": model} | {
        name: value for name, value in record.items() if value is not None or name not in _OPTIONAL
    }
    try:
        return kind, orjson.dumps(whole, default=_plain, option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, ValueError):
        return None


def _plain(value: Any) -> Any:
    """Scalars of numerical libraries and of databases as JSON's own, without knowing those libraries."""
    if type(value).__name__ in _NOTHING:
        return None
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date):  # a subclass, such as pandas' Timestamp
        return value.isoformat()
    return value.item()  # what is no scalar has no such method, or it raises: the row is unusable
