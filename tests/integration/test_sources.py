"""Sources in the real daemon: one that is away has its own incident, and everybody can see how each of them does."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from tests.integration.place import MODEL, Place, free_port, wait_for


def health(place: Place) -> dict[str, Any]:
    with place.control() as control:
        return {s["name"]: s for s in control.get("/v1/sources").json()}


def alert(status: str) -> dict[str, Any]:
    labels = {"alertname": "ModelSlow", "model": MODEL, "severity": "critical"}
    started = datetime.now(UTC).isoformat()
    return {"version": "4", "alerts": [{"status": status, "labels": labels, "annotations": {}, "startsAt": started, "fingerprint": "f"}]}  # fmt: skip


@pytest.mark.timeout(90)
def test_a_source_that_is_away_and_those_that_are_not(tmp_path: Path) -> None:
    dead = free_port()
    extra = (
        "sources:\n"
        "  - {name: push, kind: http_push}\n"
        f"  - {{name: dead, kind: scrape, url: 'http://127.0.0.1:{dead}/metrics', model: {MODEL}, every: 50ms, timeout: 500ms}}\n"
        "  - {name: alerts, kind: alertmanager}\n"
        f"  - {{name: labels, kind: files, path: in/*.jsonl, model: {MODEL}, as: records, every: 50ms}}\n"
    )
    place = Place(tmp_path, extra=extra)
    try:
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "a.jsonl").write_text(
            '{"kind": "metric", "name": "x", "value": 1, "time": 1e9}\nodd\n'
        )
        place.start_daemon()
        place.push(
            [
                {
                    "kind": "outcome",
                    "model": MODEL,
                    "id": "a",
                    "time": datetime.now(UTC).isoformat(),
                    "label": 1,
                }
            ]
        )
        place.push([{"kind": "nothing"}])
        door = f"http://{place.listen}/v1/alertmanager"
        assert httpx.post(door, json=alert("firing"), timeout=20).json() == {"accepted": 1, "unknown": 0}

        def seen() -> Any:
            with place.control() as control:
                found = control.get("/v1/incidents").json()
            return {i["target"] for i in found} >= {"source:dead"} and health(place)["dead"][
                "state"
            ] == "away"

        wait_for(seen, "the dead source has no incident")
        wait_for(lambda: health(place)["labels"]["rows"] == 1, "the file was not read")
        now = health(place)
        assert [s["kind"] for s in now.values()] == ["http_push", "scrape", "alertmanager", "files"]
        push, gone, _, labels = now.values()
        assert (push["state"], push["rows"], push["refused"]) == ("ok", 1, {"bad_row": 1})
        assert 0 <= push["lag_s"] < 60
        assert push["rows_per_s"] > 0
        assert (gone["rows"], gone["lag_s"], "ConnectError" in gone["last_error"]) == (0, None, True)
        assert (labels["refused"], labels["lag_s"] > 1e8) == ({"not_json": 1}, True)
        findings = [e.finding for e in place.of_kind("finding_observed")]
        told = [f for f in findings if f.target == "source:dead" and f.subject == "up"]
        assert [f.verdict for f in told][:2] == ["no_data", "breach"], (
            "a gap first, then a source that is away"
        )
        assert {f.path for f in findings if f.target == MODEL and f.verdict == "breach"} == {
            "alertmanager/ModelSlow"
        }
        page = httpx.get(f"http://{place.listen}/metrics").text
        assert 'autoheal_source_state{source="dead",state="away"} 1' in page
        assert 'autoheal_source_rows_total{source="push"} 1' in page
        assert 'autoheal_source_refused_total{source="labels",reason="not_json"} 1' in page
        assert httpx.post(door, json=alert("resolved"), timeout=20).status_code == 200
        assert place.of_kind("finding_observed")[-1].finding.verdict in {"ok", "breach"}
    finally:
        place.close()


@pytest.mark.timeout(90)
def test_rows_that_come_while_the_configuration_is_read_again_come_once(tmp_path: Path) -> None:
    """The new source begins where the former one ended, and not where it was when the new one was thought of."""
    extra = (
        "sources:\n"
        f"  - {{name: log, kind: files, path: in/*.jsonl, model: {MODEL}, as: records, every: 1ms}}\n"
    )
    place = Place(tmp_path, extra=extra)
    try:
        (tmp_path / "in").mkdir()
        place.start_daemon()
        written = 0
        with (tmp_path / "in" / "a.jsonl").open("a") as log, place.control() as control:
            for turn in range(12):
                asked = Thread(target=control.post, args=("/v1/reload",), kwargs={"headers": {"Idempotency-Key": f"k{turn}"}, "json": {}})  # fmt: skip
                asked.start()
                while asked.is_alive():
                    log.write(f'{{"kind": "metric", "name": "x", "value": 1, "time": {1e9 + written}}}\n')
                    log.flush()
                    written += 1
                    asked.join(0.001)
        wait_for(lambda: health(place)["log"]["rows"] >= written, "rows are missing")
        assert health(place)["log"]["rows"] == written
    finally:
        place.close()
