"""How long history is kept, in the daemon's settings: what is meant arrives, what cannot be is refused with its place."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from autoheal.daemon import parts
from autoheal.daemon.settings import load
from autoheal.errors import ConfigError
from autoheal.telemetry.ages import Ages


def written(folder: Path, telemetry: str) -> Path:
    path = folder / "autoheal.yaml"
    path.write_text(f"version: 1\nkind: daemon\ntelemetry: {telemetry}\n")
    return path


def test_ages_and_samples_reach_the_limits(tmp_path: Path) -> None:
    usual = parts.limits(load(written(tmp_path, "{}")))
    assert (usual.ages, usual.samples) == (Ages(), 20)
    assert Ages().hours > timedelta(days=30).total_seconds(), "backtests of 30 days have hours"
    text = "{samples: 0, history: {minutes: 2h, hours: 3d, days: 40d}}"
    assert parts.limits(load(written(tmp_path, text))).ages == Ages(7_200, 3 * 86_400, 40 * 86_400)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{history: {minutes: 30s}}", "1 hour"),
        ("{history: {hours: 2h}}", "1 day"),
        ("{history: {minutes: 3d, hours: 2d}}", "minutes <= hours <= days"),
        ("{history: {hours: 31}}", "unit"),
        ("{history: {weeks: 31d}}", "weeks"),
        ("{samples: -1}", "too small"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        load(written(tmp_path, text))
    assert caught.value.problems[0].line == 3
