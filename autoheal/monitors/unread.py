"""Rows that have not been evidence yet, in windows that wait until they are large enough. Pure.

Used by monitors that bet on whole windows: each row counts exactly once, however often one looks. What surprises: rows
are taken in the order of *arrival* (a late batch is new evidence), and a window lies in data time by its newest row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from autoheal.monitors.rows import Bools, Floats, Ints
from autoheal.monitors.view import View

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Mark:
    """How far one has read: ``arrived`` on the daemon's clock, ``until`` in the data's time; None before the start."""

    arrived: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Positions of its rows, in the order of time, and the days of data time that it adds."""

    places: Ints
    days: float


def unread(view: View, usable: Bools, mark: Mark, rows: int) -> tuple[tuple[Window, ...], Mark]:
    """Windows of ``rows`` or a little more from the usable rows after the mark, and the new mark.

    Nothing, and the old mark, while there are fewer.
    """
    after = -np.inf if mark.arrived is None else mark.arrived
    arrived = view.rows.arrived
    places = np.flatnonzero(usable & (arrived > after) & (arrived <= view.as_of))
    if len(places) < rows:
        return (), mark
    # A stable sort by arrival; a ring holds its rows that way, corrections apart.
    ordered = places[np.argsort(arrived[places], kind="stable")]
    time = np.minimum(view.rows.time, view.as_of)  # a clock that is ahead must not use up the days to come
    first = float(time[places].min())
    made = tuple(_windows(time, ordered, rows, first if mark.until is None else mark.until))
    until = max(float(time[places].max()), first if mark.until is None else mark.until)
    return made, Mark(view.as_of, until)


def _windows(times: Floats, ordered: Ints, rows: int, until: float) -> Iterator[Window]:
    for part in np.array_split(ordered, max(len(ordered) // rows, 1)):
        time = times[part]
        newest = max(float(time.max()), until)
        yield Window(part[np.argsort(time, kind="stable")], (newest - until) / DAY)
        until = newest
