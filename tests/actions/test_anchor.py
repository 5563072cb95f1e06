"""``reference.anchor`` and ``reference.restore`` as a runbook uses them: once for a key, and back again."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from autoheal.actions.targets.versions import Lineage, NewVersion
from autoheal.errors import ActionRefused
from tests.actions.house import START, House, house, put_model, row, serve_rows

HOURS = 300
TRAINED = Lineage(START - timedelta(hours=1), START + timedelta(hours=HOURS), HOURS)


def register(home: House, version: str, new: NewVersion, reference: dict[str, object] | None = None) -> None:
    folder = put_model(home.folder / f"files-{version}", slope=2.0, bias=3.0)
    home.registry.register("m", folder, new, at=START, reference=reference)


def rows_of(home: House, version: str) -> int:
    path = home.registry.reference_path("m", version)
    assert path is not None
    return int(json.loads(path.read_bytes())["rows"])


async def test_a_version_without_a_reference_gets_that_of_its_training_data(tmp_path: Path) -> None:
    async with house(tmp_path, served=False) as home:
        await serve_rows(home.telemetry, [row(n) for n in range(2 * HOURS)])
        register(home, "v2", NewVersion("v2", lineage=TRAINED))
        done = await home.apply("reference.anchor", "R1/anchor", model="m", version="v2")
        assert (done["how"], rows_of(home, "v2")) == ("lineage", HOURS + 1)
        assert len(home.registry.anchors("m", "v2")) == 1
        known = json.loads(home.registry.reference_path("m", "v2").read_bytes())  # type: ignore[union-attr]
        assert known["performance"] == {}
        assert set(known["features"]) == {"x", "city"}

        # Undone by its own step, once, however often that is tried; what the first step did stays known.
        await home.apply("reference.restore", "R1/undo", model="m", version="v2")
        assert home.registry.reference_path("m", "v2") is None
        seen = await home.probe("reference.anchor", "R1/anchor", model="m", version="v2")
        assert dict(seen.outputs) == done
        with pytest.raises(ActionRefused, match="nothing to undo"):
            await home.apply("reference.restore", "R2/undo", model="m", version="v2")


async def test_what_a_version_came_with_stays_unless_it_is_to_be_made_anew(tmp_path: Path) -> None:
    async with house(tmp_path, served=False) as home:
        await serve_rows(home.telemetry, [row(n) for n in range(HOURS)])
        register(
            home, "v2", NewVersion("v2", lineage=TRAINED), {"rows": 7, "features": {}, "performance": {}}
        )
        kept = await home.apply("reference.anchor", "R1/anchor", model="m", version="v2")
        assert (kept["how"], rows_of(home, "v2")) == ("kept", 7)
        await home.apply("reference.anchor", "R2/anchor", model="m", version="v2", anew=True)
        assert rows_of(home, "v2") == HOURS
        await home.apply("reference.restore", "R2/undo", model="m", version="v2")
        assert rows_of(home, "v2") == 7


async def test_without_rows_and_parent_it_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    async with house(tmp_path, served=False) as home:
        await serve_rows(home.telemetry, [row(n) for n in range(20)])
        register(home, "v2", NewVersion("v2", lineage=TRAINED))
        with pytest.raises(ActionRefused, match=r"20 rows .* 200 are needed; and no parent"):
            await home.apply("reference.anchor", "R1/anchor", model="m", version="v2")
        assert home.registry.anchors("m", "v2") == ()
        register(home, "v3", NewVersion("v3", parent="v4"), None)
        features = {"x": {"kind": "numeric"}}
        whole = {"rows": 5, "features": features, "performance": {"mae": {"value": 1.0}}}
        register(home, "v4", NewVersion("v4"), whole)
        await home.apply("reference.anchor", "R2/anchor", model="m", version="v3")
        path = home.registry.reference_path("m", "v3")
        assert path is not None
        assert json.loads(path.read_bytes()) == {"rows": 5, "features": features, "performance": {}}
