"""A large batch of predictions as columns: what ``pack`` makes, and chunks on disk hold. Pure.

A ``Packed`` reads as a sequence of the same ``Prediction`` records, so that whoever passes a batch on need not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from autoheal.domain.names import ModelName
from autoheal.monitors.rows import Codes, Floats, Ints
from autoheal.telemetry.records import Prediction, Record, Scalar


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

    def like(self, other: Packed) -> bool:
        """Whether both can be one batch, with the same model, version and features of the same kinds."""
        ours, theirs = ((one.model, one.version, _kinds(one)) for one in (self, other))
        return ours == theirs

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


def newest_time(records: Sequence[Record]) -> float:
    """The latest time that any of them has, 0 when none has one."""
    if isinstance(records, Packed):
        return float(records.time.max(initial=0.0))
    return max((record.time or 0.0 for record in records), default=0.0)


@dataclass(frozen=True, slots=True, eq=False)
class RowFeatures(Mapping[str, Scalar]):
    """The features of one row, read when they are asked for."""

    rows: Packed
    place: int

    def __getitem__(self, name: str) -> Scalar:
        return cell(self.rows.features[name], self.place)

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows.features)

    def __len__(self) -> int:
        return len(self.rows.features)


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


def together(parts: Sequence[Packed]) -> Packed:
    """Batches that are ``like`` each other, at least one, as one."""
    first = parts[0]
    if len(parts) == 1:
        return first
    return Packed(
        first.model,
        first.version,
        [id_ for part in parts for id_ in part.ids],
        np.concatenate([part.time for part in parts]),
        _glued([part.prediction for part in parts]),
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.latency for part in parts]),
        {name: _joined([part.features[name] for part in parts]) for name in first.features},
    )


def _kinds(rows: Packed) -> list[tuple[str, type]]:
    columns = (("", rows.prediction), *rows.features.items())
    return [(name, type(column)) for name, column in columns]


def _glued(parts: Sequence[Floats | list[Scalar]]) -> Floats | list[Scalar]:
    """Columns of one kind, one after the other."""
    arrays = [part for part in parts if not isinstance(part, list)]
    return np.concatenate(arrays) if arrays else [v for part in parts for v in part]


def _joined(parts: Sequence[Cells]) -> Cells:
    texts = [part for part in parts if isinstance(part, Texts)]
    if not texts:
        return _glued([part for part in parts if not isinstance(part, Texts)])
    table: dict[str, int] = {}
    codes = []
    for part in texts:
        ours = np.array([table.setdefault(text, len(table)) for text in part.table], np.int32)
        codes.append(ours[part.codes])
    return Texts(np.concatenate(codes), tuple(table))


def _where(column: Cells, at: Ints) -> Cells:
    if isinstance(column, Texts):
        return Texts(column.codes[at], column.table)
    return [column[i] for i in at.tolist()] if isinstance(column, list) else column[at]
