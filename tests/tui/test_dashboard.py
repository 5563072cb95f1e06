"""The dashboard under an operator's fingers, over a recorded night."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoheal.client.state import ClientState, Link
from autoheal.domain.names import Health, ModelName
from autoheal.domain.past import Samples
from autoheal.domain.records import ModelState, Pause
from autoheal.domain.world import World
from autoheal.errors import DoorError
from autoheal.tui.app import DashboardApp
from autoheal.tui.connection import News
from autoheal.tui.screens.fleet import FleetBoard
from tests.tui.sight import dashboard, of_world, recording, screen_text, seen
from tools.scenario import Recording


def current(app: DashboardApp) -> str | None:
    assert isinstance(app.screen, FleetBoard)
    return app.screen.rows.key


async def test_views_pages_and_the_way_back():
    app = dashboard()
    async with app.run_test(size=(100, 30)) as pilot:
        await seen(pilot, lambda t: "fraud-scorer" in t)
        for key, word in (
            ("2", "WHAT WAS DONE"),
            ("3", "RUNBOOK"),
            ("4", "EVENT"),
            ("5", "LADDER"),
            ("6", "WHAT IT SAYS"),
        ):
            await pilot.press(key)
            assert word in screen_text(app)
        await pilot.press("minus")
        assert "LADDER" in screen_text(app)
        await pilot.press("1", "enter")
        assert "Fleet ▸ fraud-scorer" in screen_text(app)
        await pilot.press("w")
        assert "Fleet ▸ fraud-scorer ▸ why" in screen_text(app)
        await pilot.press("n", "n", "n")
        assert "ASKED a person" in screen_text(app).splitlines()[3]
        await pilot.press("escape", "escape")
        assert "10 of 10" in screen_text(app)
        await pilot.press("question_mark")
        assert "half a page down" in screen_text(app)
        await pilot.press("G")
        assert "no data is never zero" in screen_text(app)
        await pilot.press("q")
    assert app.return_code == 0


async def test_the_detail_pane_follows_the_cursor():
    app = dashboard()
    async with app.run_test(size=(100, 30)) as pilot:
        await seen(pilot, lambda t: "approve rollback" in t)
        await pilot.press("j")
        assert "runbook retrain" in screen_text(app)
        await pilot.press("G")
        assert current(app) == "spam-filter"
        await pilot.press("k", "ctrl+u", "ctrl+d", "down", "up", "g")
        assert current(app) == "fraud-scorer"


async def test_the_filter_narrows_while_typing_and_escape_clears_it():
    app = dashboard()
    async with app.run_test(size=(80, 24)) as pilot:
        await seen(pilot, lambda t: "10 of 10" in t)
        await pilot.press("slash", *"owner:risk")
        text = await seen(pilot, lambda t: "spam-filter" not in t)
        assert "credit-limit" in text
        await pilot.press("enter")
        assert "filter: owner:risk" in screen_text(app)
        await pilot.press("j", "escape")
        text = screen_text(app)
        assert "10 of 10" in text
        assert current(app) == "credit-limit"


async def test_times_in_three_ways():
    app = dashboard()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("4")
        await seen(pilot, lambda t: "03:09:44" in t)
        await pilot.press("t", "t")
        assert "3m ago" in screen_text(app)
        await pilot.press("t")
        assert "03:09:44" in screen_text(app)


async def test_why_from_an_event_and_from_a_run():
    app = dashboard()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("4")
        await seen(pilot, lambda t: "A-0013" in t)
        await pilot.press("k", "w")
        assert "Events ▸ INC-0413 ▸ why" in screen_text(app)
        await pilot.press("escape", "3", "enter", "w")
        assert "Runs ▸ INC-0414 ▸ why" in screen_text(app)


async def test_why_not_for_a_healthy_model():
    app = dashboard()
    async with app.run_test(size=(100, 30)) as pilot:
        await seen(pilot, lambda t: "10 of 10" in t)
        await pilot.press("G", "w")
        assert "nothing to decide" in screen_text(app)


def worse(record: Recording, name: str) -> Recording:
    """The same, but another model has failed."""
    world = record.snapshot.world
    state = replace(world.models[ModelName(name)], health=Health.FAILED)
    models = {**world.models, state.name: state}
    return Recording(replace(record.snapshot, world=replace(world, models=models)), record.entries)


async def test_a_new_alarm_moves_neither_cursor_nor_row():
    app = dashboard()
    async with app.run_test(size=(100, 30)) as pilot:
        await seen(pilot, lambda t: "10 of 10" in t)
        await pilot.press("j", "j", "j", "j")
        assert isinstance(app.screen, FleetBoard)
        before, row = current(app), app.screen.rows.cursor
        app.post_message(News(worse(recording(), "spam-filter").client_state(app.clock.monotonic())))
        await pilot.pause()
        app.paint()
        await pilot.pause()
        assert (current(app), app.screen.rows.cursor) == (before, row)
        assert "✖ failed    spam-filter" in screen_text(app)
        await pilot.press("g")
        assert current(app) == "fraud-scorer"


async def test_what_did_not_change_is_not_drawn_again(monkeypatch: pytest.MonkeyPatch):
    app = dashboard()
    async with app.run_test(size=(100, 30)) as pilot:
        await seen(pilot, lambda t: "10 of 10" in t)
        drawn: list[int] = []
        rows = app.screen.query_one("#rows")
        monkeypatch.setattr(rows, "refresh", lambda *a, **k: drawn.append(1))
        app.paint()
        assert drawn == []


@pytest.mark.parametrize("size", [(79, 30), (100, 23), (20, 5)])
async def test_one_sentence_when_the_terminal_is_too_small(size: tuple[int, int]):
    app = dashboard()
    async with app.run_test(size=size) as pilot:
        await seen(pilot, lambda t: "autoheal needs" in t)
        await pilot.resize_terminal(80, 24)
        await seen(pilot, lambda t: "10 of 10" in t)


async def test_stale_says_so_and_keeps_the_data():
    app = dashboard(link="retrying")
    async with app.run_test(size=(100, 30)) as pilot:
        text = await seen(pilot, lambda t: "stale 42s" in t)
        assert "reconnecting in 3s (try 4)" in text
        assert "data as of 03:12:44" in text
        assert "fraud-scorer" in text


async def test_silence_makes_stale_without_a_broken_link():
    app = dashboard()
    async with app.run_test(size=(80, 24)) as pilot:
        await seen(pilot, lambda t: "● live" in t)
        old = ClientState(Link("live", heard_at=app.clock.monotonic() - 20), recording().snapshot)
        app.post_message(News(old))
        app.paint()
        await seen(pilot, lambda t: "stale 20s, the daemon is silent" in t)


async def test_a_paused_fleet_cannot_be_missed():
    world = recording().snapshot.world
    pause = Pause("fleet", "mara", "db upgrade", recording().snapshot.now)
    app = dashboard(of_world(replace(world, pauses={"fleet": pause})))
    async with app.run_test(size=(100, 30)) as pilot:
        await seen(pilot, lambda t: '‖ PAUSED by mara 03:12 "db upgrade"  decides, does not act' in t)


async def test_a_refused_configuration_is_shown():
    world = replace(recording().snapshot.world, config_problems=("policies/a.yaml:3:5: error: unknown key",))
    app = dashboard(of_world(world))
    async with app.run_test(size=(100, 30)) as pilot:
        await seen(pilot, lambda t: "config refused" in t)
        await pilot.press("5")
        assert "policies/a.yaml:3:5: error: unknown key" in screen_text(app)


async def test_no_models():
    app = dashboard(of_world(World()))
    async with app.run_test(size=(80, 24)) as pilot:
        await seen(pilot, lambda t: "no models: name some in the configuration" in t)
        for key in (
            "j",
            "G",
            "enter",
            "w",
            "2",
            "enter",
            "w",
            "3",
            "enter",
            "4",
            "enter",
            "5",
            "enter",
            "6",
            "w",
            "enter",
        ):
            await pilot.press(key)


async def test_two_hundred_models():
    names = [ModelName(f"model-{n:03}") for n in range(200)]
    app = dashboard(of_world(World(models={n: ModelState(n, Health.HEALTHY) for n in names})))
    async with app.run_test(size=(80, 24)) as pilot:
        await seen(pilot, lambda t: "200 of 200" in t)
        await pilot.press("G")
        await seen(pilot, lambda t: "model-199" in t and "row 200/200" in t)
        await pilot.press("ctrl+u", "ctrl+u")
        assert current(app) == "model-189"
        await pilot.press("g")
        await seen(pilot, lambda t: "model-000" in t)


async def test_names_with_brackets_and_wide_letters():
    names = [
        ModelName("[bold]x[/bold]"),
        ModelName("需要予測モデル東京本社版その二"),
        ModelName("a\x1b[2Jb\nc"),
    ]
    app = dashboard(of_world(World(models={n: ModelState(n, Health.HEALTHY) for n in names})))
    async with app.run_test(size=(80, 24)) as pilot:
        text = await seen(pilot, lambda t: "[bold]x[/bold]" in t)
        assert "需要予測" in text
        assert "\x1b" not in text
        for _ in names:
            await pilot.press("enter", "escape", "j")


async def test_raw_rows_are_asked_for_once_and_again_on_demand():
    asked: list[str] = []

    async def refuse(model: str) -> Samples:
        asked.append(model)
        raise DoorError("no answer from the daemon")

    app = dashboard(sampler=refuse)
    async with app.run_test(size=(100, 30)) as pilot:
        await seen(pilot, lambda t: "10 of 10" in t)
        await pilot.press("enter", "s")
        await seen(pilot, lambda t: "fraud-scorer ▸ rows" in t and "no answer from the daemon" in t)
        await pilot.press("s")
        await pilot.pause()
        assert asked == ["fraud-scorer"] * 2
        await pilot.press("escape")
        await seen(pilot, lambda t: "▸ rows" not in t and "Fleet ▸ fraud-scorer" in t)
    app = dashboard()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("enter", "s")
        await seen(pilot, lambda t: "a recording holds no raw rows" in t)


async def test_all_keys_on_all_screens_do_no_harm():
    app = dashboard()
    async with app.run_test(size=(80, 24)) as pilot:
        await seen(pilot, lambda t: "10 of 10" in t)
        for view in "123456":
            await pilot.press(view)
            for key in (
                "j",
                "k",
                "G",
                "g",
                "ctrl+d",
                "ctrl+u",
                "t",
                "w",
                "escape",
                "enter",
                "j",
                "n",
                "w",
                "escape",
                "a",
                "s",
            ):
                await pilot.press(key)
        await pilot.press("question_mark", "question_mark", "escape", "escape", "1")
        assert "10 of 10" in screen_text(app)
