"""The folder that a demo lives in is what the daemon, the gateway and a service manager expect; its processes end."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from autoheal.actions.targets.registry import Registry
from autoheal.cli import invoke as cli
from autoheal.clock import SystemClock
from autoheal.daemon import reload, settings
from autoheal.demo import workspace
from autoheal.demo.feeds import LAST_WEEK, START
from autoheal.demo.fleet import DAY, FLEET
from autoheal.demo.processes import Processes
from autoheal.demo.workspace import Workspace
from autoheal.errors import AutohealError
from autoheal.gateway import settings as gateway_settings


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = workspace.build(tmp_path_factory.mktemp("demo") / "place")
    workspace.start_clock(made, SystemClock().now(), 350_000.0)
    return made


def test_the_daemon_takes_its_configuration_without_a_warning(place: Workspace) -> None:
    loaded = settings.load(place.daemon_yaml)
    found = reload.load(loaded)
    assert found.warnings == ()
    assert set(found.config.models) == {m.name for m in FLEET}
    pipelines = {p.name for p in loaded.pipelines}
    for model in FLEET:
        spec = found.config.models[model.name]
        assert {f.name: f.kind for f in spec.features} == model.features
        assert LAST_WEEK not in model.features
        assert spec.pipeline in pipelines
        assert spec.label_lag == model.lag
        assert spec.task == model.task
    shared = [set(found.config.models[m].upstreams) for m in ("bike-demand", "bike-busy")]
    assert shared == [{"weather"}, {"weather"}]
    now = loaded.system_clock().now()
    assert now.tzinfo is not None


def test_nothing_tells_the_healing_side_when_or_what(place: Workspace) -> None:
    """No date after the start, no word of the faults."""
    for file in (*(place.root / "conf").iterdir(), place.daemon_yaml, place.gateway_yaml):
        text = file.read_text()
        assert not any(word in text for word in ("2012-", "unit error", "row 25")), file
        assert START.isoformat() in text or "2011-" not in text, file


def test_the_gateway_takes_its_file_and_the_registry_has_what_it_routes_to(place: Workspace) -> None:
    found = gateway_settings.load(place.gateway_yaml)
    registry = Registry(place.registry)
    for name, model in found.models.items():
        for version in (*model.weights, model.fallback):
            assert registry.artefact(name, version).is_dir()
        champion = registry.champion(name)
        assert champion is not None
        assert champion.since <= START - 7 * DAY


async def test_a_kept_process_that_is_killed_is_started_again_and_all_end(place: Workspace) -> None:
    said: list[str] = []
    processes = Processes(place, SystemClock(), said.append)
    program = "import time, sys; print('up', flush=True); time.sleep(600)"
    await processes.keep("sleeper", "-c", program)
    log = place.root / "logs" / "sleeper.log"
    try:
        await _until(lambda: log.read_text().count("up") == 1)
        first = processes._running["sleeper"].pid
        os.kill(first, signal.SIGKILL)
        await _until(lambda: log.read_text().count("up") == 2)
        second = processes._running["sleeper"].pid
        assert second != first
        assert len(said) == 1
    finally:
        await processes.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)


async def test_a_process_that_does_not_come_up_is_told_with_the_end_of_its_log(place: Workspace) -> None:
    processes = Processes(place, SystemClock(), print)
    await processes.start("broken", "-c", "raise SystemExit('no such luck')")
    with pytest.raises(AutohealError, match="no such luck"):
        await processes.answers("broken", "http://127.0.0.1:1")
    await processes.stop()


def test_a_folder_in_use_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    assert cli(["demo", "--headless", "--dir", str(tmp_path)]) == 2
    assert "not empty" in capsys.readouterr().err
    assert (tmp_path / "mine.txt").read_text() == "keep me"


async def _until(condition) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                if condition():
                    return
            except OSError:
                pass
            await asyncio.sleep(0.02)
