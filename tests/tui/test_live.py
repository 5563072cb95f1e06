"""The dashboard against a real daemon's doors over a unix socket: news, a restart, a daemon that is not there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoheal.domain.events import PauseSet
from autoheal.domain.names import ModelName
from autoheal.domain.records import Pause
from autoheal.telemetry import Prediction
from autoheal.tui.app import DashboardApp
from autoheal.tui.screens.fleet import FleetBoard
from tests.api.house import T0, house
from tests.tui.sight import screen_text, seen


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ah-") as name:
        yield Path(name)


async def test_what_happens_is_seen(folder: Path):
    async with house(folder) as home:
        app = DashboardApp(home.view)
        async with app.run_test(size=(100, 30)) as pilot:
            await seen(pilot, lambda t: "test-house" in t and "● live" in t)
            await home.breach("fraud")
            text = await seen(pilot, lambda t: "? needs you fraud" in t)
            assert "needs you 1" in text
            await pilot.press("w")
            await seen(pilot, lambda t: "fraud ▸ why" in t and "policies/fraud.yaml" in t)
            await pilot.press("escape")
            await home.kernel.submit(PauseSet(Pause("fleet", "mara", "db upgrade", T0)))
            await seen(pilot, lambda t: "PAUSED by mara" in t)


async def test_a_restart_keeps_the_cursor_and_loses_no_event(folder: Path):
    async with house(folder) as home:
        view = home.view
        app = DashboardApp(view)
        async with app.run_test(size=(100, 30)) as pilot:
            await seen(pilot, lambda t: "2 of 2" in t)
            await pilot.press("j")
            assert isinstance(app.screen, FleetBoard)
            before = app.screen.rows.key
            await home.doors.stop()
            await seen(pilot, lambda t: "reconnecting in" in t and "data as of" in t)
            home.kernel.stop()
            home.log.close()
            async with house(folder) as again:
                await again.noise(3)
                await seen(pilot, lambda t: "● live" in t)
                await again.breach("fraud")
                await seen(pilot, lambda t: "? needs you fraud" in t)
                assert app.screen.rows.key == before
                numbers = [entry.seq for entry in app.view.client.tail]
                assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_no_daemon_says_so_and_goes_on_trying(folder: Path):
    app = DashboardApp(folder / "run" / "view.sock")
    async with app.run_test(size=(80, 24)) as pilot:
        await seen(pilot, lambda t: "no daemon, next try" in t and "there is no such" in t)
        async with house(folder):
            await seen(pilot, lambda t: "● live" in t)


async def test_raw_rows_come_from_the_daemon_without_what_is_sensitive(folder: Path):
    async with house(folder) as home:
        features = {"km": 3.5, "street": "nobody's business"}
        await home.telemetry.ingest([Prediction(ModelName("eta"), "v1", "e1", T0.timestamp(), features, 7.0)])
        app = DashboardApp(home.view)
        async with app.run_test(size=(100, 30)) as pilot:
            await seen(pilot, lambda t: "2 of 2" in t)
            await pilot.press("enter")
            while "eta ▸" not in (text := screen_text(app)) and "▸ eta" not in text:
                await pilot.press("escape", "j", "enter")
                await pilot.pause()
            await pilot.press("s")
            text = await seen(pilot, lambda t: "km=3.5" in t)
            assert "not shown: street" in text
            assert "business" not in text
