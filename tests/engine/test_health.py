"""A model is healthy when somebody saw that it is: no data is not health, and neither is a monitor that runs."""

from __future__ import annotations

import pytest

from autoheal.domain.names import Health, ModelName
from autoheal.replay.simulate import Script, simulate
from tests.engine.build import at, finding, start


@pytest.mark.parametrize(
    ("path", "verdict", "health"),
    [
        ("serving/monitor", "ok", Health.UNKNOWN),
        ("monitor/round", "ok", Health.UNKNOWN),
        ("performance/accuracy", "not_yet", Health.UNKNOWN),
        ("performance/accuracy", "ok", Health.HEALTHY),
    ],
)
def test_a_model_is_unknown_until_something_is_seen_of_it(path: str, verdict: str, health: Health) -> None:
    done = simulate(Script((*start(), (at(1), finding(1, verdict, path=path))), {}), at(2))
    assert done.world.models[ModelName("fraud")].health is health
