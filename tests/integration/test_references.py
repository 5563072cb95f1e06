"""``autoheal reference`` beside a daemon: what a version is compared with is said, changed, refused, and undone."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from autoheal.actions.targets.versions import Lineage, NewVersion
from autoheal.cli import invoke
from autoheal.clock import SystemClock
from autoheal.telemetry.service import Telemetry
from tests.integration.place import MODEL, Place, place, wait_for


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    """v2 is champion and bad: its accuracy is far below its reference's."""
    with place(tmp_path, extra="mode: shadow\n") as made:
        made.start_daemon()
        assert made.push(made.telemetry()).status_code == 202
        yield made


def reference(here: Place, *arguments: str, version: str = "v2") -> tuple[int, str]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = invoke(["reference", MODEL, version, "--config", str(here.config), *arguments])
    return status, said.getvalue()


def window(hours: float = 12.0) -> str:
    now = datetime.now(UTC)
    return f"{(now - timedelta(hours=hours)).isoformat()}..{now.isoformat()}"


def accuracy(here: Place) -> str:
    found = [
        e.finding
        for e in here.of_kind("finding_observed")
        if (e.finding.monitor, e.finding.subject) == ("performance", "accuracy")
    ]
    return str(found[-1].verdict) if found else ""


def test_a_window_becomes_the_measure_and_is_undone(here: Place) -> None:
    status, said = reference(here)
    assert (status, said) == (0, f"{MODEL} v2 is compared with its own reference\n")
    wait_for(lambda: here.of_kind("incident_opened"), "a bad model is no incident")
    status, said = reference(here, "--window", window())
    assert status == 1
    assert "incident INC-" in said
    assert "--force" in said
    status, said = reference(here, "--window", window(), "--force")
    assert status == 0, said
    assert "1,500 rows, 1,500 labels" in said
    (seen,) = wait_for(lambda: here.of_kind("reference_observed"), "the daemon does not notice")
    assert (seen.model, seen.version, seen.how) == (MODEL, "v2", "window")
    wait_for(lambda: accuracy(here) == "ok", "measured against itself it is as always")
    assert reference(here, "--undo") == (0, f"{MODEL} v2 is compared with its own reference\n")
    wait_for(lambda: len(here.of_kind("reference_observed")) == 2, "the undoing is not noticed")
    wait_for(lambda: accuracy(here) == "breach", "the old measure is back")
    status, said = reference(here, "--undo")
    assert status == 1
    assert "nothing to undo" in said


def test_a_file_or_the_lineage_of_a_version(here: Place, tmp_path: Path) -> None:
    table = tmp_path / "train.csv"
    chance = random.Random(1)
    with table.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["x", "truth", "said"])
        rows.writerows([chance.gauss(0, 1), n % 2, n % 2] for n in range(300))
    status, said = reference(here, "--from", str(table), "--label", "truth", "--prediction", "said")
    assert status == 0, said
    assert "training" in said
    assert "300 rows of train.csv" in said
    wait_for(lambda: here.of_kind("reference_observed"), "the daemon does not notice")

    now = datetime.now(UTC)
    source = here.root / "source-v1"
    trained = Lineage(now - timedelta(hours=12), now, 1500)
    for name, new in {
        "v3": NewVersion("v3", lineage=trained),
        "v4": NewVersion("v4", parent="v1"),
        "v5": NewVersion("v5"),
    }.items():
        here.registry.register(MODEL, source, new, at=now)
        assert "it has no reference" in reference(here, version=name)[1]
    assert "1,500 rows" in reference(here, "--lineage", version="v3")[1]
    assert "the features of its parent v1" in reference(here, "--lineage", version="v4")[1]
    status, said = reference(here, "--lineage", version="v5")
    assert status == 1
    assert "no parent" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--window", "yesterday..today"), "is no time"),
        (("--window", "2026-01-02T00:00:00Z..2026-01-01T00:00:00Z"), "no stretch of time"),
        (("--window", "2026-01-01T00:00:00Z"), "no stretch of time"),
        (("--window", "2026-01-01T00:00:00Z..2026-01-02T00:00:00Z"), "0 rows answered by v2"),
        (("--from", "nowhere.csv"), "nowhere.csv cannot be read"),
        (("--from", "nowhere.csv", "--undo"), "not allowed"),
    ],
)
def test_what_cannot_be_taken_says_why(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    made = Place(tmp_path, extra="mode: shadow\n")
    made.releases()
    (made.root / "state").mkdir()
    asyncio.run(nothing_pushed(made.root / "state"))
    status, told = reference(made, *arguments)
    assert status in {1, 2}
    assert said in told


async def nothing_pushed(state: Path) -> None:

    await (await Telemetry.open(state / "telemetry.db", {}, SystemClock())).close()
