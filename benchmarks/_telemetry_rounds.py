"""A round over a thousand models of fifty features: drift and performance findings, against the bare histograms."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from _shape import Row, row
from _telemetry_rows import MONITORS, REGIONS, START, WINDOW, reference, spec

from autoheal.domain.names import ModelName, Version
from autoheal.domain.specs import ModelSpec
from autoheal.monitors.evaluate import evaluate
from autoheal.monitors.reference import Reference
from autoheal.monitors.rows import PRESENT, Column, Rows
from autoheal.monitors.view import View
from autoheal.telemetry.ring import Ring
from autoheal.telemetry.values import from_unix

ABOUT = "python benchmarks/telemetry.py"


@dataclass
class Watched:
    """One model with what its monitors remember."""

    spec: ModelSpec
    ring: Ring
    states: dict[str, object]
    reference: Reference
    last: int = 0

    def view(self, as_of: float) -> View:
        return View(self.spec, Version("v1"), float("-inf"), self.reference, as_of, self.ring.rows())


def columns(model: ModelSpec, rows: int, start: float, seed: int) -> Rows:
    """Labelled rows of a healthy model, one in four seconds: a window is worth a look of its own."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, rows)
    score = np.clip(0.8 * truth + 0.1 + rng.normal(0, 0.2, rows), 0.0, 1.0)
    time_ = start + 4.0 * np.arange(rows, dtype=np.float64)
    present = np.full(rows, PRESENT, np.uint8)
    features = {
        f.name: Column("numeric", rng.normal(0.0, 10.0, rows), present)
        if f.kind == "numeric"
        else Column("categorical", rng.integers(0, 3, rows).astype(np.int32), present, REGIONS)
        for f in model.features
    }
    no = np.zeros(rows, np.bool_)
    version = np.zeros(rows, np.int32)
    return Rows(
        time_, time_, version, ("v1",), no, no, (score > 0.5).astype(np.float64), score,
        np.full(rows, 3.0), truth.astype(np.float64), time_, ("0", "1"), features,
    )  # fmt: skip


def watched(number: int, features: int, rows: int) -> list[Watched]:
    base = spec("m", features, monitors=MONITORS)
    known = reference(base)
    found = []
    for i in range(number):
        model = replace(base, name=ModelName(f"m{i}"))
        ring = Ring(model, max(rows, WINDOW))
        fill(ring, columns(model, rows, START, i), 1)
        found.append(Watched(model, ring, {}, known, max(rows, WINDOW)))
    return found


def fill(ring: Ring, rows: Rows, first: int) -> None:
    """As the store does it; the rows bring their own levels and classes."""
    for text in rows.versions:
        ring.versions.code(text)
    for text in rows.classes:
        ring.classes.code(text)
    for name, column in rows.features.items():
        for text in column.levels:
            ring.levels[name].code(text)
    ring.hold(range(first, first + len(rows)), rows)


def beat(models: Sequence[Watched], times: int, as_of: float) -> int:
    """Look at ``times`` models, going round; the number of findings."""
    said = 0
    for i in range(times):
        one = models[i % len(models)]
        one.states, findings = evaluate(one.spec, one.states, one.view(as_of), from_unix(as_of))
        said += len(findings)
    return said


def bare(models: Sequence[Watched], times: int) -> None:
    """The same histograms and nothing else."""
    edges = [
        np.asarray(f.bins.edges) if f.bins is not None else None
        for f in models[0].reference.features.values()
    ]
    for i in range(times):
        rows = models[i % len(models)].ring.rows()
        for cut, column in zip(edges, rows.features.values(), strict=True):
            window = column.values[-WINDOW:]
            if cut is None:
                np.bincount(window + 1, minlength=5)
            else:
                np.bincount(np.searchsorted(cut, window), minlength=len(cut) + 1)


def rounds(quick: bool) -> Sequence[Row]:
    times, held = (100, 20) if quick else (1_000, 100)
    models = watched(held, 50, WINDOW)
    first, ours, peer = _times(models, times)
    gc.collect()
    found = [
        row("a round with new rows, against histograms (ms CPU a model)", first, peer, 3.0, ABOUT),
        row("a round without new rows (ms CPU a model)", ours, peer, 3.0, ABOUT),
    ]
    bytes_each = sum(a.nbytes for a in _arrays(models[0].ring)) / 50
    print(
        f"memory: {bytes_each / 1024:.1f} KB per model and feature with {WINDOW} rows, {bytes_each / WINDOW:.1f} B a row"
    )
    narrow, _, _ = _times(watched(held, 25, WINDOW), times)
    found.append(row("50 features, against twice 25 (ms CPU a model)", first, 2.0 * narrow, 1.2, ABOUT))
    few, _, _ = _times(models[: held // 2], times)
    found.append(row("half as many models, per model (ms)", first, few, 1.2, ABOUT))
    long = watched(max(held // 4, 5), 50, 10 * WINDOW)
    deep, _, _ = _times(long, times // 2)
    found.append(row("ten times the history, against one (ms CPU a model)", deep, first, 1.5, ABOUT))
    return found


def _times(models: Sequence[Watched], times: int) -> tuple[float, float, float]:
    """Milliseconds (CPU) of one look: with a window of new rows, without, and of the bare histograms."""
    as_of = float(models[0].ring.rows().time.max()) + 1.0
    beat(models, len(models), as_of)
    fresh: list[float] = []
    for lap in range(3):
        start = as_of + lap * 8.0 * WINDOW
        for i, one in enumerate(models):
            fill(one.ring, columns(one.spec, WINDOW, start, 7 * i + lap), one.last + 1)
            one.last += WINDOW
        began = time.process_time()
        beat(models, len(models), start + 4.0 * WINDOW + 1.0)
        fresh.append(time.process_time() - began)
    began = time.process_time()
    beat(models, times, as_of + 2 * 8.0 * WINDOW + 4.0 * WINDOW + 2.0)
    still = time.process_time() - began
    began = time.process_time()
    bare(models, times)
    none = time.process_time() - began
    return sorted(fresh)[1] / len(models) * 1e3, still / times * 1e3, none / times * 1e3


def _arrays(ring: Ring) -> list[np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    rows = ring.rows()
    found = [rows.time, rows.arrived, rows.prediction, rows.score, rows.latency, rows.label, rows.labelled]
    return [*found, *(c.values for c in rows.features.values()), *(c.state for c in rows.features.values())]
