"""Streaming detectors by the batch against river's, one value at a time: seconds of CPU time an element; part of speed.py.

Bits with rate 0.1, no change. A daemon gets its labels in batches; river's detectors take them one by one. The
e-detector of autoheal is shown as a batch a step (what arrives together is one step) and as a row a step, with its six
alternatives; the familiar ones stand beside river's of the same name too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from _peers import Peer
from _shape import Row, row
from _speed_peers import RIVER
from _speed_times import Times, cpu
from numpy.typing import NDArray

from autoheal.stats import eprocess, familiar, familiar_batch
from autoheal.stats.adwin import Adwin

COMMAND = "python benchmarks/speed.py"
BITS = 200_000
BATCHES = (1_000, 10_000)
GOAL = 1 / 15
Bits = NDArray[np.float64]


def streams(rounds: int) -> list[Row]:
    """All detectors of ours, and river's, in turns."""
    bits = (np.random.default_rng(7).random(BITS) < 0.1).astype(float)
    times = Times()
    with Peer("river", RIVER, {"bits": bits}) as river:
        river.call("update", "ADWIN")
        for _ in range(rounds * 2):
            for name in ("ADWIN", "PageHinkley", "DDM"):
                times.add(name, river.call("update", name))
            for name, work, size in _ours(bits):
                times.add(name, cpu(work) / size)
    rows = []
    for name, *_ in _ours(bits):
        rows.append(row(f"{name} / river ADWIN", times[name], times["ADWIN"], GOAL, COMMAND))
    for ours, theirs in (("Page-Hinkley", "PageHinkley"), ("DDM", "DDM")):
        name = f"{ours}, batches of {BATCHES[-1]:,}"
        rows.append(row(f"{name} / river {theirs}", times[name], times[theirs], GOAL, COMMAND))
    return rows


def _ours(bits: Bits) -> list[tuple[str, Callable[[], object], int]]:
    """Name, work and how many elements it takes."""
    works: list[tuple[str, Callable[[], object], int]] = []
    for size in BATCHES:
        parts = [bits[s : s + size] for s in range(0, len(bits), size)]
        said = f"batches of {size:,}"
        works += [
            (f"e-detector, a batch a step, {said}", partial(_steps, parts), len(bits)),
            (f"e-detector, a row a step, {said}", partial(_rows, parts), len(bits)),
            (
                f"Page-Hinkley, {said}",
                _batches(familiar_batch.page_hinkley, familiar.PageHinkley(), parts),
                len(bits),
            ),
            (f"EWMA, {said}", _batches(familiar_batch.ewma, familiar.Ewma(0.1, 0.3), parts), len(bits)),
            (f"DDM, {said}", _batches(familiar_batch.ddm, familiar.Ddm(), parts), len(bits)),
        ]
    return [*works, ("ADWIN, one by one", partial(_one_by_one, bits[:5_000]), 5_000)]


def _steps(parts: list[Bits]) -> None:
    state = eprocess.fresh()
    for part in parts:
        log_e = eprocess.log_e_batch(0.12, len(part), int(np.count_nonzero(part)))
        state = eprocess.update(state, log_e, 0.01)


def _rows(parts: list[Bits]) -> None:
    state = eprocess.fresh()
    for part in parts:
        log_e = eprocess.log_e_batches(0.12, np.ones(len(part)), part)
        state, _ = eprocess.trace(state, log_e, 0.001)


def _batches(function: Any, start: Any, parts: list[Bits]) -> Callable[[], object]:
    def work() -> None:
        state = start
        for part in parts:
            state, _ = function(state, part)

    return work


def _one_by_one(bits: Bits) -> None:
    state = Adwin()
    for bit in bits.tolist():
        state = state.update(bit)
