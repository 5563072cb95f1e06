"""What the daemon must withstand, tried on the real process: broken telemetry, broken trainers, broken configuration."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.place import MODEL, Place, place, wait_for

POLICY = """
version: 1
kind: policy
name: performance-drop
match: {models: ["*"]}
when: [{alarm: performance/*}]
ladder:
  - {runbook: retrain}
  - {runbook: fallback, on_recovery: restore}
verify: {healthy_for: 1s, within: 30s}
guards: {cooldown: 1s}
"""


@pytest.fixture
def calm(tmp_path: Path) -> Iterator[Place]:
    """A production whose daemon only watches."""
    with place(tmp_path, extra="mode: shadow\n") as here:
        here.start_daemon()
        yield here


def autoheal(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "autoheal", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("body", "media", "status", "said"),
    [
        (b"{", "application/json", 400, "JSON"),
        (b"\xff\xfe", "application/json", 400, ""),
        (b"x", "text/plain", 415, ""),
        (b'{"records": [{"kind": "prediction"}]}', "application/json", 422, "model"),
        (
            b'{"records": [{"kind": "outcome", "model": "nobody", "id": "a", "time": "2026-01-01T00:00:00Z", "label": 1}]}',
            "application/json",
            404,
            "nobody",
        ),
        (
            json.dumps(
                {"records": [{"kind": "outcome", "model": MODEL, "id": "x" * 1_000_000, "label": 1}]}
            ).encode(),
            "application/json",
            422,
            "id",
        ),
        (
            f'{{"records": [{{"kind": "outcome", "model": "{MODEL}", "id": "a", "time": "2026-01-01T00:00:00Z", "label": NaN}}]}}'.encode(),
            "application/json",
            422,
            "",
        ),
        (
            f'{{"records": [{{"kind": "prediction", "model": "{MODEL}", "id": 5.5, "features": "none"}}]}}'.encode(),
            "application/json",
            422,
            "",
        ),
    ],
    ids=["half", "no-text", "media", "no-model", "unknown-model", "long-id", "nan", "types"],
)
def test_malformed_telemetry_is_refused_with_its_reason(
    calm: Place, body: bytes, media: str, status: int, said: str
) -> None:
    answer = httpx.post(f"http://{calm.listen}/v1/telemetry", content=body, headers={"content-type": media})
    assert answer.status_code == status, answer.text
    assert said in answer.text
    assert "autoheal_telemetry_refused_total{" in httpx.get(f"http://{calm.listen}/metrics").text
    assert calm.push(calm.telemetry(50)).json()["accepted"] == 100
    door = httpx.HTTPTransport(uds=str(calm.root / "run" / "view.sock"))
    with httpx.Client(transport=door, base_url="http://autoheal") as view:
        (labels,) = view.get("/v1/labels").json()
    assert (labels["model"], labels["joins"]["predictions"], labels["joins"]["joined"]) == (MODEL, 50, 50)
    (version,) = labels["versions"]
    assert (version["version"], version["answers"], version["share"]) == ("v2", 50, 1.0)
    page = httpx.get(f"http://{calm.listen}/metrics").text
    assert f'autoheal_label_join_total{{model="{MODEL}",what="joined"}} 50' in page


@pytest.mark.parametrize(
    ("mood", "why"), [("fail", "disk of the trainer is full"), ("hang", "deadline"), ("worse", "better")]
)
def test_a_bad_trainer_leaves_the_champion_and_the_ladder_goes_on(
    tmp_path: Path, mood: str, why: str
) -> None:
    with place(tmp_path, policies=POLICY) as here:
        (here.root / "work" / mood).touch()
        here.start_daemon()
        assert here.push(here.telemetry()).status_code == 202
        wait_for(lambda: here.of_kind("incident_mitigated"), "the ladder did not go on", 60)
        champion = here.registry.champion(MODEL)
        assert champion is not None
        assert champion.version == "v2"
        assert here.route()["weights"] == {"stand-in": 100.0}
        told = autoheal("why", MODEL, "--socket", str(here.root / "run"))
        assert told.returncode == 0, told.stderr
        assert why in told.stdout
        assert "policies.yaml:" in told.stdout


BAD = {
    "not-yaml.yaml": "version: [",
    "unknown-model.yaml": POLICY.replace('["*"]', "[nobody]").replace("performance-drop", "other"),
    "no-such-action.yaml": "version: 1\nkind: runbook\nname: wild\nsteps: [{id: a, action: format.disk}]\n",
    "no-unit.yaml": POLICY.replace("healthy_for: 1s", "healthy_for: 1").replace("performance-drop", "other"),
}


@pytest.mark.parametrize("file", BAD)
def test_a_bad_file_keeps_the_last_good_set_in_force(calm: Place, file: str) -> None:
    (calm.root / "conf" / file).write_text(BAD[file])
    with calm.control() as control:
        before = control.get("/v1/snapshot").json()["world"]["config"]["digest"]
        refused = control.post("/v1/reload")
        assert refused.json()["ok"] is False, refused.text
        world = control.get("/v1/snapshot").json()["world"]
    assert world["config"]["digest"] == before
    assert any(file in problem for problem in world["config_problems"])
    checked = autoheal("check", str(calm.root / "conf"))
    assert checked.returncode == 2
    assert f"{file}:" in checked.stdout + checked.stderr
    (calm.root / "conf" / file).unlink()
    with calm.control() as control:
        assert control.post("/v1/reload").json()["ok"] is True
        assert control.get("/v1/snapshot").json()["world"]["config_problems"] == []


def test_a_daemon_with_a_bad_configuration_does_not_start(tmp_path: Path) -> None:
    with place(tmp_path, policies=POLICY.replace("retrain", "pray")) as here:
        started = autoheal("run", "--config", str(here.config))
        assert started.returncode == 2
        assert "policies.yaml:8:" in started.stderr
        assert not (here.root / "state").exists()


def test_doors_and_files_are_private_and_one_daemon_owns_the_log(calm: Place) -> None:
    run, state = calm.root / "run", calm.root / "state"
    assert {stat.S_IMODE((run / s).stat().st_mode) for s in ("control.sock", "view.sock")} == {0o660}
    assert stat.S_IMODE((state / "autoheal.db").stat().st_mode) == 0o600
    second = autoheal("run", "--config", str(calm.config))
    assert second.returncode != 0
    assert "another" in second.stderr
    view = httpx.Client(transport=httpx.HTTPTransport(uds=str(run / "view.sock")), base_url="http://autoheal")
    with view:
        assert view.post("/v1/pause", json={"scope": "fleet", "reason": "no"}).status_code == 403


def test_a_set_that_the_sources_refuse_is_not_half_in_force(tmp_path: Path) -> None:
    """The files are good by themselves, but a source of the settings names the model that they rename."""
    page = f"sources: [{{name: page, kind: scrape, url: 'http://127.0.0.1:9/metrics', model: {MODEL}}}]\n"
    with place(tmp_path, extra="mode: shadow\n" + page) as here:
        here.start_daemon()
        model = here.root / "conf" / "scorer.yaml"
        model.write_text(model.read_text().replace(f"name: {MODEL}", "name: renamed"))
        told = autoheal("reload", "--socket", str(here.root / "run"))
        assert told.returncode != 0
        assert MODEL in told.stderr + told.stdout
        assert here.of_kind("config_refused")
        assert here.push(here.telemetry(10)).json()["accepted"] == 20
        other = [record | {"model": "renamed"} for record in here.telemetry(10)]
        assert here.push(other).status_code == 404


def test_sigterm_leaves_cleanly_and_a_reload_signal_is_heard(calm: Place) -> None:
    daemon = calm.processes[-1]
    (calm.root / "conf" / "broken.yaml").write_text("version: [")
    daemon.send_signal(signal.SIGHUP)
    wait_for(lambda: calm.of_kind("config_refused"), "the signal was not heard")
    daemon.terminate()
    assert daemon.wait(20) == 0


def test_nothing_served_is_no_data_and_never_zero(calm: Place) -> None:
    wait_for(lambda: calm.of_kind("finding_observed"), "no finding")
    mine: list[Any] = [
        e.finding for e in calm.of_kind("finding_observed") if e.finding.monitor == "performance"
    ]
    assert mine
    assert all(
        f.value is None and f.verdict in {"no_data", "not_yet", "ok"} for f in mine if f.subject != "monitor"
    )
    assert not calm.of_kind("incident_opened")
