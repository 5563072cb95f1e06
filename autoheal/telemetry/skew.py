"""Features as the training pipeline computes them meet those that were served, whichever came first. In the writer's
transaction and thread; readers take the store's lock and call ``seen``.

Each record of the pipeline gets one fate, counted exactly: ``compared``, ``doubled`` (said the same again, or is older
than what stands), ``corrected``, ``late`` (a correction after the prediction has left: the comparison stands),
``orphaned``, or it still waits, on disk.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import orjson

from autoheal.domain.names import ModelName
from autoheal.domain.specs import ModelSpec
from autoheal.monitors.compared import NOT_COMPARED, Compared
from autoheal.monitors.data_quality.options import DataQualityOptions, SkewOptions
from autoheal.telemetry import skew_table
from autoheal.telemetry.packed import Packed
from autoheal.telemetry.records import Features, Prediction, Record
from autoheal.telemetry.same_features import Result, compare
from autoheal.telemetry.skew_table import Held

#: Ids of one model that monitors are shown: those compared last.
SHOWN = 500

#: The prediction of a model with an id, None when there is none.
Find = Callable[[sqlite3.Connection, ModelName, str], Prediction | None]


@dataclass(slots=True)
class Matched:
    """What one batch did; ``waiting`` is by how many more records wait now."""

    met: list[tuple[ModelName, Held]] = field(default_factory=list)
    fates: Counter[str] = field(default_factory=Counter)
    tally: Counter[tuple[str, str]] = field(default_factory=Counter)
    waiting: int = 0

    def note(self, model: ModelName, fate: str) -> None:
        self.fates[fate] += 1
        if fate != "waiting":
            self.tally[model, f"features_{fate}"] += 1


def options_of(spec: ModelSpec) -> SkewOptions | None:
    """How a model's skew is watched; None: it is not."""
    for part in spec.monitors:
        if part.kind == "data_quality":
            return DataQualityOptions.model_validate(dict(part.options)).skew
    return None


@dataclass(slots=True)
class Skew:
    """``waiting`` records wait for their prediction; of models that are watched the newest comparisons are in memory."""

    waiting: int = 0
    _settled: int = 0
    _rules: dict[ModelName, tuple[ModelSpec, SkewOptions]] = field(default_factory=dict)
    _recent: dict[ModelName, OrderedDict[str, Held]] = field(default_factory=dict)
    _fresh: dict[ModelName, OrderedDict[str, Held]] = field(default_factory=dict)
    _features: dict[ModelName, tuple[str, ...]] = field(default_factory=dict)
    _shown: dict[ModelName, Compared] = field(default_factory=dict)

    def open(self, db: sqlite3.Connection) -> None:
        """Know what is there, at the start and after something was forgotten."""
        self.waiting = self._settled = skew_table.waiting(db)

    def give_up(self) -> None:
        """A transaction was rolled back."""
        self.waiting = self._settled

    def configure(self, db: sqlite3.Connection, models: Mapping[ModelName, ModelSpec]) -> None:
        """Take the models of a new configuration; what was compared is not compared again. Readers see nothing of it before
        ``use``."""
        watched = {name: options_of(spec) for name, spec in models.items()}
        self._rules = {name: (spec, watched[name] or SkewOptions()) for name, spec in models.items()}
        recent = {
            name: self._recent.get(name)
            or OrderedDict((one.id, one) for one in skew_table.newest(db, name, SHOWN))
            for name, options in watched.items()
            if options is not None
        }
        self._fresh = recent

    def use(self) -> None:
        """Show the models of the new configuration; call it with the store's lock held."""
        self._recent, self._shown = self._fresh, {}
        self._features = {name: tuple(f.name for f in self._rules[name][0].features) for name in self._recent}

    def take(
        self,
        db: sqlite3.Connection,
        fresh: Sequence[Prediction] | Packed,
        records: Sequence[Record],
        stamp: float,
        find: Find,
    ) -> Matched:
        """Compare what can be after a batch: the pipeline's records among ``records``, and those that waited for one of
        the ``fresh`` predictions, which are stored already."""
        matched = Matched()
        if self.waiting:
            self._waited(db, fresh, stamp, matched)
        for record in records if not isinstance(records, Packed) else ():
            if isinstance(record, Features):
                self._record(db, record, stamp, find, matched)
        # The next batch of the same transaction looks for them already.
        self.waiting += matched.waiting
        return matched

    def show(self, matched: Matched) -> None:
        """Bring a committed batch into memory; call it with the store's lock held."""
        self._settled = self.waiting
        for model, one in matched.met:
            if (recent := self._recent.get(model)) is not None:
                recent[one.id] = one
                self._shown.pop(model, None)
                while len(recent) > SHOWN:
                    recent.popitem(last=False)

    def seen(self, model: ModelName) -> Compared | None:
        """The newest comparisons, None for a model that is not watched; call it with the store's lock held."""
        if model not in self._recent:
            return None
        if model not in self._shown:
            self._shown[model] = _columns(self._features[model], tuple(self._recent[model].values()))
        return self._shown[model]

    def _waited(
        self, db: sqlite3.Connection, fresh: Sequence[Prediction] | Packed, stamp: float, matched: Matched
    ) -> None:
        places: dict[ModelName, dict[str, int]] = {}
        if isinstance(fresh, Packed):
            places[fresh.model] = {id_: place for place, id_ in enumerate(fresh.ids)}
        else:
            for place, prediction in enumerate(fresh):
                places.setdefault(prediction.model, {})[prediction.id] = place
        for model, ids in places.items():
            for one in skew_table.awaited(db, model, list(ids)) if model in self._rules else ():
                row = fresh.row(ids[one.id]) if isinstance(fresh, Packed) else fresh[ids[one.id]]
                self._compare(db, model, one, row, stamp, matched)
                matched.note(model, "compared")
                matched.waiting -= 1

    def _record(
        self, db: sqlite3.Connection, record: Features, stamp: float, find: Find, matched: Matched
    ) -> None:
        model = record.model
        text = orjson.dumps(record.features, option=orjson.OPT_SORT_KEYS)
        time = stamp if record.time is None else record.time
        digest = hashlib.blake2b(text, digest_size=8).digest()
        new = Held(record.id, time, stamp, digest, record.features, "", 0.0, {})
        old = skew_table.held(db, model, record.id)
        if old is not None and (old.digest == digest or time < old.time):
            if old.digest == digest and time > old.time:
                skew_table.keep(db, model, old._replace(time=time))
            matched.note(model, "doubled")
            return
        # A model may have left the configuration since the record was checked.
        row = find(db, model, record.id) if model in self._rules else None
        if row is not None:
            self._compare(db, model, new, row, stamp, matched, old)
            matched.note(model, "compared" if old is None else "corrected")
        elif old is not None and old.features is None:
            matched.note(model, "late")
        else:
            skew_table.keep(db, model, new if old is None else new._replace(arrived=old.arrived))
            matched.note(model, "waiting" if old is None else "corrected")
            matched.waiting += old is None

    def _compare(
        self,
        db: sqlite3.Connection,
        model: ModelName,
        one: Held,
        row: Prediction,
        stamp: float,
        matched: Matched,
        old: Held | None = None,
    ) -> None:
        """Compare, count, and take back what was counted for this id before."""
        spec, options = self._rules[model]
        result: Result = compare(spec.features, row.features, one.features or {}, options)
        if old is not None:
            skew_table.count(db, model, old, stamp, -1)
        arrived = stamp if old is None else old.arrived
        known = one._replace(
            arrived=arrived, features=None, version=row.version, at=row.time, result=_safe(spec, result)
        )
        skew_table.count(db, model, known, stamp)
        skew_table.keep(db, model, known)
        matched.met.append((model, known))


def _safe(spec: ModelSpec, result: Result) -> Result:
    """A result in which sensitive features say only whether they differ, not how far."""
    hidden = {f.name for f in spec.features if f.sensitive}
    return {name: (code, 0 if name in hidden else apart) for name, (code, apart) in result.items()}


def _columns(names: tuple[str, ...], rows: Sequence[Held]) -> Compared:
    codes = np.array(
        [[row.result.get(name, (NOT_COMPARED, 0))[0] for name in names] for row in rows], np.uint8
    ).reshape(len(rows), len(names))
    return Compared(
        np.array([row.at for row in rows], np.float64),
        np.array([row.arrived for row in rows], np.float64),
        np.array([row.version for row in rows], np.str_),
        {name: codes[:, place] for place, name in enumerate(names)},
    )
