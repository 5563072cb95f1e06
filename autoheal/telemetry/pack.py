"""NDJSON of predictions to columns: the fast way in, for batches that are plainly in order. Pure.

``pack`` takes one model and version whose rows have the same features; anything unusual (a defect, an error, a
stand-in, another type of record) makes it say None, and the exact way of ``records`` decides. Each shape of rows gets a
decoder of its own (msgspec), which makes no dictionaries and checks types as it reads: twice as fast as parsing alone.
The surprising part: the decoder would read a record over several lines, so ``_lines`` proves that nobody wrote such.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import Any, Literal

import msgspec
import numpy as np
import orjson

from autoheal.domain.names import ModelName, Task
from autoheal.monitors.rows import Floats
from autoheal.telemetry.packed import Cells, Packed, Texts
from autoheal.telemetry.records import MAX_FEATURES, MAX_ID, MAX_ROWS, MAX_TEXT, Scalar
from autoheal.telemetry.values import LATEST, parse_time

#: Fewer rows are not worth a chunk; bytes that are decoded at a time: what stays in the cache costs half as much.
LEAST, PIECE = 64, 1 << 17
#: Shapes of rows whose decoders are kept.
SHAPES = 2048

_BREAK, _OPEN, _CLOSE = b"\n{}"
Kinds = tuple[str, ...]
_NUMBER, _TEXT, _ANY = "number", "text", "any"
_TYPES: Mapping[str, Any] = {_NUMBER: float | None, _TEXT: str, _ANY: float | str | bool | None}
_OPTIONAL = ("score", "latency_ms")
_HEAD: tuple[Any, ...] = (
    ("kind", Literal["prediction"]),
    ("model", str),
    ("version", str),
    ("id", str),
    ("time", float | str),
    ("prediction", float | str | bool),
)
_TAIL: tuple[Any, ...] = (
    *((name, float | None, None) for name in _OPTIONAL),
    # Said by recorders that always say everything.
    ("error", None, None),
    ("by", Literal["champion"], "champion"),
)


@dataclass(frozen=True, slots=True)
class Shape:
    """How rows with these features are read: ``decode`` gives structs, ``numbers`` the number columns of one's features,
    by their places among all."""

    kinds: Kinds
    decode: Callable[[bytes], list[Any]]
    numbers: Callable[[Any], tuple[Any, ...]] | None


def pack(body: bytes, tasks: Mapping[ModelName, Task]) -> Packed | None:
    """The batch as columns, or None when it is not plainly in order."""
    lines = _lines(body)
    if not LEAST <= lines <= MAX_ROWS:
        return None
    try:
        first = orjson.loads(body[: body.index(b"\n")])
        names = tuple(first["features"])
        if first["model"] not in tasks or not 0 < len(names) <= MAX_FEATURES:
            return None
        kinds = tuple(map(_kind, first["features"].values()))
        columns = _read(body, names, kinds) or _read(body, names, (_ANY,) * len(names))
        if columns is None or len(columns.ids) != lines:
            return None
        return _packed(first, names, columns, tasks[first["model"]])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None


def _lines(body: bytes) -> int:
    """How many lines of one record each, 0 when that cannot be told: where each line begins with ``{`` and ends with ``}``
    no record goes over a line's end, for inside of one a ``}`` is never followed by a ``{``."""
    text = np.frombuffer(body, np.uint8)
    if text.size and text[-1] == _BREAK:
        text = text[:-1]
    if not text.size or text[0] != _OPEN or text[-1] != _CLOSE:
        return 0
    breaks = np.flatnonzero(text == _BREAK)
    plain = (text[breaks - 1] == _CLOSE).all() and (text[breaks + 1] == _OPEN).all()
    return len(breaks) + 1 if plain else 0


def _kind(value: object) -> str:
    if isinstance(value, str):
        return _TEXT
    return _NUMBER if isinstance(value, int | float) and not isinstance(value, bool) else _ANY


@lru_cache(maxsize=SHAPES)
def _shape(names: tuple[str, ...], kinds: Kinds) -> Shape:
    own = [f"f{i}" for i in range(len(names))]
    features = msgspec.defstruct(
        "Features",
        [(field, _TYPES[kind]) for field, kind in zip(own, kinds, strict=True)],
        rename=dict(zip(own, names, strict=True)),
        forbid_unknown_fields=True,
        gc=False,
    )
    row = msgspec.defstruct(
        "Row", [*_HEAD, ("features", features), *_TAIL], forbid_unknown_fields=True, gc=False
    )
    numeric = [field for field, kind in zip(own, kinds, strict=True) if kind == _NUMBER]
    # For a single name attrgetter gives no tuple: it is then asked for twice.
    numbers = attrgetter(*numeric, *(numeric if len(numeric) == 1 else ())) if numeric else None
    return Shape(kinds, msgspec.json.Decoder(row).decode_lines, numbers)


@dataclass(slots=True)
class _Columns:
    """What was read so far, piece by piece."""

    models: set[str]
    versions: set[str]
    ids: list[str]
    time: list[Any]
    said: list[Any]
    score: list[Floats]
    latency: list[Floats]
    features: list[list[Any]]


def _read(body: bytes, names: tuple[str, ...], kinds: Kinds) -> _Columns | None:
    """All rows by columns; None when one is not of this shape."""
    shape = _shape(names, kinds)
    read = _Columns(set(), set(), [], [], [], [], [], [[] for _ in names])
    try:
        for piece in _pieces(body):
            _take(read, shape, shape.decode(piece))
    except (msgspec.MsgspecError, ValueError):
        return None
    return read


def _pieces(body: bytes) -> Iterator[bytes]:
    """Whole lines, about ``PIECE`` bytes at a time."""
    start = 0
    while len(body) - start > PIECE:
        end = body.find(b"\n", start + PIECE) + 1 or len(body)
        yield body[start:end]
        start = end
    yield body[start:] if start else body


def _take(read: _Columns, shape: Shape, rows: list[Any]) -> None:
    read.models.update(row.model for row in rows)
    read.versions.update(row.version for row in rows)
    read.ids += [row.id for row in rows]
    read.time += [row.time for row in rows]
    read.said += [row.prediction for row in rows]
    read.score.append(np.array([row.score for row in rows], np.float64))
    read.latency.append(np.array([row.latency_ms for row in rows], np.float64))
    features = [row.features for row in rows]
    if shape.numbers is not None:
        flat = np.fromiter(chain.from_iterable(map(shape.numbers, features)), np.float64)
        table = np.ascontiguousarray(flat.reshape(len(rows), -1).T)
    place = 0
    for i, kind in enumerate(shape.kinds):
        if kind == _NUMBER:
            read.features[i].append(table[place])
            place += 1
        else:
            read.features[i] += map(attrgetter(f"f{i}"), features)


def _packed(first: Mapping[str, Any], names: tuple[str, ...], read: _Columns, task: Task) -> Packed | None:
    """The whole batch, once all values were found in order."""
    if read.models != {first["model"]} or read.versions != {first["version"]}:
        return None
    lengths = {len(first["version"]), *map(len, read.ids)}
    time, said = _times(read.time), _answers(read.said, task)
    score, latency = np.concatenate(read.score), np.concatenate(read.latency)
    ok = min(lengths) > 0 and max(lengths) <= MAX_ID
    ok = ok and bool(((time >= 0.0) & (time < LATEST)).all())
    ok = ok and not bool(((score < 0.0) | (score > 1.0) | (latency < 0.0)).any())
    features = {name: _column(values) for name, values in zip(names, read.features, strict=True)}
    if not ok or said is None or any(column is None for column in features.values()):
        return None
    whole = {name: column for name, column in features.items() if column is not None}
    return Packed(first["model"], first["version"], read.ids, time, said, score, latency, whole)


def _times(times: Sequence[Any]) -> Floats:
    """Unix seconds; raises ValueError for a text that is no time."""
    kinds = set(map(type, times))
    return np.array(times if kinds == {float} else list(map(parse_time, times)), np.float64)


def _answers(said: list[Scalar], task: Task) -> Floats | list[Scalar] | None:
    kinds = set(map(type, said))
    if kinds == {float}:
        numbers = np.array(said, np.float64)
        return numbers if bool((np.abs(numbers) < 2.0**63).all()) else None
    if task is Task.REGRESSION or not kinds <= {str, bool}:
        return None
    return None if any(isinstance(v, str) and len(v) > MAX_TEXT for v in set(said)) else said


def _column(values: list[Any]) -> Cells | None:
    """From pieces of numbers with NaN for null (JSON has no other), or from raw values."""
    if isinstance(values[0], np.ndarray):
        numbers = np.concatenate(values) if len(values) > 1 else values[0]
        missing = np.isnan(numbers)
        if not missing.any():
            return numbers
        return [
            None if gone else value for value, gone in zip(numbers.tolist(), missing.tolist(), strict=True)
        ]
    kinds = set(map(type, values))
    if kinds == {str}:
        table = {text: code for code, text in enumerate(dict.fromkeys(values))}
        if max(map(len, table)) > MAX_TEXT:
            return None
        return Texts(np.array([table[text] for text in values], np.int32), tuple(table))
    if kinds == {float}:
        return np.array(values, np.float64)
    return None if any(isinstance(v, str) and len(v) > MAX_TEXT for v in values) else values
