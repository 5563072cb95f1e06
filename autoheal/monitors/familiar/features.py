"""psi and ks: the newest rows of each feature beside its reference, at a fixed threshold. Pure."""

from __future__ import annotations

import numpy as np

from autoheal.domain.names import Verdict
from autoheal.monitors.contract import plain
from autoheal.monitors.familiar.options import FamiliarOptions
from autoheal.monitors.familiar.rules import Rule
from autoheal.monitors.familiar.said import Said
from autoheal.monitors.freshness import freshness
from autoheal.monitors.reference import FeatureReference
from autoheal.monitors.rows import Column, Floats
from autoheal.monitors.view import View
from autoheal.stats.distance import ks_p_value
from autoheal.stats.psi import psi


def on_features(options: FamiliarOptions, rule: Rule, view: View) -> dict[str, Said]:
    """By subject. A name in ``of`` that is no feature is an error of its own."""
    names = [f.name for f in view.spec.features if f.name in (rule.of or (f.name,))]
    if rule.name == "ks":
        names = [n for n in names if rule.of or _numeric(view, n)]
    said = {f"{rule.name}:{n}": _one(options, rule, view, n) for n in names}
    strange = [n for n in rule.of if n not in names]
    return said | {
        f"{rule.name}:{n}": Said(f"{n} is no feature of this model", Verdict.ERROR) for n in strange
    }


def _numeric(view: View, name: str) -> bool:
    feature = view.spec.feature(name)
    return feature is not None and feature.kind == "numeric"


def _one(options: FamiliarOptions, rule: Rule, view: View, name: str) -> Said:
    known = view.reference.features.get(name) if view.reference else None
    if known is None:
        return Said(f"{name} is not in the reference of {view.champion or 'any version'}", Verdict.NOT_YET)
    fresh = freshness(view.rows.time, view.rows.arrived, view.as_of, options.stale_after)
    if fresh is not None and fresh.late:
        return Said(f"no prediction for {plain(fresh.silent)}", Verdict.NO_DATA)
    chosen = options.window.pick(view.rows.time)
    if len(chosen) < options.min_rows:
        return Said(f"{len(chosen)} of {options.min_rows} rows", Verdict.NOT_YET, n=len(chosen))
    column = view.rows.features[name].take(chosen)
    first = float(view.rows.time[chosen].min())
    return (
        _psi(rule, name, known, column, first)
        if rule.name == "psi"
        else _ks(rule, name, known, column, first)
    )


def _psi(rule: Rule, name: str, known: FeatureReference, column: Column, first: float) -> Said:
    n = len(column.values)
    if known.counts.sum() <= 0:
        return Said(f"the reference of {name} is empty", Verdict.NOT_YET, n=n)
    value = psi(known.counts, known.tally(column))
    return Said(f"{name}: PSI {value:.3f}", None, value > rule.limit, value, rule.limit, n, first)


def _ks(rule: Rule, name: str, known: FeatureReference, column: Column, first: float) -> Said:
    if known.bins is None or column.kind != "numeric" or len(known.grid) < 2:
        return Said(f"{name} has too few different values in the reference for ks", Verdict.NOT_YET)
    values: Floats = np.sort(column.values[column.usable].astype(np.float64))
    if not len(values):
        return Said(
            f"{name}: every one of the newest {len(column.values)} values is missing", Verdict.NO_DATA
        )
    grid = np.array(known.grid)
    # The percentiles know the reference to a point in a hundred, which is taken off.
    gap = np.abs(_below(grid, grid) - _below(values, grid))
    distance = max(float(gap.max()) - 1.0 / (len(grid) - 1), 0.0)
    p = ks_p_value(distance, known.rows, len(values))
    detail = f"{name}: KS {distance:.3f}, p {p:.3g}"
    return Said(detail, None, p < rule.limit, p, rule.limit, len(values), first)


def _below(values: Floats, grid: Floats) -> Floats:
    share: Floats = np.searchsorted(values, grid, side="right") / len(values)
    return share
