"""A large batch of predictions as columns: the fast way in, for what is plainly in order. Pure.

``pack`` takes NDJSON of one model and version whose rows have the same features; anything unusual (a defect, an
error, a stand-in, another type of record) makes it say None, and the exact way of ``records`` decides. A ``Packed``
reads as a sequence of the same ``Prediction`` records, so that whoever passes a batch on need not know. The surprising
part: rows are parsed a few hundred at a time, because dictionaries that stay in the cache cost half as much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, overload

import numpy as np
import orjson

from autoheal.domain.names import ModelName, Task
from autoheal.monitors.rows import Codes, Floats, Ints
from autoheal.telemetry.records import MAX_FEATURES, MAX_ID, MAX_ROWS, MAX_TEXT, Prediction, Record, Scalar
from autoheal.telemetry.values import LATEST

#: Fewer rows are not worth a chunk; rows of a piece while parsing.
LEAST, PIECE = 256, 256
_NUMBERS, _TEXTS = {float, int}, {str}
_HEAD_KEYS = ("kind", "model", "version", "id", "time", "prediction", "features")
_HEAD = itemgetter(*_HEAD_KEYS)


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of texts: codes into ``table``."""

    codes: Codes
    table: tuple[str, ...]


#: A feature's column: finite numbers, texts, or anything a feature may be.
Cells = Floats | Texts | list[Scalar]


@dataclass(frozen=True, slots=True, eq=False)
class Packed(Sequence[Record]):
    """Predictions of one model and version, all answered by itself; missing scores and latencies are NaN."""

    model: ModelName
    version: str
    ids: list[str]
    time: Floats
    prediction: Floats | list[Scalar]
    score: Floats
    latency: Floats
    features: Mapping[str, Cells]

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Record]: ...
    def __getitem__(self, place: int | slice) -> Record | Sequence[Record]:
        if isinstance(place, slice):
            return [self.row(i) for i in range(*place.indices(len(self)))]
        return self.row(range(len(self))[place])

    def where(self, places: Sequence[int]) -> Packed:
        """The rows at these places."""
        at = np.asarray(places, np.int64)
        said = self.prediction
        return Packed(
            self.model,
            self.version,
            [self.ids[i] for i in places],
            self.time[at],
            [said[i] for i in places] if isinstance(said, list) else said[at],
            self.score[at],
            self.latency[at],
            {name: _where(column, at) for name, column in self.features.items()},
        )

    def row(self, i: int) -> Prediction:
        """One row as its record."""
        said = self.prediction[i] if isinstance(self.prediction, list) else float(self.prediction[i])
        score, latency = float(self.score[i]), float(self.latency[i])
        return Prediction(
            self.model,
            self.version,
            self.ids[i],
            float(self.time[i]),
            {name: cell(column, i) for name, column in self.features.items()},
            said,
            None if np.isnan(score) else score,
            None if np.isnan(latency) else latency,
        )


def cell(column: Cells, i: int) -> Scalar:
    """One raw value of a column."""
    if isinstance(column, Texts):
        return column.table[int(column.codes[i])]
    return column[i] if isinstance(column, list) else float(column[i])


def raw(column: Cells) -> list[Scalar]:
    """All raw values of a column."""
    if isinstance(column, Texts):
        return [column.table[code] for code in column.codes.tolist()]
    return list(column) if isinstance(column, list) else column.tolist()


def _where(column: Cells, at: Ints) -> Cells:
    if isinstance(column, Texts):
        return Texts(column.codes[at], column.table)
    return [column[i] for i in at.tolist()] if isinstance(column, list) else column[at]


def pack(body: bytes, tasks: Mapping[ModelName, Task]) -> Packed | None:
    """The batch as columns, or None when it is not plainly in order."""
    lines = body.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    if not LEAST <= len(lines) <= MAX_ROWS:
        return None
    try:
        first = orjson.loads(lines[0])
        made = _Batch(first, tuple(first["features"]))
        if not made.plain(tasks):
            return None
        for start in range(0, len(lines), PIECE):
            if not made.take(list(map(orjson.loads, lines[start : start + PIECE]))):
                return None
        return made.packed(tasks[made.model])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None


class _Batch:
    """Collects pieces of rows as columns while all are alike."""

    def __init__(self, first: Mapping[str, Any], names: tuple[str, ...]) -> None:
        self.model, self.version, self.names = first["model"], first["version"], names
        self._head = ({"prediction"}, {self.model}, {self.version})
        # As many keys as the first row, all that every row must have and the two that it may have: then no others.
        self._optional = tuple(name for name in ("score", "latency_ms") if name in first)
        self._whole = itemgetter(*_HEAD_KEYS, *self._optional)
        self._keys = len(first) if set(first) == {*_HEAD_KEYS, *self._optional} else -1
        self._get = itemgetter(*names) if len(names) > 1 else None
        self._ids: list[str] = []
        self._numbers: tuple[list[Floats], ...] = ([], [], [])
        self._said: list[Scalar] = []
        self._columns: list[list[Any]] = [[] for _ in names]

    def plain(self, tasks: Mapping[ModelName, Task]) -> bool:
        """Whether its head is one that the fast way takes."""
        text = type(self.version) is str and 0 < len(self.version) <= MAX_ID
        return (
            text and type(self.model) is str and self.model in tasks and 1 < len(self.names) <= MAX_FEATURES
        )

    def take(self, rows: list[dict[str, Any]]) -> bool:
        """Take the next rows; False when one of them is unusual."""
        usual = set(map(len, rows)) == {self._keys}
        if not usual and any("error" in row or "by" in row for row in rows):
            return False
        columns = zip(*map(self._whole if usual else _HEAD, rows), strict=True)
        kind, model, version, ids, time, said, features, *rest = columns
        assert self._get is not None
        if (set(kind), set(model), set(version)) != self._head or set(map(type, features)) != {dict}:
            return False
        if set(map(len, features)) != {len(self.names)} or set(map(type, ids)) != _TEXTS:
            return False
        self._ids += ids
        self._said += said
        when = _numbers(time)
        given = dict(zip(self._optional, rest, strict=True)) if usual else None
        score, latency = (
            _optional([row.get(name) for row in rows] if given is None else given.get(name), len(rows))
            for name in ("score", "latency_ms")
        )
        if when is None or score is None or latency is None:
            return False
        for held, piece in zip(self._numbers, (when, score, latency), strict=True):
            held.append(piece)
        for column, values in zip(self._columns, zip(*map(self._get, features), strict=True), strict=True):
            numbers = _numbers(values)
            column.append(values if numbers is None else numbers)
        return True

    def packed(self, task: Task) -> Packed | None:
        """The whole batch, once all values were found in order."""
        time, score, latency = (np.concatenate(held) for held in self._numbers)
        lengths = set(map(len, self._ids))
        ok = min(lengths) > 0 and max(lengths) <= MAX_ID
        ok = ok and bool(((time >= 0.0) & (time < LATEST)).all())
        ok = ok and not bool(((score < 0.0) | (score > 1.0) | (latency < 0.0)).any())
        said = _answers(self._said, task)
        features = {name: _column(pieces) for name, pieces in zip(self.names, self._columns, strict=True)}
        if not ok or said is None or any(column is None for column in features.values()):
            return None
        whole = {name: column for name, column in features.items() if column is not None}
        return Packed(self.model, self.version, self._ids, time, said, score, latency, whole)


def _numbers(values: Sequence[Any]) -> Floats | None:
    """Finite numbers as an array; None when one is something else. JSON has no NaN, but has numbers too large."""
    if not set(map(type, values)) <= _NUMBERS:
        return None
    found = np.array(values, np.float64)
    return found if bool(np.isfinite(found).all()) else None


def _optional(values: Sequence[Any] | None, rows: int) -> Floats | None:
    """Numbers or None, which becomes NaN; ``values`` None stands for none at all."""
    if values is None:
        return np.full(rows, np.nan)
    kinds = set(map(type, values))
    if type(None) in kinds:
        if not kinds <= {float, int, type(None)}:
            return None
        return np.array([np.nan if v is None else v for v in values], np.float64)
    return _numbers(values)


def _answers(said: list[Scalar], task: Task) -> Floats | list[Scalar] | None:
    if (numbers := _numbers(said)) is not None:
        return numbers if bool((np.abs(numbers) < 2.0**63).all()) else None
    if task is Task.REGRESSION or not set(map(type, said)) <= {float, int, str, bool}:
        return None
    long = any(isinstance(v, str) and len(v) > MAX_TEXT for v in set(said))
    big = any(type(v) is int for v in set(said))
    return None if long or big else said


def _column(pieces: list[Any]) -> Cells | None:
    """Pieces are arrays of numbers or tuples of raw values."""
    if all(isinstance(piece, np.ndarray) for piece in pieces):
        return np.concatenate(pieces)
    values: list[Any] = []
    for piece in pieces:
        values += piece.tolist() if isinstance(piece, np.ndarray) else piece
    kinds = set(map(type, values))
    if kinds == _TEXTS:
        table = {text: code for code, text in enumerate(dict.fromkeys(values))}
        if max(map(len, table)) > MAX_TEXT:
            return None
        return Texts(np.array([table[text] for text in values], np.int32), tuple(table))
    if not kinds <= {float, int, str, bool, type(None)}:
        return None
    if any(isinstance(v, str) and len(v) > MAX_TEXT for v in values):
        return None
    return [float(v) if type(v) is int else v for v in values]
