"""The embedded registry: what it keeps, refuses, and how it comes out of a crash at any of its writes."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from autoheal.actions.targets.champion import Good, Moved
from autoheal.actions.targets.registry import Registry
from autoheal.actions.targets.versions import Lineage, NewVersion
from autoheal.errors import ActionError, ActionRefused
from tests.actions.crash_registry import AT, act

T0 = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def artefact(tmp_path) -> Path:
    folder = tmp_path / "artefact"
    (folder / "inner").mkdir(parents=True)
    (folder / "model.json").write_text('{"bias": 1}')
    (folder / "inner" / "weights.bin").write_bytes(b"\0" * 5000)
    return folder


@pytest.fixture
def registry(tmp_path, artefact) -> Registry:
    """Versions v1 (champion) and v2 of the model m."""
    made = Registry.open(tmp_path / "registry")
    for day in range(2):
        made.register("m", artefact, NewVersion(), at=T0 + timedelta(days=day))
    made.set_champion("m", "v1", by="ci", at=T0)
    return made


def test_a_version_says_where_it_came_from_and_never_changes(registry, artefact):
    new = NewVersion(
        by_key="ns/R1/register",
        lineage=Lineage(T0, T0 + timedelta(days=9), 800),
        code_revision="abc",
        parent="v1",
        parameters={"depth": 3},
        metrics={"mae": 2.5},
        gate={"gain": 0.1},
    )
    made = registry.register("m", artefact, new, at=T0, reference={"rows": 3})
    assert made.version == "v3"
    assert registry.info("m", "v3") == made
    assert made.lineage == Lineage(T0, T0 + timedelta(days=9), 800)
    assert json.loads(registry.reference_path("m", "v3").read_bytes()) == {"rows": 3}
    assert registry.register("m", artefact, new, at=T0 + timedelta(days=5)) == made  # same key, same version
    with pytest.raises(ActionRefused, match="never change"):
        registry.register("m", artefact, NewVersion(version="v3"), at=T0)
    assert oct((registry.root / "m/versions/v3/version.json").stat().st_mode & 0o777) == "0o600"
    assert oct((registry.root / "m/versions/v3").stat().st_mode & 0o777) == "0o700"


def test_an_artefact_that_was_tampered_with_is_not_loaded_nor_promoted(registry):
    path = registry.artefact("m", "v2") / "inner" / "weights.bin"
    path.write_bytes(b"\0" * 4999 + b"\1")
    with pytest.raises(ActionRefused, match="sha256"):
        registry.artefact("m", "v2")
    with pytest.raises(ActionRefused, match="sha256"):
        registry.set_champion("m", "v2", by="ci", at=T0)
    assert registry.champion("m").version == "v1"


@pytest.mark.parametrize(
    "name", ["../m", "..", ".", "", "a/b", "/etc", "a\0b", "é", ".hidden", "a" * 101, "v1.", "a..b"]
)
def test_names_cannot_leave_the_registry(registry, artefact, name):
    calls = (
        lambda: registry.register(name, artefact, NewVersion(), at=T0),
        lambda: registry.champion(name),
        lambda: registry.history(name),
        lambda: registry.info("m", name),
        lambda: registry.artefact("m", name),
        lambda: registry.set_champion("m", name, by="ci", at=T0),
        lambda: registry.stage("m", artefact, NewVersion(version=name), at=T0, origin={}),
        lambda: registry.note("m", "c-1", name, {}),
    )
    for call in calls:
        with pytest.raises(ActionRefused):
            call()
    assert registry.reference_path("m", name) is None
    assert not registry.has("m", name)


def test_artefacts_with_links_devices_or_nothing_are_refused(registry, artefact, tmp_path):
    (artefact / "link").symlink_to("/etc/passwd")
    with pytest.raises(ActionRefused, match="not a plain file"):
        registry.register("m", artefact, NewVersion(), at=T0)
    (artefact / "link").unlink()
    os.mkfifo(artefact / "pipe")
    with pytest.raises(ActionRefused, match="not a plain file"):
        registry.register("m", artefact, NewVersion(), at=T0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ActionRefused, match="empty"):
        registry.register("m", tmp_path / "empty", NewVersion(), at=T0)
    (tmp_path / "away").symlink_to(artefact)
    with pytest.raises(ActionRefused, match="not a folder"):
        registry.register("m", tmp_path / "away", NewVersion(), at=T0)
    assert [v.version for v in registry.versions("m")] == ["v1", "v2"]


def test_the_champion_moves_by_compare_and_set(registry):
    with pytest.raises(ActionRefused, match="contested: the champion of m is v1 by ci, not v7"):
        registry.set_champion("m", "v2", by="R1/pin", key="ns/R1/pin", at=T0, previous="v7")
    moved = registry.set_champion("m", "v2", by="R1/pin", key="ns/R1/pin", at=T0, previous="v1")
    assert (moved.version, moved.previous) == ("v2", "v1")
    registry.set_champion("m", "v1", by="ci", at=T0 + timedelta(hours=1))
    again = registry.set_champion("m", "v2", by="R1/pin", key="ns/R1/pin", at=T0, previous="v1")
    assert again == moved  # the key had its effect once; what others did since stands
    assert registry.champion("m").version == "v1"


def test_a_key_that_found_its_wish_fulfilled_never_moves_anything_later(registry):
    kept = registry.set_champion("m", "v1", by="R1/pin", key="ns/R1/pin", at=T0)
    assert (kept.version, kept.kind) == ("v1", "kept")
    registry.set_champion("m", "v2", by="ci", at=T0)
    Registry.open(registry.root)
    assert registry.set_champion("m", "v1", by="R1/pin", key="ns/R1/pin", at=T0) == kept
    assert registry.champion("m").version == "v2"
    assert [line.kind for line in registry.history("m")] == ["moved", "kept", "moved"]


def test_unknown_versions_and_stand_ins_cannot_be_champion(registry, artefact):
    with pytest.raises(ActionRefused, match="no version v9"):
        registry.set_champion("m", "v9", by="ci", at=T0)
    registry.register("m", artefact, NewVersion(version="base", role="fallback"), at=T0)
    with pytest.raises(ActionRefused, match="fallback"):
        registry.set_champion("m", "base", by="ci", at=T0)


def test_known_good_is_what_served_healthy_last_and_never_version_minus_one(registry, artefact):
    assert registry.known_good("m") is None
    registry.mark_good("m", "v1", T0)
    registry.mark_good("m", "v1", T0 + timedelta(days=1))
    for n in range(3, 6):
        registry.register("m", artefact, NewVersion(), at=T0 + timedelta(days=n))
        registry.set_champion("m", f"v{n}", by="ci", at=T0 + timedelta(days=n))
    assert registry.champion("m").version == "v5"
    assert registry.known_good("m") == "v1"  # v3 and v4 never served healthy for long enough
    registry.set_champion("m", "v1", by="R1/pin", at=T0 + timedelta(days=9))
    assert registry.known_good("m") is None
    registry.mark_good("m", "v1", T0 + timedelta(days=10))
    goods = [line for line in registry.history("m") if isinstance(line, Good)]
    assert [g.version for g in goods] == ["v1", "v1"]  # once for each time that it was champion


def test_candidates_are_loadable_but_no_versions(registry, artefact):
    new = NewVersion(version="c-1", role="candidate", by_key="ns/R1/train", metrics={"mae": 1.0})
    staged = registry.stage("m", artefact, new, at=T0, origin={"dataset": "x"})
    assert registry.stage("m", artefact, new, at=T0, origin={"dataset": "y"}) == staged
    assert registry.artefact("m", "c-1").is_dir()
    assert "c-1" not in [v.version for v in registry.versions("m")]
    with pytest.raises(ActionRefused, match="candidate"):
        registry.set_champion("m", "c-1", by="ci", at=T0)
    made = registry.promote_candidate("m", "c-1", key="ns/R1/reg", at=T0, gate={"gain": 1}, reference=None)
    assert (made.version, made.metrics, made.gate, made.role) == ("v3", {"mae": 1.0}, {"gain": 1}, "model")
    for n in range(2, 9):
        registry.stage("m", artefact, NewVersion(version=f"c-{n}"), at=T0 + timedelta(days=n), origin={})
    assert not registry.has("m", "c-1")  # old candidates go
    assert registry.promote_candidate("m", "c-1", key="ns/R1/reg", at=T0, gate={}, reference=None) == made


def test_half_a_line_of_history_is_not_read_and_is_mended(registry):
    path = registry.root / "m" / "history.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"kind":"moved","at":"2026')
    assert len(registry.history("m")) == 1
    Registry.open(registry.root)
    assert path.read_bytes() == whole


def test_a_registry_that_cannot_be_read_says_so(registry):
    (registry.root / "m" / "champion.json").write_text("{}")
    with pytest.raises(ActionError, match=r"champion\.json"):
        registry.champion("m")


def race(root: str, me: int) -> None:
    registry = Registry(Path(root))
    for n in range(15):
        registry.register("m", Path(root).parent / "artefact", NewVersion(by_key=f"{me}/{n}"), at=T0)
        registry.set_champion(
            "m", f"v{1 + n % 2}", by=f"{me}", key=f"{me}/{n}/pin", at=T0 + timedelta(minutes=n)
        )


def test_processes_that_write_at_once_lose_nothing_and_readers_never_see_a_part(registry):
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=race, args=(str(registry.root), me)) for me in range(3)]
    for one in writers:
        one.start()
    looks = 0
    while any(one.is_alive() for one in writers):
        assert registry.champion("m").version in {"v1", "v2"}
        assert {line.kind for line in registry.history("m")} <= {"moved", "kept"}
        assert all(v.artefact_sha256 for v in registry.versions("m"))
        looks += 1
    for one in writers:
        one.join()
        assert one.exitcode == 0
    assert looks
    assert sorted(int(v.version[1:]) for v in registry.versions("m")) == list(range(1, 48))
    assert len(registry.history("m")) == 1 + 45
    moves = [line for line in registry.history("m") if line.kind == "moved"]
    assert all(a.version == b.previous for a, b in itertools.pairwise(moves))


@pytest.mark.parametrize("operation", ["register", "first", "promote", "good"])
def test_kill_9_at_every_file_operation(registry, artefact, tmp_path, operation):
    """Whatever is there after the crash is whole; doing it again ends as if there had been none, and only once."""
    out = tmp_path / "out"
    script = Path(__file__).with_name("crash_registry.py")
    done = subprocess.run(
        [sys.executable, str(script), str(registry.root), str(artefact), operation, str(out)],
        check=True,
        capture_output=True,
        timeout=110,
    )
    places = json.loads(done.stdout)
    assert places >= 3
    clean = Registry.open(registry.root)
    act(operation, clean, artefact)
    for place in range(1, places + 1):
        crashed = Registry(out / f"{place:03d}")
        seen = [v.version for v in crashed.versions("m")]
        assert seen in (["v1", "v2"], ["v1", "v2", "v3"])
        for version in seen:
            crashed.artefact("m", version)
        assert crashed.champion("m").version in {"v1", "v2"}
        mended = Registry.open(out / f"{place:03d}")
        act(operation, mended, artefact)
        for model in clean.models():
            assert mended.versions(model) == clean.versions(model)
            assert mended.champion(model) == clean.champion(model)
            assert mended.history(model) == clean.history(model)
            assert not list((mended.root / model).rglob(".passing-*/*"))


def test_a_move_whose_line_was_lost_is_written_into_the_history_on_open(registry):
    registry.set_champion("m", "v2", by="R1/pin", key="ns/R1/pin", at=AT)
    path = registry.root / "m" / "history.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0])
    assert registry.moved_by("m", "ns/R1/pin") == Moved(AT, "v2", "v1", "R1/pin", "ns/R1/pin")
    assert len(Registry.open(registry.root).history("m")) == 2
