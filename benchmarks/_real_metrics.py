"""One metric at a time: NAB, Microsoft's cloud series, the Turing change points, and noise with nothing wrong in it.

Everything goes through ``detect`` with its defaults, as ``autoheal detect FILE --time COL --value COL`` does; all alarms
count, of both levels. Each corpus is also reported in two halves, by turns of its file names: what was found while
looking at one half has to hold on the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from _real_peers import Floats, adwin, held, profile_z, rolling_z, three_sigma
from _real_scores import PROFILES, Incidents, change_f1, cover, incidents, nab_raw, nab_score
from _real_series import Series, cloud, nab, turing
from _shape import Row, at_least, at_most

from autoheal.detect.engine import Options, detect
from autoheal.detect.events import Event
from autoheal.detect.table import Table, numbers, times

COMMAND = "python benchmarks/real_data.py"
WARM = 0.15  # the first rows of a cloud series are not scored, as in NAB
Rows = list[list[int]]


def alarms(series: Series) -> list[Event]:
    return [e for e in detect(series.table, series.options) if e.kind == "alarm"]


def _values(series: Series) -> Floats:
    read = numbers(series.values).values
    return np.where(np.isfinite(read), read, float(np.nanmedian(read[np.isfinite(read)])))


def _halves(corpus: Sequence[Series]) -> Iterator[tuple[str, list[int]]]:
    everything = list(range(len(corpus)))
    yield from (("", everything), (", half A", everything[::2]), (", half B", everything[1::2]))


def nab_rows(root: Path, quick: bool) -> list[Row]:
    corpus = list(nab(root))[:: 3 if quick else 1]
    ours = [[e.row for e in alarms(s)] for s in corpus]
    sigma = [three_sigma(_values(s)) for s in corpus]
    z = [profile_z(_values(s), _times(s)) for s in corpus]
    limits = [2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 14.0, 20.0]
    profiles = [[held(np.flatnonzero(one > limit).tolist(), 100) for one in z] for limit in limits]
    best = max(profiles, key=lambda found: _nab(corpus, found, "standard"))
    rows = []
    for half, members in _halves(corpus):
        part = [corpus[i] for i in members]
        mine, theirs = [ours[i] for i in members], [best[i] for i in members]
        for profile in PROFILES:
            goal = 58.0 if profile == "standard" and not half and not quick else None
            a, b = _nab(part, mine, profile), _nab(part, theirs, profile)
            rows.append(at_least(f"NAB {profile}{half}, v hour-of-day profile", a, b, goal, COMMAND))
    total = _nab(corpus, ours, "standard")
    rows.append(at_least("NAB standard, v 3 sigma", total, _nab(corpus, sigma, "standard"), None, COMMAND))
    if not quick:
        seen = [held(found, 100) for found in adwin([_values(s) for s in corpus])]
        rows.append(at_least("NAB standard, v ADWIN", total, _nab(corpus, seen, "standard"), None, COMMAND))
    return rows


def _nab(corpus: Sequence[Series], found: Rows, profile: str) -> float:
    raw = sum(nab_raw(rows, s.marked, s.table.rows, profile) for rows, s in zip(found, corpus, strict=True))
    return nab_score(raw, sum(len(s.marked) for s in corpus), profile)


def _times(series: Series) -> Floats:
    found = times(series.options.time, series.table.columns[series.options.time])
    assert found is not None
    return found


def cloud_rows(root: Path, quick: bool) -> list[Row]:
    corpus = list(cloud(root))[:: 3 if quick else 1]
    ours = [[e.row for e in alarms(s)] for s in corpus]
    windows = (60, 200)
    peers = {w: [rolling_z(_values(s), w) for s in corpus] for w in windows}
    rows = []
    for half, members in _halves(corpus):
        mine = _incidents(corpus, ours, members)
        for w in windows:
            theirs = _incidents(corpus, peers[w], members)
            fixed = not half and not quick and w == windows[0]
            f1, false = (50.0, 0.5) if fixed else (None, None)
            name = f"{half}, v rolling z > 8 of {w} rows"
            rows += [
                at_least(f"cloud F1 %{name}", 100 * mine.f1, 100 * theirs.f1, f1, COMMAND),
                at_most(
                    f"cloud false/1000{name}", mine.false_per_1000, theirs.false_per_1000, false, COMMAND
                ),
            ]
    return rows


def _incidents(corpus: Sequence[Series], found: Rows, members: Sequence[int]) -> Incidents:
    total = Incidents()
    for i in members:
        warm = int(WARM * corpus[i].table.rows)
        scored = [row for row in found[i] if row >= warm]
        marked = [span for span in corpus[i].marked if span[0] >= warm]
        total += incidents(scored, marked, corpus[i].table.rows - warm)
    return total


def turing_rows(root: Path, quick: bool) -> list[Row]:
    corpus = list(turing(root))
    ours = [[e.started_row or 0 for e in alarms(s)] for s in corpus]
    nothing: Rows = [[] for _ in corpus]
    peers = {"no change at all": nothing}
    if not quick:
        peers["ADWIN"] = adwin([_standard(_values(s)) for s in corpus])
    rows = []
    for half, members in _halves(corpus):
        for peer, found in peers.items():
            fixed = not half and peer == "no change at all"
            (a, c), (b, d) = _turing(corpus, ours, members), _turing(corpus, found, members)
            name = f"{half}, v {peer}"
            rows.append(at_least(f"Turing cover{name}", a, b, 0.66 if fixed else None, COMMAND))
            rows.append(at_least(f"Turing F1{name}", c, d, 0.70 if fixed else None, COMMAND))
    return rows


def _turing(corpus: Sequence[Series], found: Rows, members: Sequence[int]) -> tuple[float, float]:
    covers = [cover(corpus[i].annotations, found[i], corpus[i].table.rows) for i in members]
    scores = [change_f1(corpus[i].annotations, found[i]) for i in members]
    return float(np.mean(covers)), float(np.mean(scores))


def _standard(values: Floats) -> Floats:
    return np.asarray((values - values.mean()) / (values.std() or 1.0), dtype=np.float64)


def _alike(rng: np.random.Generator, n: int) -> Floats:
    x = rng.standard_normal(n)
    for i in range(1, n):
        x[i] += 0.8 * x[i - 1]
    return x


def _season(rng: np.random.Generator, n: int, step: float) -> Floats:
    days = np.arange(n) * step / 86400.0
    weekend = days.astype(np.int64) % 7 >= 5
    return np.asarray(
        100 + 30 * np.sin(2 * np.pi * days) * (1 - 0.5 * weekend) + 3 * rng.standard_normal(n),
        dtype=np.float64,
    )


#: What is measured, and how much of the budget docs/detect.md says it takes at most.
NOISE: dict[str, tuple[Callable[[np.random.Generator, int, float], Floats], float]] = {
    "white": (lambda rng, n, _: rng.standard_normal(n), 1.0),
    "AR(1) 0.8": (lambda rng, n, _: _alike(rng, n), 1.0),
    "random walk": (lambda rng, n, _: np.asarray(np.cumsum(rng.standard_normal(n))), 1.0),
    "seasonal": (_season, 1.0),
    "counts of 3": (lambda rng, n, _: rng.poisson(3, n).astype(np.float64), 1.25),
    "heavy tails t3": (lambda rng, n, _: rng.standard_t(3, n), 2.0),
    "log-normal": (lambda rng, n, _: np.exp(rng.standard_normal(n)), 2.0),
}


def noise_rows(quick: bool) -> list[Row]:
    """Alarms a fortnight where nothing is wrong; promised: one."""
    rows = []
    for name, (make, most) in NOISE.items():
        for pace, step, days, runs in (("hourly", 3600.0, 90, 24), ("5 min", 300.0, 28, 16)):
            seeds = range(max(runs // 8, 1) if quick else runs)
            found = [_quiet(make, step, int(days * 86400 / step), seed) for seed in seeds]
            ours, theirs = (sum(counts) * 14.0 / (len(seeds) * days) for counts in zip(*found, strict=True))
            goal = None if quick else most
            rows.append(at_most(f"noise, {name}, {pace}: alarms in 14 days", ours, theirs, goal, COMMAND))
    return rows


def _quiet(
    make: Callable[[np.random.Generator, int, float], Floats], step: float, n: int, seed: int
) -> tuple[int, int]:
    """Alarms of ours and of 3 sigma in one series."""
    x = make(np.random.default_rng([seed, int(step), 17]), n, step)
    at = 1.6e9 + step * np.arange(n)
    table = Table({"at": [repr(t) for t in at.tolist()], "v": [repr(v) for v in x.tolist()]}, n)
    events = detect(table, Options(time="at", value="v"))
    return sum(e.kind == "alarm" for e in events), len(three_sigma(x))
