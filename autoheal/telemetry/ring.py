"""The newest rows of one model in memory, as columns: what makes a monitor round cheap.

The store appends and labels under its own lock; ``rows`` hands out slices without copying, which stay valid because
appended rows never change (labels, which do, are copied) and compaction moves to fresh arrays. Rebuilt from
telemetry.db at start. Memory is bounded by ``capacity`` rows, whatever arrives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from autoheal.domain.names import Task, Version
from autoheal.domain.specs import FeatureSpec, ModelSpec
from autoheal.monitors.reference import Reference
from autoheal.monitors.rows import ABSENT, NULL, PRESENT, WRONG, Codes, Column, Floats, Rows, States
from autoheal.telemetry.packed import Cells, Packed, Texts, raw
from autoheal.telemetry.records import Prediction, Scalar
from autoheal.telemetry.values import class_of, level_of
from autoheal.telemetry.vocabulary import MAX_VERSIONS, Vocabulary, Wanted

_NOTHING = Wanted()

_ABSENT: Any = object()

_FLOATS = ("time", "arrived", "prediction", "score", "latency", "label", "labelled")


class Ring:
    """Columns of the newest ``capacity`` rows of one model (up to a quarter more between compactions)."""

    def __init__(self, spec: ModelSpec, capacity: int, wanted: Wanted = _NOTHING) -> None:
        self.spec = spec
        self.capacity = capacity
        #: Whose names are wanted: the champion and its reference.
        self.told: tuple[Version, Reference | None] | None = None
        self._size = 0
        self._room = 0
        self._seq = np.empty(0, np.int64)
        self._version = np.empty(0, np.int32)
        self._flags = {name: np.empty(0, np.bool_) for name in ("fallback", "failed")}
        self._floats = {name: np.empty(0, np.float64) for name in _FLOATS}
        self._cells: dict[str, Floats | Codes] = {
            f.name: np.empty(0, np.float64) if f.kind == "numeric" else np.empty(0, np.int32)
            for f in spec.features
        }
        self._states: dict[str, States] = {f.name: np.empty(0, np.uint8) for f in spec.features}
        self.levels = {f.name: Vocabulary() for f in spec.features if f.kind == "categorical"}
        self.versions = Vocabulary(MAX_VERSIONS)
        self.classes = Vocabulary()
        self.prefer(wanted)

    def __len__(self) -> int:
        return self._size

    def knows(self, champion: Version, reference: Reference | None) -> bool:
        """Whether the names that these want are kept apart."""
        return self.told is not None and self.told[0] == champion and self.told[1] is reference

    def prefer(self, wanted: Wanted) -> bool:
        """Keep these apart from now on; False when some of them may already be among the others."""
        pairs = [(self.levels[name], texts) for name, texts in wanted.levels.items() if name in self.levels]
        pairs += [(self.classes, wanted.classes), (self.versions, wanted.versions)]
        hidden = [known.hides(texts) for known, texts in pairs]
        for known, texts in pairs:
            known.wanted = texts
        return not any(hidden)

    def columns(self, records: Sequence[Prediction], arrived: float) -> Rows:
        """Predictions as rows without a label; they are not held yet."""
        n = len(records)
        prediction = [self._answer(r.prediction) for r in records]
        version = np.array([self.versions.code(r.version) for r in records], np.int32)
        features = {
            f.name: self._cells_of(f, [r.features.get(f.name, _ABSENT) for r in records])
            for f in self.spec.features
        }
        return Rows(
            np.array([r.time for r in records], np.float64),
            np.full(n, arrived),
            version,
            self.versions.frozen(),
            np.array([r.by == "fallback" for r in records], np.bool_),
            np.array([r.error is not None for r in records], np.bool_),
            np.array(prediction, np.float64),
            np.array([np.nan if r.score is None else r.score for r in records], np.float64),
            np.array([np.nan if r.latency_ms is None else r.latency_ms for r in records], np.float64),
            np.full(n, np.nan),
            np.full(n, np.inf),
            self.classes.frozen(),
            features,
        )

    def packed(self, batch: Packed, arrived: float) -> Rows:
        """A packed batch as rows without a label; they are not held yet."""
        n = len(batch)
        no, present = np.zeros(n, np.bool_), np.full(n, PRESENT, np.uint8)
        code = self.versions.code(batch.version)
        features = {
            f.name: self._packed_cells(f, batch.features.get(f.name), present) for f in self.spec.features
        }
        said = self._answers(batch.prediction)
        return Rows(
            batch.time, np.full(n, arrived), np.full(n, code, np.int32), self.versions.frozen(), no, no, said,
            batch.score, batch.latency, np.full(n, np.nan), np.full(n, np.inf), self.classes.frozen(), features,
        )  # fmt: skip

    def _answers(self, said: Floats | list[Scalar]) -> Floats:
        if isinstance(said, list):
            return np.array([self._answer(value) for value in said], np.float64)
        if self.spec.task is Task.REGRESSION:
            return said
        known, inverse = np.unique(said, return_inverse=True)
        codes: Floats = np.array([self._answer(value) for value in known.tolist()], np.float64)
        return codes[inverse]

    def _packed_cells(self, feature: FeatureSpec, column: Cells | None, present: States) -> Column:
        if feature.kind == "numeric" and isinstance(column, np.ndarray):
            return Column("numeric", column, present)
        if feature.kind == "categorical" and isinstance(column, Texts):
            codes, state = self._codes(feature, list(column.table))
            levels = self.levels[feature.name].frozen()
            return Column("categorical", codes[column.codes], state[column.codes], levels)
        return self._cells_of(feature, [_ABSENT] * len(present) if column is None else list(raw(column)))

    def append(self, seqs: Sequence[int], records: Sequence[Prediction], arrived: float) -> None:
        """Take new predictions, in the order of their ascending ``seqs``."""
        self.hold(seqs, self.columns(records, arrived))

    def hold(self, seqs: Sequence[int] | NDArray[np.int64], rows: Rows) -> None:
        """Take rows that ``columns`` of this ring made, in the order of their ascending ``seqs``."""
        if len(rows) > self.capacity:
            rows = rows.take(slice(-self.capacity, None))
        start, end = self._make_room(len(rows))
        self._seq[start:end] = seqs[-self.capacity :]
        self._version[start:end] = rows.version
        self._flags["fallback"][start:end] = rows.fallback
        self._flags["failed"][start:end] = rows.failed
        for name, array in self._floats.items():
            array[start:end] = getattr(rows, name)
        for name, column in rows.features.items():
            self._cells[name][start:end] = column.values
            self._states[name][start:end] = column.state
        self._size = end

    def label(self, seq: int, label: object, at: float) -> None:
        """Give the row ``seq`` its label, or a corrected one; rows that left the ring are none of our business.

        A correction keeps the time at which the row was first labelled.
        """
        place = int(np.searchsorted(self._seq[: self._size], seq))
        if place < self._size and self._seq[place] == seq:
            self._floats["label"][place] = self._answer(label)
            self._floats["labelled"][place] = min(at, float(self._floats["labelled"][place]))

    def rows(self) -> Rows:
        """All rows held; later appends and labels do not show in it."""
        end, get = self._size, self._floats
        start = max(end - self.capacity, 0)
        part = slice(start, end)
        return Rows(
            get["time"][part],
            get["arrived"][part],
            self._version[part],
            self.versions.frozen(),
            self._flags["fallback"][part],
            self._flags["failed"][part],
            get["prediction"][part],
            get["score"][part],
            get["latency"][part],
            get["label"][part].copy(),
            get["labelled"][part].copy(),
            self.classes.frozen(),
            {f.name: self._column(f, part) for f in self.spec.features},
        )

    def _cells_of(self, feature: FeatureSpec, raw: list[Any]) -> Column:
        if feature.kind == "numeric":
            return Column("numeric", *_numbers(raw))
        codes, state = self._codes(feature, raw)
        return Column("categorical", codes, state, self.levels[feature.name].frozen())

    def _column(self, feature: FeatureSpec, part: slice) -> Column:
        kind: Literal["numeric", "categorical"] = feature.kind
        levels = self.levels[feature.name].frozen() if kind == "categorical" else ()
        return Column(kind, self._cells[feature.name][part], self._states[feature.name][part], levels)

    def _answer(self, value: object) -> float:
        """A prediction or label as a number: itself for a regression, else the code of its class."""
        if value is None:
            return np.nan
        if self.spec.task is Task.REGRESSION:
            return float(value) if isinstance(value, int | float) else np.nan
        return self.classes.code(class_of(value))

    def _codes(self, feature: FeatureSpec, raw: list[Any]) -> tuple[Codes, States]:
        state = np.zeros(len(raw), np.uint8)
        vocabulary = self.levels[feature.name]
        codes = np.empty(len(raw), np.int32)
        for i, value in enumerate(raw):
            if isinstance(value, str) and value:
                known = vocabulary.codes.get(value)
                codes[i] = vocabulary.code(level_of(value)) if known is None else known
            elif value is None or value is _ABSENT or value == "" or value != value:  # noqa: PLR0124 - NaN differs from itself
                codes[i], state[i] = -1, ABSENT if value is _ABSENT else NULL
            else:
                codes[i] = vocabulary.code(level_of(value))
        return codes, state

    def _make_room(self, count: int) -> tuple[int, int]:
        """Where ``count`` new rows go; grows by doubling, then drops the oldest into fresh arrays."""
        if self._size + count > self._room:
            keep = min(self._size, max(self.capacity - count, 0))
            most = self.capacity + self.capacity // 4
            self._room = max(min(max(2 * (keep + count), 256), most), keep + count)
            old = slice(self._size - keep, self._size)
            self._size = keep
            self._seq = _moved(self._seq[old], self._room)
            self._version = _moved(self._version[old], self._room)
            tables: tuple[dict[str, Any], ...] = (self._flags, self._floats, self._cells, self._states)
            for table in tables:
                for name, array in table.items():
                    table[name] = _moved(array[old], self._room)
        return self._size, self._size + count


def _numbers(raw: list[Any]) -> tuple[Floats, States]:
    state = np.zeros(len(raw), np.uint8)
    if set(map(type, raw)) != {float}:
        for i, value in enumerate(raw):
            if not isinstance(value, int | float):
                state[i] = ABSENT if value is _ABSENT else NULL if value is None else WRONG
                raw[i] = np.nan
    values = np.array(raw, np.float64)
    unusable = ~np.isfinite(values)
    state[unusable & (state == PRESENT)] = NULL
    values[unusable] = np.nan
    return values, state


def _moved(array: Any, room: int) -> Any:
    """A fresh array of ``room`` rows that starts with the given ones."""
    fresh = np.empty(room, array.dtype)
    fresh[: len(array)] = array
    return fresh
