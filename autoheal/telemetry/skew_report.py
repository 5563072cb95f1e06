"""What is known of a model's skew, and which ids the training pipeline is asked for. Reads telemetry.db, changes nothing.

For ``autoheal skew`` and the API; works with or without a running daemon.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime
from pathlib import Path

import numpy as np

from autoheal.domain.names import ModelName
from autoheal.domain.past import FeatureSkew, SkewId, SkewRecords
from autoheal.telemetry import chunks_table, joins_table, predictions_table, skew_table
from autoheal.telemetry.same_features import MILLION, sampled
from autoheal.telemetry.schema import reader
from autoheal.telemetry.values import from_unix, to_unix


class SkewReport:
    """Opens telemetry.db; close it."""

    def __init__(self, path: Path) -> None:
        self._db = reader(path)

    def close(self) -> None:
        self._db.close()

    def features(self, model: ModelName, since: datetime, until: datetime) -> tuple[FeatureSkew, ...]:
        """The sums over the hours of predictions that begin in since <= hour < until."""
        found: dict[tuple[str, str], Counter[str]] = {}
        for one in skew_table.counts(self._db, model, to_unix(since), to_unix(until)):
            total = found.setdefault((one.version, one.feature), Counter())
            total.update({name: getattr(one, name) for name in one._fields[3:]})
        return tuple(_shares(*key, n) for key, n in sorted(found.items()))

    def fates(self, model: ModelName) -> SkewRecords:
        known = joins_table.named(self._db, model)
        names = [f.name for f in fields(SkewRecords) if f.name != "waiting"]
        counts = {name: known.get(f"features_{name}", 0) for name in names}
        return SkewRecords(**counts, waiting=skew_table.waiting_of(self._db, model))

    def wanted(
        self, model: ModelName, share: float, since: datetime, until: datetime, *, known: bool = False
    ) -> Iterator[SkewId]:
        """In order of time the sampled ids of the predictions with since < time <= until by time, without those whose features have come
        unless ``known``."""
        start, end = to_unix(since), to_unix(until)
        found = [
            (time, id_, version)
            for id_, time, version in predictions_table.heads(self._db, model, start, end)
            if sampled(id_, share)
        ]
        for _, chunk in chunks_table.newest_first(self._db, model, start, end):
            rows = chunk.rows
            found += [
                (float(rows.time[place]), rows.ids[place], rows.version)
                for place in np.flatnonzero((rows.time > start) & (rows.time <= end)).tolist()
                if sampled(rows.ids[place], share)
            ]
        found.sort()
        return (
            SkewId(id_, from_unix(time), version)
            for time, id_, version in found
            if known or skew_table.held(self._db, model, id_) is None
        )


def _shares(version: str, feature: str, n: Counter[str]) -> FeatureSkew:
    apart, compared = n["apart"] / MILLION / n["compared"], n["compared"]
    counts = n["different"], n["not_served"], n["not_trained"]
    return FeatureSkew(version, feature, compared, *counts, apart, sum(counts) / compared)
