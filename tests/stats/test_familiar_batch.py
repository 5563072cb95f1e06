"""A batch of values at once gives what the familiar detectors give one by one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoheal.stats.familiar import Ddm, Ewma, PageHinkley
from autoheal.stats.familiar_batch import BLOCK, ddm, ewma, page_hinkley

BITS = st.lists(st.sampled_from([0.0, 0.0, 0.0, 1.0]), max_size=300)
VALUES = st.lists(st.floats(-5, 5) | st.integers(-2, 2).map(float), max_size=300)


def one_by_one(state: Any, values: list[float]) -> tuple[Any, list[bool]]:
    alarms = []
    for x in values:
        state = state.update(x)
        alarms.append(state.alarm)
    return state, alarms


def agree(found: Any, wanted: Any, fields: tuple[str, ...]) -> None:
    for name in fields:
        a, b = getattr(found, name), getattr(wanted, name)
        assert a == b or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) or (math.isnan(a) and math.isnan(b))


@given(VALUES, st.sampled_from([0.9999, 1.0, 0.9, 0.3]), st.integers(0, 300))
@settings(deadline=None)
def test_page_hinkley(values: list[float], forget: float, cut: int) -> None:
    # A threshold off the grid of the values, so that rounding cannot decide.
    start = PageHinkley(threshold=3.0123456789, delta=0.00123, forget=forget)
    wanted, alarms = one_by_one(start, values)
    first, before = page_hinkley(start, values[:cut])
    last, after = page_hinkley(first, values[cut:])
    assert [*before, *after] == alarms
    agree(last, wanted, ("n", "mean", "excess"))


@given(VALUES, st.sampled_from([0.05, 0.5, 1.0, 0.001]), st.integers(0, 300))
@settings(deadline=None)
def test_ewma(values: list[float], weight: float, cut: int) -> None:
    start = Ewma(centre=0.123, sd=0.987654321, weight=weight)
    wanted, alarms = one_by_one(start, values)
    first, before = ewma(start, values[:cut])
    last, after = ewma(first, values[cut:])
    assert [*before, *after] == alarms
    agree(last, wanted, ("n", "level"))


@given(BITS, st.integers(0, 300))
@settings(deadline=None)
def test_ddm(errors: list[float], cut: int) -> None:
    start = Ddm(level=2.0123456789, least_rows=10)
    wanted, alarms = one_by_one(start, errors)
    first, before = ddm(start, errors[:cut])
    last, after = ddm(first, errors[cut:])
    assert [*before, *after] == alarms
    agree(last, wanted, ("n", "errors", "best_rate", "best_sd"))


def test_batches_longer_than_a_block_and_a_change_in_them() -> None:
    rng = np.random.default_rng(3)
    n = 2 * BLOCK + 100
    errors = (rng.random(n) < np.where(np.arange(n) < BLOCK + 500, 0.1, 0.3)).astype(float)
    starts = (
        (page_hinkley, PageHinkley()),
        (ewma, Ewma(centre=0.1, sd=0.3123)),
        (ddm, Ddm()),
    )
    for function, start in starts:
        _, found = function(start, errors)  # type: ignore[operator]
        _, alarms = one_by_one(start, errors.tolist())
        assert found.tolist() == alarms
        assert found[BLOCK + 500 :].any()


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN or infinite"):
        page_hinkley(PageHinkley(), [math.nan])
    with pytest.raises(ValueError, match="forget"):
        page_hinkley(PageHinkley(forget=0.0), [1.0])
    with pytest.raises(ValueError, match="NaN or infinite"):
        ewma(Ewma(0.0, 1.0), [math.inf])
    with pytest.raises(ValueError, match="weight"):
        ewma(Ewma(0.0, 1.0, weight=0.0), [1.0])
    with pytest.raises(ValueError, match="lie in"):
        ddm(Ddm(), [2.0])
