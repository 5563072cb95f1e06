"""Prediction beside label: losses on the alarm clock, as events. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autoheal.detect import performance, windows
from autoheal.detect.events import Event


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
    if not len(found.rows):
        why = "no row has both a prediction and a label"
        return [Event("finding", last, "performance", found.kind, verdict="no_data", detail=why)]
    why, alarms = performance.watch(found, reference, windows.row_days(times, len(label)), share)
    if why:
        return [Event("finding", last, "performance", found.kind, verdict="not_yet", detail=why)]
    return [
        Event(
            "alarm", a.row, "performance", found.kind, a.level, a.effect, a.log_m, a.start, "breach",
            f"{found.kind} above the reference's by {a.effect:.3g}",
        )
        for a in alarms
    ]  # fmt: skip
