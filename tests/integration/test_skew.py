"""A feature that is served otherwise than it was learned: a real daemon, asked ids, a pipeline's answer, an incident."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from autoheal import cli
from tests.integration.place import MODEL, MODEL_YAML, Place, wait_for

POLICY = """
version: 1
kind: policy
name: told
match: {models: ["*"]}
when: [{alarm: data_quality/*}]
ladder: [{runbook: notify}]
"""


def predictions() -> list[dict[str, Any]]:
    chance, now = random.Random(4), datetime.now(UTC)
    return [
        {
            "kind": "prediction", "model": MODEL, "version": "v2", "id": f"r{n}", "prediction": 1,
            "time": (now - timedelta(seconds=900 - n)).isoformat(), "features": {"x": chance.gauss(0, 1)},
        }
        for n in range(800)
    ]  # fmt: skip


def test_a_feature_that_is_not_what_was_learned_becomes_an_incident(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = Place(tmp_path, POLICY, "mode: shadow\n")
    quality = "{data_quality: {every: 1s, skew: {share: 20%}}}"
    watched = MODEL_YAML.replace("{performance: {min_rows: 200, every: 1s}}", quality)
    (tmp_path / "conf" / "scorer.yaml").write_text(watched)
    try:
        here.releases()
        killed = here.start_daemon()
        served = predictions()
        assert here.push(served).status_code == 202
        killed.kill()
        killed.wait()
        assert cli.invoke(["skew", MODEL, "--ids", "--config", str(here.config)]) == 0
        wanted = [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()]
        assert 120 < len(wanted) < 200
        # The pipeline scales what the service forgot to scale.
        known = {row["id"]: row["features"]["x"] for row in served}
        computed = [
            {"kind": "features", "model": MODEL, "id": i, "features": {"x": known[i] / 10}} for i in wanted
        ]
        here.start_daemon()
        assert here.push(computed).json() == {"accepted": len(wanted), "duplicates": 0, "waiting": 0}

        def incident() -> Any:
            with here.control() as client:
                return client.get("/v1/incidents").json()

        opened = wait_for(incident, "no incident")[0]
        assert opened["target"] == MODEL
        with here.control() as client:
            said = client.get("/v1/snapshot").json()["world"]["findings"][f"{MODEL}|data_quality|skew:x"]
        assert (said["verdict"], said["severity"], said["value"]) == ("breach", "warning", 1.0)
        assert said["detail"] == "x: of 100 ids 100 have another value"
        assert cli.invoke(["skew", MODEL, "--config", str(here.config)]) == 0
        shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert sum(line["different"] for line in shown[:-1]) == len(wanted)
        assert shown[-1]["records"]["compared"] == len(wanted)
    finally:
        here.close()
