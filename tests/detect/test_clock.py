"""The alarm clock of ``autoheal detect``: what an alarm uses up, and who says more after it."""

from __future__ import annotations

import numpy as np

from autoheal.detect.clock import Clock

CALM = np.zeros(2, dtype=np.bool_)


def _clock() -> Clock:
    return Clock(("a", "b"), np.array([0.5, 0.5]), 1, ("notify",))


def _steps(clock: Clock, log_e: list[float], times: int) -> list[str]:
    evidence = [np.array(log_e).reshape(2, 1)]
    return [("a", "b")[one.index] for _ in range(times) for one in clock.step(evidence, 1.0, CALM)]


def test_one_alarm_uses_up_what_the_others_had_gathered() -> None:
    """Two strong ones ring together; the one that was not named starts from nothing like the one that was."""
    clock = _clock()
    assert _steps(clock, [1.0, 0.9], 20)[:1] == ["a"]
    alone = _steps(_clock(), [-9.0, 0.9], 20)
    fresh = _clock()
    _steps(fresh, [3.0, 0.9], 1)
    assert alone == ["b"]
    # It takes b as long after a's alarm as it takes b from the start.
    needed = next(n for n in range(1, 20) if _steps(_clock(), [-9.0, 0.9], n))
    clock = _clock()
    while not _steps(clock, [2.0, 0.9], 1):
        pass
    assert _steps(clock, [0.0, 0.9], needed - 1) == []


def test_one_that_rang_is_silent_until_it_is_well() -> None:
    clock = _clock()
    assert _steps(clock, [2.0, -9.0], 30) == ["a"]
    clock.step([np.zeros((2, 1))], 1.0, np.array([True, True]))
    assert clock.quiet
    assert _steps(clock, [2.0, -9.0], 30) == ["a"]
