"""Features and predictions by windows: hard rules, drift, rates, the multivariate look; as events. Pure.

A column that a hard rule has found broken in a window says nothing else in it: the break explains the rest. Findings say
when a column's state changes: breach, ok again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from autoheal.detect import features, windows
from autoheal.detect.clock import Raised
from autoheal.detect.drift import Drift
from autoheal.detect.events import Event
from autoheal.detect.features import Feature, Parsed
from autoheal.detect.many import SUBJECTS, Many
from autoheal.detect.rates import Rates
from autoheal.detect.windows import Window
from autoheal.stats.categorical import MISSING, Break
from autoheal.stats.reference_bins import FEATURE_BINS, SCORE_BINS

Floats = NDArray[np.float64]

#: Constants change by chance in narrow windows of skewed columns; all other breaks are certain.
LOUD = frozenset({Break.ALL_MISSING, Break.TYPE_CHANGED, Break.NEW_LEVEL, Break.CONSTANT})
MOST_DIMENSIONS = 200


def watch_inputs(
    cells: Mapping[str, Sequence[str]],
    names: Sequence[str],
    prediction: str,
    shares: Mapping[str, float],
    times: Floats | None,
    reference: tuple[int, int],
) -> list[Event]:
    """All events of features (``names``) and of the prediction; rows are positions in the order of time."""
    rows = len(next(iter(cells.values()), ()))
    cuts = windows.cut(times, reference[1], rows)
    events: list[Event] = []
    a_column = shares["multivariate"] / 2 / max(len(names) + bool(prediction), 1)
    groups = [(names, "features", FEATURE_BINS), ([prediction] if prediction else [], "score", SCORE_BINS)]
    for members, kind, bins in groups:
        parsed = {name: features.parse(name, cells[name], *reference, bins) for name in members}
        events += [_unready(name, one.why, kind, rows) for name, one in parsed.items() if one.feature is None]
        ready = {name: one for name, one in parsed.items() if one.feature is not None}
        if not ready or not cuts:
            events += [
                _unready(n, f"fewer than {windows.LEAST} rows behind the reference", kind, rows)
                for n in ready
            ]
            continue
        spans = windows.blocks(*reference, cuts)
        group = _Group(kind, ready, shares[kind], a_column, reference, spans)
        events += [event for window in cuts for event in group.look(window)]
        if kind == "features":
            events += _watch_many(ready, reference, cuts, shares["multivariate"] / 2)
    return events


def _unready(name: str, why: str, kind: str, rows: int) -> Event:
    return Event("finding", rows - 1, _monitor(kind), name, verdict="not_yet", detail=why)


def _monitor(kind: str) -> str:
    return "score_drift" if kind == "score" else "data_drift"


class _Group:
    """The columns of one kind, window after window."""

    def __init__(
        self,
        kind: str,
        ready: Mapping[str, Parsed],
        share: float,
        a_column: float,
        reference: tuple[int, int],
        spans: Sequence[tuple[int, int]],
    ) -> None:
        self._monitor, self._parsed = _monitor(kind), ready
        self._all = [one.feature for one in ready.values() if one.feature is not None]
        self._drifting = [f for f in self._all if not f.constant]
        self._starts: list[int] = []
        even = np.full(max(len(self._drifting), 1), share / max(len(self._drifting), 1))
        names = [f.name for f in self._drifting]
        blocks = [[f.tally(*span) for f in self._drifting] for span in spans]
        self._drift = Drift(names, [f.reference for f in self._drifting], even, blocks) if names else None
        size = reference[1] - reference[0]
        pairs = [(self._rare(f, *reference), size) for f in self._all]
        self._rates = Rates([f.name for f in self._all], pairs, np.full(len(self._all), a_column))
        self._bad: dict[tuple[str, str], bool] = {}

    def look(self, window: Window) -> list[Event]:
        self._starts.append(window.start)
        events: list[Event] = []
        broken: set[str] = set()
        for feature in self._all:
            wrong = int(self._parsed[feature.name].wrong[window.start : window.end].sum())
            breaks = [b for b in feature.breaks(window.start, window.end, wrong) if b in LOUD]
            if breaks:
                broken.add(feature.name)
            events += self._turned(
                "schema", feature.name, bool(breaks), window, ", ".join(breaks), alarm=True
            )
        return events + self._drifts(window, broken) + self._rare_events(window, broken)

    def _drifts(self, window: Window, broken: set[str]) -> list[Event]:
        if self._drift is None:
            return []
        nothing = np.zeros(1, dtype=np.int64)
        tallies = [nothing if f.name in broken else f.tally(window.start, window.end) for f in self._drifting]
        seen = self._drift.look(tallies, window.days)
        events = [
            self._alarm(r, self._drifting[r.index], window, self._monitor, float(seen.psi[r.index]), "PSI")
            for r in seen.raised
        ]
        for i, feature in enumerate(self._drifting):
            if feature.name not in broken:
                detail = f"PSI {seen.psi[i]:.2f}"
                effect, evidence = float(seen.psi[i]), float(seen.log_e[i])
                # Between beyond doubt and well, a column stays what it was.
                drifted = bool(seen.drifted[i]) or (self._is_bad(feature.name) and not seen.well[i])
                events += self._turned(self._monitor, feature.name, drifted, window, detail, effect, evidence)
        return events

    def _rare_events(self, window: Window, broken: set[str]) -> list[Event]:
        rows = window.end - window.start
        events = [0 if f.name in broken else self._rare(f, window.start, window.end) for f in self._all]
        return [
            self._alarm(r, self._all[r.index], window, "rates", events[r.index] / rows, self._what(r.index))
            for r in self._rates.look(events, rows, window.days)
        ]

    def _what(self, index: int) -> str:
        return "share of other values" if self._all[index].constant else "share of missing cells"

    @staticmethod
    def _rare(feature: Feature, start: int, end: int) -> int:
        """Missing cells; of a constant, everything that is not the constant."""
        if not feature.constant:
            return feature.missing(start, end)
        usual = next(name for name in feature.levels_seen if name != MISSING)
        return end - start - feature.names[start:end].count(usual)

    def _alarm(
        self, raised: Raised, feature: Feature, window: Window, monitor: str, effect: float, unit: str
    ) -> Event:
        started = self._starts[max(len(self._starts) - 1 - raised.ago, 0)]
        return Event(
            "alarm", window.end - 1, monitor, feature.name, raised.level, effect, raised.log_m, started,
            "breach", f"{unit} {effect:.3g}",
        )  # fmt: skip

    def _is_bad(self, name: str) -> bool:
        return self._bad.get((self._monitor, name), False)

    def _turned(
        self,
        monitor: str,
        subject: str,
        bad: bool,
        window: Window,
        detail: str,
        effect: float | None = None,
        evidence: float | None = None,
        *,
        alarm: bool = False,
    ) -> list[Event]:
        """A finding when a column turns bad or well; a hard rule alarms at once."""
        if bad == self._bad.get((monitor, subject), False):
            return []
        self._bad[monitor, subject] = bad
        row, start = window.end - 1, window.start
        if bad and alarm:
            return [Event("alarm", row, monitor, subject, "act", effect, evidence, start, "breach", detail)]
        verdict = "breach" if bad else "ok"
        return [Event("finding", row, monitor, subject, None, effect, evidence, start, verdict, detail)]


def _watch_many(
    ready: Mapping[str, Parsed], reference: tuple[int, int], cuts: Sequence[Window], share: float
) -> list[Event]:
    """The multivariate look over the numeric features."""
    numeric = [
        one.feature for one in ready.values() if one.feature is not None and one.feature.bins is not None
    ]
    numeric = numeric[:MOST_DIMENSIONS]
    last = cuts[-1].end - 1
    if len(numeric) < 2:
        return []
    # Beyond 1e150 squares overflow; standardised rows are cut at four deviations anyway.
    rows = np.stack([np.clip(f.values, -1e150, 1e150) for f in numeric], axis=1)
    size = min(c.end - c.start for c in cuts)
    many = Many(rows[slice(*reference)], size, np.full(len(SUBJECTS), share / len(SUBJECTS)))
    if not many.ready:
        why = f"the reference has fewer than eight windows of {size} rows to rank by"
        return [Event("finding", last, "multivariate", "features", verdict="not_yet", detail=why)]
    events = []
    for i, window in enumerate(cuts):
        raised, values, pair = many.look(rows[window.start : window.end], window.days)
        for one in raised:
            names = " x ".join(dict.fromkeys(numeric[j].name for j in pair)) if one.index else "all features"
            start = cuts[max(i - one.ago, 0)].start
            row, value = window.end - 1, values[one.index]
            subject = SUBJECTS[one.index]
            events.append(
                Event(
                    "alarm", row, "multivariate", subject, one.level, value, one.log_m, start, "breach", names
                )
            )  # fmt: skip
    return events
