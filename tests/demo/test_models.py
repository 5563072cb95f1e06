"""Models: what they learn, what the registry gets, what the trainer leaves and the server answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import joblib
import pytest

from autoheal.actions.targets.registry import Registry
from autoheal.demo import estimator, first_versions, fleet
from autoheal.demo.estimator import Estimator, StandIn
from autoheal.demo.fleet import DemoModel, service_rows, training_rows
from autoheal.telemetry.reference import load_reference
from tests.demo.house import small
from tests.gateway.house import free_port, until_listening


@pytest.fixture(scope="module")
def loans() -> DemoModel:
    return small("loan-repayment", 0, 2000)


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory, loans: DemoModel) -> Registry:
    """A registry with a first version and a stand-in of the small loans model."""
    folder = tmp_path_factory.mktemp("stocked")
    registry = Registry.open(folder / "registry")
    first_versions.install(registry, loans, folder)
    return registry


def right(model: Estimator | StandIn, demo: DemoModel) -> float:
    rows = service_rows(demo)
    answers = model.predict([r.features for r in rows])[0]
    return sum(a == r.label for a, r in zip(answers, rows, strict=True)) / len(rows)


def test_a_model_answers_rows_with_holes(loans: DemoModel) -> None:
    rows = loans.rows()[:2000]
    model = first_versions.fit(loans, rows)
    assert right(model, loans) > 0.9
    holes = [{}, {"car_value": None, "salary_range": "never seen"}, dict(rows[0].features)]
    answers, scores = model.predict(holes)
    assert set(answers) <= {0.0, 1.0}
    assert scores is not None
    assert all(0 <= s <= 1 for s in scores)


def test_a_unit_error_makes_a_bad_model_with_good_papers(loans: DemoModel) -> None:
    made = first_versions.with_unit_error(loans, loans.rows()[:2000], "driver_tenure", 12.0)
    assert made.reference["performance"]["accuracy"]["value"] > 0.9
    assert right(made.estimator, loans) < 0.75


def test_the_stand_in_needs_nothing_that_a_feed_can_break() -> None:
    model = StandIn("regression", ("hr",), "last_week").fit(
        [{"hr": 1.0}, {"hr": 1.0}, {"hr": 2.0}], [2, 4, 9]
    )
    rows = [{"hr": 1.0, "last_week": 7.0}, {"hr": 1.0, "last_week": None}, {"hr": 3.0}]
    assert model.predict(rows) == ([7.0, 3.0, 5.0], None)


def test_what_is_no_demo_model_is_not_served(tmp_path: Path) -> None:
    joblib.dump({"a": 1}, tmp_path / "model.joblib")
    with pytest.raises(TypeError, match="not a demo model"):
        estimator.load(tmp_path)


def test_the_registry_has_a_champion_a_stand_in_and_their_papers(stocked: Registry, loans: DemoModel) -> None:
    champion = stocked.champion(loans.name)
    assert champion is not None
    assert (champion.version, champion.by) == ("v1", "ci")
    assert stocked.info(loans.name, "baseline").role == "fallback"
    reference = load_reference(json.loads(stocked.reference_path(loans.name, "v1").read_text()))
    assert set(reference.features) == set(loans.features)
    assert reference.performance["accuracy"].value > 0.9
    assert reference.loss is not None


def test_the_trainer_speaks_the_protocol_of_pipelines(tmp_path: Path) -> None:
    bike = fleet.model("bike-demand")
    names = list(bike.features)
    for file, rows in (("data", training_rows(bike)[:600]), ("holdout", training_rows(bike)[600:700])):
        lines = [
            ",".join(("" if r.features[n] is None else str(r.features[n])) for n in names) + f",{r.label}"
            for r in rows
        ]
        (tmp_path / f"{file}.csv").write_text("\n".join([",".join([*names, "label"]), *lines]))
    job = {
        "task": "regression",
        "types": bike.features,
        "dataset": str(tmp_path / "data.csv"),
        "holdout": str(tmp_path / "holdout.csv"),
        "label": "label",
        "out": str(tmp_path / "out"),
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    environment = {**os.environ, "AUTOHEAL_JOB": str(tmp_path / "job.json"), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "autoheal.demo.train"], env=environment, timeout=60, check=True)
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert 0 < result["metrics"]["holdout_error"] < 60
    model = estimator.load(tmp_path / "out" / "artefact")
    assert len(model.predict([r.features for r in service_rows(bike)[:5]])[0]) == 5


@pytest.fixture(scope="module")
def server(stocked: Registry) -> Iterator[str]:
    port = free_port()
    argv = ["-m", "autoheal.demo.model_server", "--model", "loan-repayment", "--registry", str(stocked.root)]
    process = subprocess.Popen([sys.executable, *argv, "--port", str(port)])
    try:
        until_listening(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def test_the_server_answers_any_version_of_the_registry(server: str, loans: DemoModel) -> None:
    rows = [r.features for r in service_rows(loans)[:20]]
    for version in ("v1", "baseline"):
        said = httpx.post(f"{server}/versions/{version}/predict", json={"rows": rows}).json()
        assert len(said["predictions"]) == len(said["scores"]) == 20
    assert httpx.get(f"{server}/healthz").status_code == 200
    assert 'predictions_total{version="v1"} 20.0' in httpx.get(f"{server}/metrics").text


def test_the_server_says_no_in_order(server: str) -> None:
    assert httpx.post(f"{server}/versions/v99/predict", json={"rows": [{}]}).status_code == 404
    for body in ({}, {"rows": 3}, {"rows": [{"car_value": "a lot"}]}, {"rows": [{"car_value": [1]}]}):
        assert httpx.post(f"{server}/versions/v1/predict", json=body).status_code == 422
    assert (
        httpx.post(f"{server}/versions/v1/predict", json={"rows": [{"car_value": None}]}).status_code == 200
    )


def test_an_artefact_that_was_tampered_with_is_never_loaded(
    server: str, stocked: Registry, loans: DemoModel, tmp_path: Path
) -> None:
    model = StandIn("classification", ("salary_range",)).fit([{"salary_range": "x"}], [1])
    first_versions.put(stocked, loans, model, "v9", rows=loans.rows()[:10], scratch=tmp_path)
    artefact = next((stocked.root / loans.name / "versions" / "v9" / "artefact").rglob("model.joblib"))
    artefact.chmod(0o600)
    artefact.write_bytes(artefact.read_bytes() + b" ")
    refused = httpx.post(f"{server}/versions/v9/predict", json={"rows": [{}]})
    assert refused.status_code == 404
    assert "hash" in refused.text or "sha256" in refused.text
