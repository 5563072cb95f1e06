"""Evidently's and NannyML's own default rules on a sample of the features and hours, for ``statistics.py``, point 1.

Both get the rows as one would feed them: reference and each hour as a frame. Evidently: the test that its registry picks
for a column, at that test's default threshold (the report around it takes 300 times as long and decides nothing more).
NannyML: ``UnivariateDriftCalculator`` with its defaults, one chunk an hour. What comes back is the share of feature-hours
that they flag; the caller extrapolates. None where the peer cannot be installed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from _peers import Peer, PeerError
from _statistics_cases import Case, Floats

EVIDENTLY = """
def answer(at):
    import pandas as pd
    from evidently.legacy.calculations.stattests import get_stattest
    from evidently.legacy.core import ColumnType
    flagged = 0
    reference, windows = payload[f"reference{at}"], payload[f"windows{at}"]
    for f in range(reference.shape[1]):
        known = pd.Series(reference[:, f])
        for hour in windows[:, :, f]:
            now = pd.Series(hour)
            test = get_stattest(known, now, ColumnType.Numerical, None)
            flagged += bool(test(known, now, ColumnType.Numerical, None).drifted)
    return flagged / (reference.shape[1] * len(windows))
"""

NANNYML = """
def answer(at):
    import pandas as pd
    import nannyml
    reference, windows = payload[f"reference{at}"], payload[f"windows{at}"]
    names = [f"f{i}" for i in range(reference.shape[1])]
    rows = windows.shape[1]
    calculator = nannyml.UnivariateDriftCalculator(column_names=names, chunk_size=rows)
    calculator.fit(pd.DataFrame(reference, columns=names))
    seen = calculator.calculate(pd.DataFrame(windows.reshape(-1, len(names)), columns=names))
    table = seen.filter(period="analysis").to_df()
    flags = [table[c].astype(bool).mean() for c in table.columns if c[-1] == "alert"]
    return float(sum(flags) / len(flags))
"""

SCRIPTS = {"Evidently default": ("evidently", EVIDENTLY), "NannyML default": ("nannyml", NANNYML)}
#: Whole weeks of a long reference would only slow the peers down; they get its last rows.
MOST_REFERENCE = 84_000
DAYS = 7


def shares(cases: Sequence[Case], features: int, hours: int, seed: int) -> dict[str, list[float]]:
    """Share of feature-hours flagged in each case: ``hours`` of a week, of the first ``features``; [] where no peer."""
    payload: dict[str, Floats] = {}
    for at, case in enumerate(cases):
        payload[f"reference{at}"], payload[f"windows{at}"] = _sample(case, features, hours, seed)
    found: dict[str, list[float]] = {}
    for name, (peer, script) in SCRIPTS.items():
        try:
            with Peer(peer, script, payload) as running:
                found[name] = [float(running.call("answer", at)) for at in range(len(cases))]
        except PeerError as problem:
            print(f"{name}: {problem}", file=sys.stderr)
            found[name] = []
    return found


def _sample(case: Case, features: int, hours: int, seed: int) -> tuple[Floats, Floats]:
    """Reference (rows, features) and hours (hours, rows, features)."""
    every = max(DAYS * 24 // hours, 1)
    streams = np.stack([case.stream(i, DAYS, seed) for i in range(features)], axis=1)
    live = streams[case.reference :].reshape(-1, case.rows, features)
    return streams[: case.reference][-MOST_REFERENCE:], np.ascontiguousarray(live[::every][:hours])
