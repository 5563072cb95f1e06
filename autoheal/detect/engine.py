"""The monitors over a table on the virtual clock of its rows: events out, in the order of rows. Pure.

Which monitors run is what the options name: one ``value``, or features, prediction and label. Rows are judged in the
order of time (rows of the same time in the file's order), and every event names the row of the *file*. The budget is
one: the kinds that run share T_notify and T_act by ``alarm_clock.SHARES``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoheal.detect import series
from autoheal.detect.events import Event
from autoheal.detect.inputs import watch_inputs
from autoheal.detect.labels import watch_labels
from autoheal.detect.table import Numbers, Table, numbers, times
from autoheal.errors import TelemetryError
from autoheal.stats.alarm_clock import SHARES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_REFERENCE, REFERENCE_SHARE = 5000, 5


@dataclass(frozen=True, slots=True)
class Options:
    """What to look at; empty names mean "not given". ``reference``: rows start..end-1 of the file."""

    time: str = ""
    value: str = ""
    features: tuple[str, ...] = ()
    prediction: str = ""
    label: str = ""
    reference: tuple[int, int] | None = None


def detect(table: Table, options: Options) -> list[Event]:
    """All events of a file."""
    _refuse(table, options)
    moments = times(options.time, table.column(options.time)) if options.time else None
    if table.rows == 0:
        return [_no_data(options, "the file has no rows")]
    order, late = _order(moments, table.rows)
    sorted_times = None if moments is None else moments[order]
    events = [
        Event("finding", row, "times", options.time, verdict="breach", effect=float(late), detail=why)
        for row, why in _odd_times(order, late)
    ]
    if options.value:
        found = _watch_value(table, options, order, sorted_times)
    else:
        cells = {name: [table.columns[name][i] for i in order] for name in _named(table, options)}
        reference = _reference(options, table.rows)
        names = _features(table, options)
        shares = _shares(bool(names), bool(options.prediction), bool(options.label))
        found = watch_inputs(cells, names, options.prediction, shares, sorted_times, reference)
        if options.label:
            guesses, truths = cells[options.prediction], cells[options.label]
            found += watch_labels(guesses, truths, sorted_times, reference, shares["performance"])
    events += [_placed(event, order) for event in found]
    return sorted(events, key=lambda e: e.row)


def _refuse(table: Table, options: Options) -> None:
    for name in (options.time, options.value, options.prediction, options.label, *options.features):
        if name:
            table.column(name)
    if options.value and (options.features or options.prediction or options.label):
        raise TelemetryError("--value watches one metric: leave --features, --prediction and --label out")
    if options.label and not options.prediction:
        raise TelemetryError("--label needs --prediction to be compared with")
    if options.reference and not 0 <= options.reference[0] < options.reference[1] <= max(table.rows, 1):
        start, end = options.reference
        raise TelemetryError(f"--reference {start}:{end} is no part of {table.rows} rows")


def _features(table: Table, options: Options) -> tuple[str, ...]:
    """Those named; every other column when neither features nor prediction are."""
    if options.features or options.prediction:
        return tuple(dict.fromkeys(options.features))
    return tuple(name for name in table.columns if name != options.time)


def _named(table: Table, options: Options) -> list[str]:
    return [n for n in (*_features(table, options), options.prediction, options.label) if n]


def _shares(some_features: bool, prediction: bool, label: bool) -> dict[str, float]:
    """The budget over the kinds that run; rates are half of what "multivariate" gets."""
    live = {"features": some_features, "multivariate": True, "score": prediction, "performance": label}
    total = sum(SHARES[kind] for kind, here in live.items() if here)
    return {kind: SHARES[kind] / total for kind in live}


def _reference(options: Options, rows: int) -> tuple[int, int]:
    return options.reference or (0, max(min(rows // REFERENCE_SHARE, MOST_REFERENCE), 1))


def _order(moments: Floats | None, rows: int) -> tuple[Ints, int]:
    """Rows by time, and how many stand later in the file than a row of a later time."""
    if moments is None:
        return np.arange(rows, dtype=np.int64), 0
    late = int((moments < np.maximum.accumulate(moments)).sum())
    return np.argsort(moments, kind="stable").astype(np.int64), late


def _odd_times(order: Ints, late: int) -> list[tuple[int, str]]:
    if not late:
        return []
    first = int(np.flatnonzero(np.diff(order) != 1)[0])
    return [(int(order[first]), f"{late} rows are out of order: they were sorted by time")]


def _placed(event: Event, order: Ints) -> Event:
    """The same event with rows of the file instead of rows in the order of time."""
    started = None if event.started_row is None else int(order[event.started_row])
    return Event(
        event.kind, int(order[event.row]), event.monitor, event.subject, event.level, event.effect,
        event.evidence, started, event.verdict, event.detail,
    )  # fmt: skip


def _no_data(options: Options, why: str) -> Event:
    subject = options.value or ",".join(options.features) or options.prediction or "rows"
    return Event("finding", 0, "serving" if options.value else "data", subject, verdict="no_data", detail=why)


def _watch_value(table: Table, options: Options, order: Ints, moments: Floats | None) -> list[Event]:
    read = numbers(table.column(options.value))
    read = Numbers(read.values[order], read.wrong[order])
    events = _odd_cells(options.value, read)
    values = np.where(np.isfinite(read.values), read.values, np.nan)
    known = int((~np.isnan(values)).sum())
    if known < series.LEAST_ROWS:
        if known == 0 and read.wrong.any():
            raise TelemetryError("holds no numbers", field=options.value)
        verdict, least = ("not_yet" if known else "no_data"), series.LEAST_ROWS
        detail = f"{known} of {least} values" if known else "no value at all"
        return [
            *events,
            Event("finding", len(values) - 1, "serving", options.value, verdict=verdict, detail=detail),
        ]
    start, end = options.reference or (0, 0)
    for alarm in series.watch(values, moments):
        if start <= alarm.row < end:
            continue
        level = "act" if series.is_act(alarm.log_m) else "notify"
        events.append(
            Event(
                "alarm", alarm.row, "serving", options.value, "act" if level == "act" else "notify",
                alarm.effect, alarm.log_m, alarm.start, "breach", alarm.look,
            )
        )  # fmt: skip
    return events


def _odd_cells(name: str, read: Numbers) -> list[Event]:
    """Cells that stand for no number count as missing; one finding says how many and where the first is."""
    events = []
    kinds: Sequence[tuple[NDArray[np.bool_], str]] = (
        (read.wrong, "are no numbers"),
        (np.isinf(read.values), "are infinite"),
    )
    for where, what in kinds:
        rows = np.flatnonzero(where)
        if len(rows):
            detail = f"{len(rows)} cells {what}: taken as missing"
            row, share = int(rows[0]), len(rows) / len(read.values)
            events.append(
                Event("finding", row, "schema", name, effect=share, verdict="breach", detail=detail)
            )
    return events
