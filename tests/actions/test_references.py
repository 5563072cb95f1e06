"""What versions are compared with: anchored, undone, and whole after a crash."""

from __future__ import annotations

import json
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoheal.actions.targets.registry import Registry
from autoheal.actions.targets.versions import NewVersion
from autoheal.errors import ActionRefused

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def made(root: Path) -> Registry:
    """v1 has a reference of its own, v2 has none."""
    source = root / "source"
    source.mkdir()
    (source / "model.bin").write_bytes(b"weights")
    registry = Registry.open(root / "registry")
    registry.register("m", source, NewVersion("v1"), at=T0, reference={"rows": 1})
    registry.register("m", source, NewVersion("v2"), at=T0)
    return registry


def present(registry: Registry, version: str) -> int | None:
    path = registry.reference_path("m", version)
    return None if path is None else json.loads(path.read_bytes())["rows"]


def anchor(registry: Registry, version: str, rows: int, key: str = "") -> None:
    registry.anchor("m", version, {"rows": rows}, how="window", by="ann", at=T0, detail="d", key=key)


ACTS = st.lists(
    st.tuples(st.sampled_from(["v1", "v2"]), st.one_of(st.just("undo"), st.integers(2, 9))), max_size=12
)


@settings(max_examples=40, deadline=None)
@given(acts=ACTS)
def test_undo_gives_back_what_was_there_before(acts: list[tuple[str, int | str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        registry = made(Path(folder))
        want: dict[str, list[int | None]] = {"v1": [1], "v2": [None]}
        ever: dict[str, set[int]] = {"v1": {1}, "v2": set()}
        for version, act in acts:
            if isinstance(act, int):
                anchor(registry, version, act)
                want[version].append(act)
                ever[version].add(act)
            elif len(want[version]) > 1:
                registry.restore_reference("m", version, by="ann", at=T0)
                want[version].pop()
            else:
                with pytest.raises(ActionRefused, match="nothing to undo"):
                    registry.restore_reference("m", version, by="ann", at=T0)
            registry = Registry.open(registry.root)
            assert {v: present(registry, v) for v in want} == {v: past[-1] for v, past in want.items()}
            for v, rows in ever.items():
                former = [
                    json.loads(path.read_bytes())["rows"] for path in registry.former_references("m", v)
                ]
                assert sorted(former) == sorted(rows - {present(registry, v)})
            assert [len(registry.anchors("m", v)) for v in want] == [len(want[v]) - 1 for v in want]


def test_a_key_acts_once(tmp_path: Path) -> None:
    registry = made(tmp_path)
    anchor(registry, "v1", 2, key="R1/anchor")
    anchor(registry, "v1", 3)
    anchor(registry, "v1", 4, key="R1/anchor")
    assert present(registry, "v1") == 3
    for _ in range(2):
        registry.restore_reference("m", "v1", by="ann", at=T0, key="R1/undo")
    assert present(registry, "v1") == 2


def test_versions_that_are_not_there_have_no_reference(tmp_path: Path) -> None:
    registry = made(tmp_path)
    with pytest.raises(ActionRefused, match="no version v3"):
        anchor(registry, "v3", 2)
    assert registry.reference_path("m", "v3") is None


def test_a_crash_leaves_the_old_reference_or_the_new_one(tmp_path: Path) -> None:
    """Whatever part of the last line is on the disk, the registry opens, and the next change stands."""
    registry = made(tmp_path)
    anchor(registry, "v1", 2)
    lines = tmp_path / "registry" / "m" / "references.jsonl"
    before = lines.read_bytes()
    registry.anchor("m", "v1", {"rows": 3}, how="training", by="ci", at=T0 + timedelta(days=1))
    whole = lines.read_bytes()
    for cut in range(len(before), len(whole) + 1, 7):
        place = tmp_path / f"at-{cut}"
        shutil.copytree(tmp_path / "registry", place)
        (place / "m" / "references.jsonl").write_bytes(whole[:cut])
        assert present(Registry(place), "v1") == 2
        mended = Registry.open(place)
        assert present(mended, "v1") == 2
        anchor(mended, "v1", 4)
        assert present(mended, "v1") == 4
    assert present(registry, "v1") == 3


def test_files_are_for_our_eyes_only(tmp_path: Path) -> None:
    registry = made(tmp_path)
    anchor(registry, "v2", 5)
    found = [tmp_path / "registry" / "m" / "references.jsonl", registry.reference_path("m", "v2")]
    assert [oct(path.stat().st_mode & 0o777) for path in found if path] == ["0o600", "0o600"]
