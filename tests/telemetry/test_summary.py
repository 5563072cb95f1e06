"""Summaries add up exactly, and what is read off them is within the stated bound of what raw rows give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from autoheal.domain.names import ModelName, Task
from autoheal.domain.specs import FeatureSpec, ModelSpec
from autoheal.monitors.reference import Reference
from autoheal.monitors.rows import Rows
from autoheal.stats import distance, psi
from autoheal.telemetry import Prediction, build_performance, build_reference, load_reference
from autoheal.telemetry.counting import LookedUp, sorted_out
from autoheal.telemetry.distances import compare, reference_summary, tally
from autoheal.telemetry.grid import layout, load
from autoheal.telemetry.ring import Ring
from autoheal.telemetry.summary import Judged, Summary, empty, summarise, total

FEATURES = (
    FeatureSpec("amount", "numeric"),
    FeatureSpec("few", "numeric"),
    FeatureSpec("region", "categorical"),
)
SPEC = ModelSpec(ModelName("loans"), Task.CLASSIFICATION, features=FEATURES)
RNG = np.random.default_rng(7)
AMOUNT = np.concatenate([RNG.lognormal(3.0, 1.0, 1_500), np.zeros(400), [np.nan] * 20])
REFERENCE = load_reference(
    build_reference(
        FEATURES,
        {
            "amount": AMOUNT.tolist(),
            "few": (np.arange(len(AMOUNT)) % 4).tolist(),
            "region": ["north" if i % 3 else "south" for i in range(len(AMOUNT))],
        },
        build_performance(Task.CLASSIFICATION, [0, 1] * 200, [0, 1, 1, 0] * 100, [0.1, 0.9] * 200),
    )
)
LAYOUT = layout(SPEC, REFERENCE)

NUMBER = st.one_of(
    st.floats(-1e3, 1e3), st.sampled_from(AMOUNT[:200].tolist()), st.sampled_from([0.0, -0.0, 1e300, -1e300])
)
CELL = st.fixed_dictionaries(
    {},
    optional={
        "amount": st.one_of(NUMBER, st.none(), st.just("text")),
        "few": st.sampled_from([0, 1, 2, 3, 9, None, 0.5]),
        "region": st.sampled_from(["north", "south", "moon", None, ""]),
    },
)
ROW = st.tuples(
    CELL, st.one_of(st.none(), st.floats(0, 1)), st.booleans(), st.one_of(st.none(), st.floats(0, 1e6))
)


def rows_of(cells: list[Any]) -> Rows:
    ring = Ring(SPEC, 10_000)
    made = [
        Prediction(
            SPEC.name, "v1", f"r{i}", float(i), features, 1, score, latency, "late" if failed else None
        )
        for i, (features, score, failed, latency) in enumerate(cells)
    ]
    ring.append(range(1, len(made) + 1), made, 0.0)
    return ring.rows()


def same(a: Summary, b: Summary) -> bool:
    arrays = all(
        np.array_equal(getattr(a, name), getattr(b, name)) for name in ("counts", "sums", "low", "high")
    )
    answers = a.answers.tally == b.answers.tally and np.array_equal(a.answers.scores, b.answers.scores)
    judged = a.answers.confusion == b.answers.confusion and a.answers.errors == b.answers.errors
    calibrated = calibration(a) == calibration(b)
    rest = a.answers.latency == b.answers.latency
    return arrays and answers and judged and calibrated and rest and a.rows == b.rows


def calibration(one: Summary) -> dict[str, Any]:
    return {
        name: (found.bins.tolist(), found.squares, found.losses) for name, found in one.answers.scored.items()
    }


@settings(max_examples=40, deadline=None)
@given(data=st.data(), cells=st.lists(ROW, min_size=1, max_size=30))
def test_any_partition_in_any_order_adds_up_to_the_same(data: st.DataObject, cells: list[Any]) -> None:
    rows = rows_of(cells)
    whole = summarise(LAYOUT, rows)[0]
    groups = np.array(data.draw(st.lists(st.integers(0, 4), min_size=len(cells), max_size=len(cells))))
    parts = summarise(LAYOUT, rows, groups, 5)
    order = data.draw(st.permutations(parts))
    assert same(total(LAYOUT, order), whole)
    nested = total(LAYOUT, [total(LAYOUT, order[:2]), total(LAYOUT, order[2:])])
    assert same(nested, whole)


@settings(max_examples=40, deadline=None)
@given(cells=st.lists(ROW, min_size=1, max_size=30))
def test_every_row_is_in_one_cell_and_the_reference_s_bins_come_out_exactly(cells: list[Any]) -> None:
    rows = rows_of(cells)
    whole = summarise(LAYOUT, rows)[0]
    for spec in FEATURES:
        one = whole.feature(spec.name)
        assert one.counts.sum() == len(rows)
        want = REFERENCE.features[spec.name].tally(rows.features[spec.name])
        np.testing.assert_array_equal(tally(one), want, err_msg=spec.name)


@settings(max_examples=60, deadline=None)
@given(values=st.lists(NUMBER.filter(lambda v: abs(v) < 1e6), min_size=1, max_size=60))
def test_distances_are_within_their_bound_of_the_raw_rows(values: list[float]) -> None:
    rows = rows_of([({"amount": v}, None, False, None) for v in values])
    raw = AMOUNT[np.isfinite(AMOUNT)]
    known = reference_summary(LAYOUT.features[0], REFERENCE.features["amount"])
    assert known is not None
    got = compare(known, summarise(LAYOUT, rows)[0].feature("amount"))
    want = REFERENCE.features["amount"]
    assert got.psi == pytest.approx(psi.psi(want.counts, want.tally(rows.features["amount"])), abs=1e-12)
    assert got.ks is not None
    assert got.wasserstein is not None
    assert abs(got.ks - distance.ks_statistic(raw, np.array(values))) <= got.ks_error + 1e-12
    moved = distance.wasserstein(raw, np.array(values))
    assert abs(got.wasserstein - moved) <= got.wasserstein_error * (1 + 1e-9) + 1e-9


def test_on_windows_of_a_thousand_rows_the_bounds_are_small() -> None:
    raw = AMOUNT[np.isfinite(AMOUNT)]
    live: NDArray[np.float64] = RNG.lognormal(3.3, 1.0, 1_000)
    known = reference_summary(LAYOUT.features[0], REFERENCE.features["amount"])
    assert known is not None
    rows = rows_of([({"amount": float(v)}, None, False, None) for v in live])
    got = compare(known, summarise(LAYOUT, rows)[0].feature("amount"))
    assert got.ks == pytest.approx(distance.ks_statistic(raw, live), abs=0.02)
    assert got.ks_error <= 0.02
    assert got.wasserstein == pytest.approx(distance.wasserstein(raw, live), rel=0.03)


def test_moments_are_as_close_as_stated() -> None:
    rows = rows_of([({"amount": float(v)}, None, False, None) for v in AMOUNT[:500]])
    one = summarise(LAYOUT, rows)[0].feature("amount")
    assert one.mean == pytest.approx(AMOUNT[:500].mean(), abs=one.grid.unit)
    assert one.variance == pytest.approx(AMOUNT[:500].var(), rel=1e-3)
    assert (one.low, one.high) == (AMOUNT[:500].min(), AMOUNT[:500].max())
    assert (one.missing, one.out_of_range) == (0, 0)


def test_a_label_that_is_corrected_leaves_no_trace_of_the_first() -> None:
    once, twice = empty(LAYOUT), empty(LAYOUT)
    once.answers.judge(Judged("1", "0", 0.25), LAYOUT)
    for truth, times in (("0", 1), ("0", -1), ("1", 1)):
        twice.answers.judge(Judged(truth, "0", 0.25), LAYOUT, times)
    assert same(once, twice)
    assert once.answers.confusion == {("1", "0"): 1}
    assert list(once.answers.scored) == ["1"]
    assert once.answers.scored["1"].bins[2].tolist() == [1, 2**18]


def test_a_layout_survives_its_file_and_grids_do_not_mix() -> None:
    again = load(LAYOUT.dumped())
    assert again == LAYOUT
    assert again.digest == LAYOUT.digest
    bare = layout(SPEC, None)
    assert bare.digest != LAYOUT.digest
    with pytest.raises(ValueError, match="different grids"):
        empty(LAYOUT).add(empty(bare))
    counted = summarise(bare, rows_of([({"amount": 5.0}, 0.5, False, 7.0), ({}, None, True, None)]))[0]
    assert counted.feature("amount").present == 1
    assert counted.feature("amount").mean is None
    assert counted.answers.tally == {"rows": 2, "failed": 1}


def test_an_old_reference_still_gives_a_grid() -> None:
    old = load_reference(build_reference(FEATURES[:1], {"amount": AMOUNT.tolist()}) | {"performance": {}})
    features = {"amount": type(old.features["amount"])(**_without_cells(old))}
    grid = layout(SPEC, Reference(old.rows, features)).features[0]
    assert set(grid.bins) <= set(grid.edges)
    assert reference_summary(grid, features["amount"]) is None


def _without_cells(old: Reference) -> dict[str, Any]:
    known = old.features["amount"]
    return {
        name: getattr(known, name)
        for name in known.__dataclass_fields__
        if name not in {"cells", "cell_counts"}
    }


@settings(max_examples=40, deadline=None)
@given(cells=st.lists(ROW, min_size=1, max_size=30))
def test_sorting_counts_as_looking_up_does(cells: list[Any]) -> None:
    rows = rows_of(cells)
    for grid in (LAYOUT, layout(SPEC, None)):
        for chosen in (slice(None), np.arange(len(cells))[::2]):
            n = len(np.arange(len(cells))[chosen])
            ways = (sorted_out(grid, rows.features, n, chosen), LookedUp(grid, rows).count(chosen))
            for one, other in zip(*ways, strict=True):
                np.testing.assert_array_equal(one, other)
    big = rows_of(cells * 5)
    assert same(
        summarise(LAYOUT, big)[0], total(LAYOUT, summarise(LAYOUT, big, np.arange(len(big)), len(big)))
    )
