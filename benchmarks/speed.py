"""CPU seconds of drift reports, of a daemon's repeated checks and of streaming detectors, against the peers.

Everything that is compared runs in turns in one run, each peer in a process of its own (``_peers``); CPU time of the
process, all threads, so that neither a busy machine nor more cores change the picture. The batch: 100,000 rows of 25
normal and 25 lognormal columns, every fifth shifted, and 10 categories of 20 levels, against as many reference rows.

Ours is always a whole report (PSI, JS, KS, missing, out of range of the numeric columns; PSI, JS, missing, unseen of the
categories), with D exact ("exact") or between two bounds a percent apart ("bounds"). What a peer computes stands in
the name of its row. Goals: 300 x Evidently, 15 x NannyML fitted, 7 x alibi-detect and scipy, 3 x the time of a bare
sort of the same columns for a report and 5 x for a check, 15 x river's ADWIN for streams that come in batches.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from _peers import Peer
from _shape import Row, main, row
from _speed_peers import ALIBI, EVIDENTLY, NANNYML
from _speed_streams import COMMAND, streams
from _speed_times import Times, cpu
from numpy.typing import NDArray

from autoheal.stats.report import Category, Prepared, drift_report, prepare

ROWS, WINDOW, NUMERIC, CATEGORIES, LEVELS = 100_000, 1_000, 50, 10, 20
ONE = 10_000  # rows of the one feature that peers like to be measured on
LEVEL_NAMES = tuple(f"level {i}" for i in range(LEVELS))
#: Peers, with the most that ours may take of their time; what each computes, by the name of its row.
PEERS: Mapping[str, tuple[str, float]] = {
    "evidently": (EVIDENTLY, 1 / 300),
    "nannyml": (NANNYML, 1 / 15),
    "alibi-detect": (ALIBI, 1 / 7),
}
SAME = {
    "evidently": "KS, PSI, JS; PSI, JS of categories",
    "nannyml": "binned KS, JS; JS of categories, fitted",
    "alibi-detect": "KS; chi2 of categories",
}
#: Of each peer's checks, since some take seconds: they are averaged, ours run a thousand times.
CHECKS = {"evidently": 1, "nannyml": 20, "alibi-detect": 20}


@dataclass
class Data:
    """Reference and batch: numeric (columns, rows) and codes (categories, rows)."""

    reference: NDArray[np.float64]
    current: NDArray[np.float64]
    reference_codes: NDArray[np.int64]
    current_codes: NDArray[np.int64]

    def prepared(self, *, exact: bool) -> Prepared:
        categories = {f"c{i}": Category(v, LEVEL_NAMES) for i, v in enumerate(self.reference_codes)}
        return prepare({f"n{i}": v for i, v in enumerate(self.reference)}, categories, exact=exact)

    def batch(self, part: slice = slice(None)) -> dict[str, NDArray[Any]]:
        held: dict[str, NDArray[Any]] = {f"n{i}": v[part].copy() for i, v in enumerate(self.current)}
        return held | {f"c{i}": v[part].copy() for i, v in enumerate(self.current_codes)}


def data(seed: int = 20_261_123) -> Data:
    rng = np.random.default_rng(seed)

    def side(shift: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        numeric = rng.normal(size=(NUMERIC, ROWS))
        numeric[::5] += shift
        numeric[NUMERIC // 2 :] = np.exp(numeric[NUMERIC // 2 :])
        chances = np.arange(1.0, LEVELS + 1)
        codes = rng.choice(LEVELS, size=(CATEGORIES, ROWS), p=chances / chances.sum())
        return numeric, codes

    (reference, reference_codes), (current, current_codes) = side(0.0), side(0.1)
    return Data(reference, current, reference_codes, current_codes)


def sort_all(batch: Mapping[str, NDArray[Any]]) -> Callable[[], object]:
    """The yardstick: nothing that needs the order of the numeric columns can be faster."""
    columns = [batch[f"n{i}"] for i in range(NUMERIC)]

    def work() -> None:
        for column in columns:
            np.sort(column)  # thrown away at once: what is kept costs page faults

    return work


def scipy_ks(held: Data, part: slice) -> Callable[[], object]:
    """Two-sample KS of each numeric column with its asymptotic p."""
    from scipy.stats import ks_2samp

    pairs = [(r, c[part].copy()) for r, c in zip(held.reference, held.current, strict=True)]
    return lambda: [ks_2samp(r, c, method="asymp") for r, c in pairs]


def reports(held: Data, peers: Mapping[str, Peer], rounds: int) -> list[Row]:
    """One report of the whole batch."""
    times, batch = Times(), held.batch()
    ready = {exact: held.prepared(exact=exact) for exact in (True, False)}
    bare, by_scipy = sort_all(batch), scipy_ks(held, slice(None))
    for i in range(rounds):
        for _ in range(3):
            times.add("exact", cpu(lambda: drift_report(ready[True], batch)))
            times.add("bounds", cpu(lambda: drift_report(ready[False], batch)))
            times.add("sort", cpu(bare))
        times.add("scipy", cpu(by_scipy))
        for name, peer in peers.items():
            # The slow one is asked once: its noise is small beside the ratio.
            if i == 0 or name != "evidently":
                times.add(name, float(peer.call("report", "same")))
                times.add(name + " ks", float(peer.call("report", "ks")))
    times.add("preset", peers["evidently"].call("report", "preset"))
    rows = _against(times, "report, exact", times["exact"])
    rows.append(
        row("report, exact / evidently (its preset)", times["exact"], times["preset"], 1 / 300, COMMAND)
    )
    rows += [row("report, bounds / sort", times["bounds"], times["sort"], 3.0, COMMAND)]
    rows += [row("report, exact / sort", times["exact"], times["sort"], 3.0, COMMAND)]
    prepare_once = cpu(lambda: held.prepared(exact=False))
    rows.append(row("report / preparing the reference once", times["exact"], prepare_once, None, COMMAND))
    return rows + _memory(ready)


def checks(held: Data, peers: Mapping[str, Peer], rounds: int) -> list[Row]:
    """A model's window of 1,000 rows, 60 features, again and again: 1,000 checks of ours a round."""
    times = Times()
    parts = [slice(s, s + WINDOW) for s in range(0, ROWS - WINDOW + 1, WINDOW)][:50]
    windows = [held.batch(part) for part in parts]
    ready = {exact: held.prepared(exact=exact) for exact in (True, False)}
    bare, by_scipy = [sort_all(w) for w in windows], scipy_ks(held, parts[0])
    for i in range(rounds):
        for _ in range(1_000 // len(windows) // rounds + 1):
            times.add("bounds", cpu(lambda: [drift_report(ready[False], w) for w in windows]) / len(windows))
            times.add("sort", cpu(lambda: [work() for work in bare]) / len(windows))
            times.add("exact", cpu(lambda: [drift_report(ready[True], w) for w in windows]) / len(windows))
        times.add("scipy", cpu(by_scipy, 2))
        for name, peer in peers.items():
            if i == 0 or name != "evidently":
                times.add(name, peer.call("check", "same", CHECKS[name]))
                times.add(name + " ks", peer.call("check", "ks", CHECKS[name]))
    rows = _against(times, "check, bounds", times["bounds"]) + _against(times, "check, exact", times["exact"])
    rows.append(row("check, bounds / sort", times["bounds"], times["sort"], 5.0, COMMAND))
    rows.append(row("check, exact / sort", times["exact"], times["sort"], None, COMMAND))
    a_feature = times["bounds"] / (NUMERIC + CATEGORIES)
    rows.append(row("check, bounds: seconds per feature", a_feature, a_feature, None, COMMAND))
    return rows


def one_feature(held: Data, rounds: int) -> list[Row]:
    """One numeric feature, 10,000 rows against 10,000: where nothing is shared between columns."""
    from scipy.stats import ks_2samp

    times, reference = Times(), held.reference[1][:ONE].copy()
    windows = [held.current[1][s : s + ONE].copy() for s in range(0, ROWS, ONE)]
    ready = {exact: prepare({"x": reference}, exact=exact) for exact in (True, False)}
    works: dict[str, Callable[[NDArray[np.float64]], object]] = {
        "exact": lambda w: drift_report(ready[True], {"x": w}),
        "bounds": lambda w: drift_report(ready[False], {"x": w}),
        "sort": np.sort,
        "scipy": lambda w: ks_2samp(reference, w, method="asymp"),
    }
    for _ in range(rounds * 4):
        for name, work in works.items():
            for window in windows:
                times.add(name, cpu(partial(work, window), 2 if name == "scipy" else 10))
    return [
        row("one feature, exact / scipy asymptotic KS", times["exact"], times["scipy"], 1 / 7, COMMAND),
        row("one feature, exact / sort", times["exact"], times["sort"], 5.0, COMMAND),
        row("one feature, bounds / sort", times["bounds"], times["sort"], 5.0, COMMAND),
    ]


def _against(times: Times, what: str, ours: float) -> list[Row]:
    """Ours beside each peer: with the goal for the same figures, without one for KS alone."""
    rows = []
    for name, (_, goal) in PEERS.items():
        rows.append(row(f"{what} / {name} ({SAME[name]})", ours, times[name], goal, COMMAND))
        rows.append(row(f"{what} / {name} (KS alone)", ours, times[name + " ks"], None, COMMAND))
    return [*rows, row(f"{what} / scipy (asymptotic KS alone)", ours, times["scipy"], 1 / 7, COMMAND)]


def _memory(ready: Mapping[bool, Prepared]) -> list[Row]:
    """Bytes that a prepared reference holds a feature, beside the column that it stands for."""
    column = float(ROWS * 8)
    return [
        row(
            f"bytes a feature, {name} / the column",
            ready[exact].size / (NUMERIC + CATEGORIES),
            column,
            None,
            COMMAND,
        )
        for exact, name in ((False, "bounds"), (True, "exact"))
    ]


def measure(quick: bool) -> Sequence[Row]:
    rounds, held = (1 if quick else 3), data()
    payload = {**vars(held), "rows": WINDOW}
    with ExitStack() as stack:
        peers = {
            name: stack.enter_context(Peer(name, script, payload)) for name, (script, _) in PEERS.items()
        }
        for name, peer in peers.items():
            peer.call("check", "ks", 1)  # warm: imports and caches of its own
            print(f"{name} is ready", file=sys.stderr)
        found = [*reports(held, peers, rounds), *checks(held, peers, rounds)]
    return [*found, *one_feature(held, rounds), *streams(rounds)]


if __name__ == "__main__":
    sys.exit(main(measure, __doc__ or ""))
