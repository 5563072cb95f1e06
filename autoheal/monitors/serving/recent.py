"""The newest requests and metric samples since the champion began to serve. Pure."""

from __future__ import annotations

import numpy as np

from autoheal.monitors.options import Window
from autoheal.monitors.rows import Floats, Ints
from autoheal.monitors.view import View

#: So many of the newest samples of a metric must agree.
SAMPLES = 3
#: A metric whose newest sample is older than this many of its usual intervals says nothing.
INTERVALS = 5.0


def recent(view: View, window: Window) -> Ints:
    """Positions of the window's rows, in the order of time."""
    places = np.flatnonzero(view.rows.time >= view.since)
    return places[window.pick(view.rows.time[places])]


def samples(view: View, metric: str) -> Floats | None:
    """The newest samples of a metric, or None when there are too few or they are old."""
    series = view.metrics.get(metric)
    if series is None:
        return None
    kept = series.time >= view.since
    time, value = series.time[kept], series.value[kept]
    if len(time) < SAMPLES:
        return None
    usual = float(np.median(np.diff(time[-20:])))
    if view.as_of - time[-1] > max(INTERVALS * usual, 60.0):
        return None
    newest: Floats = value[-SAMPLES:]
    return newest
