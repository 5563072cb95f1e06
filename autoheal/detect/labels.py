"""Prediction beside label: losses on the alarm clock, as events. Pure.

A row counts once it has both. What is left out is said: rows whose label stands there without a prediction (``no_data``),
and rows whose label has not come yet (``not_yet``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autoheal.detect import performance, windows
from autoheal.detect.events import Event
from autoheal.detect.table import missing


def watch_labels(
    prediction: Sequence[str],
    label: Sequence[str],
    times: NDArray[np.float64] | None,
    reference: tuple[int, int],
    share: float,
) -> list[Event]:
    """Events of the performance monitor; rows are positions in the order of time."""
    found = performance.losses(prediction, label, reference)
    last = len(label) - 1
    left_out = _left_out(prediction, label, found.kind)
    if not len(found.rows):
        why = "no row has both a prediction and a label"
        return [*left_out, Event("finding", last, "performance", found.kind, verdict="no_data", detail=why)]
    why, alarms = performance.watch(found, reference, windows.row_days(times, len(label)), share)
    if why:
        return [*left_out, Event("finding", last, "performance", found.kind, verdict="not_yet", detail=why)]
    return left_out + [
        Event(
            "alarm", a.row, "performance", found.kind, a.level, a.effect, a.log_m, a.start, "breach",
            f"{found.kind} above the reference's by {a.effect:.3g}",
        )
        for a in alarms
    ]  # fmt: skip


def _left_out(prediction: Sequence[str], label: Sequence[str], subject: str) -> list[Event]:
    """One finding for labels without predictions, one for predictions without labels; at the first such row."""
    no_answer = np.array([missing(cell) for cell in prediction], dtype=np.bool_)
    no_label = np.array([missing(cell) for cell in label], dtype=np.bool_)
    events = []
    for where, verdict, what in (
        (no_answer & ~no_label, "no_data", "have a label and no prediction"),
        (no_label & ~no_answer, "not_yet", "have no label yet"),
    ):
        rows = np.flatnonzero(where)
        if len(rows):
            share, detail = len(rows) / len(label), f"{len(rows)} rows {what}: left out"
            events.append(
                Event(
                    "finding", int(rows[0]), "performance", subject, None, share, None, None, verdict, detail
                )
            )
    return events
