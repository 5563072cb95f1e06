"""Which cause is blamed first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoheal.domain.names import Cause
from autoheal.replay.simulate import Script, simulate
from tests.engine.build import at, finding, release, series, start


def blamed(*facts: object) -> Cause:
    world = simulate(Script((*start(), *facts)), at(6)).world  # type: ignore[arg-type]
    return world.incidents[min(world.incidents)].cause


def test_a_fall_right_after_somebody_elses_release_is_the_releases() -> None:
    assert blamed((at(1), release(1)), *series(2, 2, "breach")) is Cause.BAD_RELEASE


def test_a_fall_after_autoheals_own_gated_promotion_is_the_worlds() -> None:
    first = series(2, 2, "breach")
    own = replace(release(2.5, "v3"), by="ns/R-0001/s2")
    later = [*series(3, 4, "ok"), *series(4.5, 4.5, "breach", path="performance/f1")]
    world = simulate(Script((*start(), *first, (at(2.5), own), *later)), at(6)).world  # type: ignore[arg-type]
    newest = world.incidents[max(world.incidents)]
    assert newest.cause is Cause.CONCEPT_DRIFT, newest.causes


def test_a_release_does_not_explain_broken_data() -> None:
    assert (
        blamed((at(1), release(1)), (at(2), finding(2, path="data_quality/country"))) is Cause.UPSTREAM_FAULT
    )


@pytest.mark.parametrize("falls", [True, False])
def test_features_computed_otherwise_since_a_release_are_the_releases(falls: bool) -> None:
    skew = (at(2), finding(2, path="data_quality/skew:country"))
    fall = series(2, 2, "breach") if falls else []
    assert blamed((at(1), release(1)), skew, *fall) is Cause.BAD_RELEASE
    assert blamed(skew, *fall) is Cause.UPSTREAM_FAULT


@pytest.mark.parametrize("moved", [True, False])
def test_inputs_that_move_tell_covariate_from_concept_drift(moved: bool) -> None:
    drift = [(at(1.9), finding(1.9, path="data_drift/amount"))] if moved else []
    cause = blamed(*drift, *series(2, 2, "breach"))
    assert cause is (Cause.COVARIATE_DRIFT if moved else Cause.CONCEPT_DRIFT)
