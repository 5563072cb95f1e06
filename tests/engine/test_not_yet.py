"""A remedy that declined for want of rows is come back to, while its rung may be waited for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from autoheal.domain.specs import Rung
from autoheal.replay.simulate import Outcome, Script, Simulation, simulate
from tests.engine.build import DAY, PERFORMANCE, at, config, series, start

FEW = Outcome(error="120 of 500 rows since the change", retryable=True)


def played(wait: timedelta, until: float = 30, **actions: tuple[Outcome, ...]) -> Simulation:
    """A breach from hour 2 on that only ``retrain`` and ``fallback`` may heal."""
    ladder = (Rung("retrain", wait=wait), Rung("fallback"))
    policy = replace(PERFORMANCE, ladder=ladder)
    facts = [*start(config(policy)), *series(2, until, "breach")]
    named = {name.replace("_", ".", 1).replace("__", "_"): outcomes for name, outcomes in actions.items()}
    return simulate(Script(tuple(facts), named), at(until))


def attempts(done: Simulation) -> list[tuple[str, str]]:
    incident = next(iter(done.world.incidents.values()))
    return [(a.runbook, a.outcome) for a in incident.attempts]


def test_too_few_rows_are_waited_for_at_growing_distances() -> None:
    done = played(2 * DAY, data_validate=(FEW,))
    assert set(attempts(done)) == {("retrain", "not_yet")}
    starts = [a.at for a in next(iter(done.world.incidents.values())).attempts]
    gaps = [second - first for first, second in pairwise(starts)]
    assert gaps == sorted(gaps)
    assert gaps[0] >= timedelta(minutes=10)
    assert 8 < len(gaps) < 30
    waiting = [d for d in done.world.decisions.values() if d.verdict == "wait"]
    assert "retrain (again later)" in str(waiting[-1].reason)
    assert "120 of 500 rows" in str(waiting[-1].reason)
    assert all(d.until is not None for d in waiting)


def test_what_may_have_touched_what_serves_is_not_repeated() -> None:
    kinds = attempts(played(2 * DAY, 12, registry_set__champion=(FEW,)))
    assert kinds[0] == ("retrain", "failed")
    assert kinds[1][0] == "fallback"


@pytest.mark.parametrize(
    ("wait", "outcome"),
    [
        (timedelta(0), FEW),  # nobody wants to wait
        (2 * DAY, Outcome(error="the data is broken")),  # more rows would not help
    ],
)
def test_otherwise_the_ladder_goes_on(wait: timedelta, outcome: Outcome) -> None:
    kinds = attempts(played(wait, 12, data_validate=(outcome,)))
    assert kinds[0][0] == "retrain"
    assert kinds[1][0] == "fallback"


def test_the_wait_has_an_end() -> None:
    kinds = attempts(played(timedelta(hours=10), 20, data_validate=(FEW,)))
    assert kinds[0] == ("retrain", "not_yet")
    assert ("fallback", "running") in kinds or ("fallback", "not_healed") in kinds
