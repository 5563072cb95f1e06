"""The slices monitor on made-up traffic: false alarms against the promise, and rows until a corner that fell is found.

``python benchmarks/_slices.py [MODELS]`` plays that many models (200), each with twenty slices (17 regions of equal
traffic, three age groups), a reference of its own from 10,000 held-out rows, and ten days of 2,880 labelled rows. The
whole budget is this monitor's of this model: one ``notify`` in 14 days is promised. Beside it the rule that one would
write by hand: a slice's newest 300 rows five points under its baseline. Then one region falls from 90% to 80% or 70%,
which takes half a point or one from the whole. The figures are in docs/monitors.md; a model takes about a second.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoheal.domain.finding import Finding
from autoheal.domain.names import ModelName, Task, Verdict, Version
from autoheal.domain.specs import FeatureSpec, ModelSpec, MonitorSpec, SliceSpec
from autoheal.monitors.contract import from_unix
from autoheal.monitors.evaluate import evaluate
from autoheal.monitors.reference import Reference
from autoheal.monitors.rows import Column, Rows
from autoheal.monitors.view import View
from autoheal.telemetry import build_performance, build_reference, load_reference

REGIONS = tuple(f"r{i:02d}" for i in range(17))
FEATURES = (FeatureSpec("region", "categorical"), FeatureSpec("age", "numeric"), FeatureSpec("x", "numeric"))
SLICES = (SliceSpec("region", most=len(REGIONS)), SliceSpec("age", bins=(25.0, 45.0)))
SPEC = ModelSpec(
    ModelName("m"),
    Task.CLASSIFICATION,
    features=FEATURES,
    slices=SLICES,
    monitors=(MonitorSpec("slices"),),
)
START, STEP, DAY_ROWS, DAYS = 1.7e9, 30.0, 2_880, 10
#: Error rate of healthy answers; rows held out; rows in memory; points that the rule by hand allows.
ERROR, HELD, MEMORY, POINTS = 0.10, 10_000, 20_000, 0.05
#: Rows between two looks after the fall, and looks at most.
LOOK, MOST = 500, 60

Drawn = Mapping[str, NDArray[Any]]


@dataclass
class Model:
    """``fallen`` is the error rate of the first region."""

    rng: np.random.Generator
    fallen: float = ERROR
    rows: int = 0
    parts: list[Drawn] = field(default_factory=list)
    states: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        held, made = self._draw(HELD), self._draw(HELD)
        columns = {"region": _names(held), "age": held["age"].tolist()}
        performance = build_performance(
            SPEC.task, held["truth"].tolist(), held["said"].tolist(), slices=SLICES, columns=columns
        )
        columns = {"region": _names(made), "age": made["age"].tolist(), "x": made["x"].tolist()}
        raw = build_reference(FEATURES, columns, performance, slices=SLICES)
        self.reference: Reference = load_reference(raw)

    def _draw(self, n: int) -> Drawn:
        region, truth = self.rng.integers(0, len(REGIONS), n), self.rng.integers(0, 2, n)
        wrong = self.rng.random(n) < np.where(region == 0, self.fallen, ERROR)
        age, x = self.rng.uniform(15, 70, n), self.rng.normal(size=n)
        return {
            "region": region,
            "age": age,
            "x": x,
            "truth": truth,
            "said": np.where(wrong, 1 - truth, truth),
        }

    def add(self, n: int) -> list[Finding]:
        """That many rows, and a look at them."""
        self.rows += n
        self.parts.append(self._draw(n))
        view = self._view()
        self.states, found = evaluate(SPEC, self.states, view, from_unix(view.as_of))
        return [f for f in found if f.verdict is Verdict.BREACH]

    def by_hand(self) -> int:
        """Slices that a threshold on their newest 300 rows would call bad."""
        known = self.reference.slices["region"].parts
        whole = self._whole()
        wrong = whole["truth"] != whole["said"]
        bad = 0
        for code, name in enumerate(REGIONS):
            mine = wrong[whole["region"] == code][-300:]
            base = known[f"region={name}"].performance["accuracy"].value
            bad += len(mine) == 300 and 1.0 - float(mine.mean()) < base - POINTS
        return bad

    def _whole(self) -> Drawn:
        return {name: np.concatenate([p[name] for p in self.parts])[-MEMORY:] for name in self.parts[0]}

    def _view(self) -> View:
        whole = self._whole()
        n = len(whole["x"])
        time = START + STEP * np.arange(self.rows - n, self.rows, dtype=np.float64)
        no, fine, none = np.zeros(n, np.bool_), np.zeros(n, np.uint8), np.full(n, np.nan)
        features = {
            "region": Column("categorical", whole["region"].astype(np.int32), fine, REGIONS),
            "age": Column("numeric", whole["age"], fine),
            "x": Column("numeric", whole["x"], fine),
        }
        said, truth = whole["said"].astype(np.float64), whole["truth"].astype(np.float64)
        rows = Rows(
            time,
            time,
            np.zeros(n, np.int32),
            ("v1",),
            no,
            no,
            said,
            none,
            none,
            truth,
            time,
            ("0", "1"),
            features,
        )
        return View(SPEC, Version("v1"), -np.inf, self.reference, float(time[-1]), rows)


def _names(drawn: Drawn) -> list[str]:
    return [REGIONS[code] for code in drawn["region"].tolist()]


def healthy(models: int) -> tuple[int, int]:
    """False alarms of the monitor, and of the rule by hand, each counted as it begins."""
    alarms = by_hand = 0
    for seed in range(models):
        model, before, bad = Model(np.random.default_rng(seed)), set[str](), 0
        for _ in range(DAYS):
            now = {f.subject for f in model.add(DAY_ROWS)}
            count = model.by_hand()
            alarms, by_hand = alarms + len(now - before), by_hand + max(count - bad, 0)
            before, bad = now, count
    return alarms, by_hand


def delays(models: int, error: float) -> tuple[list[float], list[float]]:
    """Rows of the region until ``notify`` and ``act``; inf where that never came."""
    notify, act = [], []
    for seed in range(models):
        model = Model(np.random.default_rng(10_000 + seed))
        model.add(4 * DAY_ROWS)
        model.fallen = error
        first = {"notify": np.inf, "act": np.inf}
        for look in range(1, MOST + 1):
            levels = {f.level for f in model.add(LOOK) if f.subject == "region=r00:accuracy"}
            rows = look * LOOK / len(REGIONS)
            first["notify"] = min(first["notify"], rows if levels else np.inf)
            first["act"] = min(first["act"], rows if "act" in levels else np.inf)
            if "act" in levels:
                break
        notify.append(first["notify"])
        act.append(first["act"])
    return notify, act


def main() -> None:
    models = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    alarms, by_hand = healthy(models)
    allowed = models * DAYS / 14
    print(
        f"healthy: {models} models, {DAYS} days: {alarms} alarms ({allowed:.0f} allowed), by hand {by_hand}"
    )
    for error in (0.2, 0.3):
        notify, act = delays(max(models // 10, 1), error)
        print(
            f"one region from {1 - ERROR:.0%} to {1 - error:.0%}: median {np.median(notify):.0f} of its labels to notify,"
            f" {np.median(act):.0f} to act; worst {max(notify):.0f}, {max(act):.0f}"
        )


if __name__ == "__main__":
    main()
