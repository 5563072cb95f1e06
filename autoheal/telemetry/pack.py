"""NDJSON of one model and version straight to columns: the fast way in, for what is plainly in order. Pure.

``pack`` says None for anything unusual (a defect, an error, a stand-in, another type of record, other features in
some rows), and the exact way of ``records`` decides. Rows are read some tens of KB at a time, because what stays in the
processor's cache costs half as much. The surprising part: the decoder would read a record over several lines, so
``_lines`` proves that nobody wrote such.
"""

from __future__ import annotations

import math
import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import compress, starmap
from types import MappingProxyType
from typing import Any

import numpy as np
import orjson

from autoheal.domain.names import ModelName, Task
from autoheal.monitors.rows import Codes, Floats
from autoheal.telemetry.packed import Cells, Packed, Texts
from autoheal.telemetry.records import MAX_ROWS, Scalar
from autoheal.telemetry.shape import ODD, Kind, Shape, decoder, fields, values
from autoheal.telemetry.values import LATEST, parse_time

#: Fewer rows are not worth a chunk; bytes that are read at a time.
LEAST, PIECE = 64, 1 << 16
_BREAK, _OPEN, _CLOSE = b"\n{}"


def pack(
    body: bytes, tasks: Mapping[ModelName, Task], given: Mapping[str, str] = MappingProxyType({})
) -> Packed | None:
    """The batch as columns, or None when it is not plainly in order. ``given`` is what rows need not say, out of kind and
    model."""
    lines = _lines(body)
    if not LEAST <= lines <= MAX_ROWS:
        return None
    try:
        shape = Shape.of(orjson.loads(body[: body.index(b"\n")]), given)
        if shape is None or shape.model not in tasks:
            return None
        rows = _read(body, shape)
        return rows.packed(tasks[ModelName(shape.model)]) if len(rows.ids) == lines else None
    except (*ODD, AttributeError, KeyError, TypeError, ValueError, OverflowError):
        return None


def _read(body: bytes, shape: Shape) -> _Batch:
    """All rows; raises one of ``ODD`` and others when one of them is unusual."""
    for tried in (shape, shape.loose()):
        batch = _Batch(tried)
        try:
            for piece in _pieces(body):
                batch.take(piece)
        except ODD:
            if tried is not shape:
                raise
        else:
            break
    return batch


def _lines(body: bytes) -> int:
    """How many lines there are, 0 unless each begins with ``{`` and ends with ``}``: no record goes over the end of such a
    line, for inside of one a ``}`` is never followed by a ``{``."""
    text = np.frombuffer(body, np.uint8)
    if text.size and text[-1] == _BREAK:
        text = text[:-1]
    if not text.size or text[0] != _OPEN or text[-1] != _CLOSE:
        return 0
    breaks = np.flatnonzero(text == _BREAK)
    plain = (text[breaks - 1] == _CLOSE).all() and (text[breaks + 1] == _OPEN).all()
    return len(breaks) + 1 if plain else 0


def _pieces(body: bytes) -> Iterator[bytes]:
    """Whole lines, about ``PIECE`` bytes at a time."""
    start = 0
    while len(body) - start > PIECE:
        end = body.find(b"\n", start + PIECE) + 1 or len(body)
        yield body[start:end]
        start = end
    if start < len(body):
        yield body[start:]


class _Batch:
    """Collects pieces of rows of one shape as columns."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.ids: list[str] = []
        self._decode = decoder(shape)
        self._said: list[Scalar] = []
        self._is_number = [kind == "number" for kind in shape.kinds]
        #: Time, score, latency, the answers when they are numbers, and features that are numbers: (columns, rows) each.
        self._tables: list[Floats] = []
        self._others = [_Column(kind) for kind in shape.kinds if kind != "number"]

    def take(self, lines: bytes) -> None:
        """Take the next rows."""
        rows = self._decode(lines)
        ids, features, time, said, score, latency = zip(*map(fields, rows), strict=True)
        self.ids += ids
        if self.shape.time == "text":
            time = tuple(map(parse_time, time))
        numbers = [time, _perhaps(score), _perhaps(latency)]
        if self.shape.answer == "number":
            numbers.append(said)
        else:
            self._said += said
        columns = list(zip(*map(values, features), strict=True))
        numbers += compress(columns, self._is_number)
        self._tables.append(_table(numbers, len(rows)))
        if self._others:
            others = (c for c, number in zip(columns, self._is_number, strict=True) if not number)
            for held, column in zip(self._others, others, strict=True):
                held.take(column)

    def packed(self, task: Task) -> Packed | None:
        """The whole batch, once all values were found in order."""
        numbers = iter(np.concatenate(self._tables, axis=1))
        time, score, latency = next(numbers), next(numbers), next(numbers)
        said = _classes(self._said, task) if self._said else _finite(next(numbers))
        ok = bool(((time >= 0.0) & (time < LATEST)).all())
        ok = ok and not bool(((score < 0.0) | (score > 1.0) | (latency < 0.0)).any())
        if not ok or said is None:
            return None
        others = iter(self._others)
        features = {
            name: _numbers(next(numbers)) if number else next(others).cells()
            for name, number in zip(self.shape.names, self._is_number, strict=True)
        }
        model, version = ModelName(self.shape.model), self.shape.version
        return Packed(model, version, self.ids, time, said, score, latency, features)


class _Column:
    """One feature that is not all numbers, piece by piece: texts as codes, anything else as it is."""

    def __init__(self, kind: Kind) -> None:
        self._text = kind == "text"
        self._codes: list[Codes] = []
        self._raw: list[Scalar] = []
        self._table: defaultdict[Any, int] = defaultdict()
        self._table.default_factory = self._table.__len__

    def take(self, piece: Sequence[Scalar]) -> None:
        if self._text:
            self._codes.append(self._coded(piece))
        else:
            self._raw += piece

    def cells(self) -> Cells:
        """All of it, in the narrowest form that holds it."""
        if self._text:
            codes, table = np.concatenate(self._codes), tuple(self._table)
            return [table[code] for code in codes.tolist()] if None in table else Texts(codes, table)
        kinds = set(map(type, self._raw))
        if kinds == {float}:
            return np.array(self._raw, np.float64)
        return Texts(self._coded(self._raw), tuple(self._table)) if kinds == {str} else self._raw

    def _coded(self, piece: Sequence[Scalar]) -> Codes:
        return np.fromiter(map(self._table.__getitem__, piece), np.int32, len(piece))


def _table(columns: Sequence[Sequence[Any]], rows: int) -> Floats:
    """Columns of numbers as an array, None as NaN, which JSON cannot say; packing beats every other way to make it."""
    if None not in (column[0] for column in columns):
        try:
            packed = b"".join(starmap(struct.Struct(f"={rows}d").pack, columns))
        except struct.error:
            pass  # there are some None after all
        else:
            return np.frombuffer(packed).reshape(len(columns), rows)
    return np.array(columns, np.float64)


def _perhaps(column: Sequence[float | None]) -> Sequence[float | None]:
    """As it is, or NaN where no row says it, which is quicker to pack."""
    return column if column.count(None) < len(column) else (math.nan,) * len(column)


def _numbers(column: Floats) -> Cells:
    """A feature's numbers; where some are missing, as raw values."""
    missing = np.isnan(column)
    if not missing.any():
        return column
    pairs = zip(column.tolist(), missing.tolist(), strict=True)
    return [None if gone else value for value, gone in pairs]


def _finite(said: Floats) -> Floats | None:
    return said if bool((np.abs(said) < 2.0**63).all()) else None


def _classes(said: list[Scalar], task: Task) -> Floats | list[Scalar] | None:
    """Answers that are not all numbers by their type; whole numbers among others are for the exact way."""
    kinds = set(map(type, said))
    if kinds <= {int, float}:
        return _finite(np.array(said, np.float64))
    return None if task is Task.REGRESSION or int in kinds else said
