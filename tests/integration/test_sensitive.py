"""Values of sensitive features, planted so that they can be recognised, come out of no door of a real daemon."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from autoheal import cli
from autoheal.actions.targets.versions import Lineage, NewVersion
from autoheal.domain.names import Task
from autoheal.domain.specs import FeatureSpec
from autoheal.telemetry import build_performance, build_reference
from autoheal.tui.app import DashboardApp
from tests.integration.place import Place, wait_for
from tests.tui.sight import screen_text, seen

#: A level, and two numbers: the reference is full of 7713..., what comes now of 8844....
SECRET = re.compile(r"QZMARK|(?<![\d.])(7713|8844)\d\d(?!\d)|(?<![\d.])(7\.713|8\.844)\d*e", re.IGNORECASE)
MODEL = "lender"
FEATURES = (
    FeatureSpec("salary", "numeric", sensitive=True),
    FeatureSpec("city", "categorical", sensitive=True),
    FeatureSpec("age", "numeric", sensitive=True),
    FeatureSpec("term", "numeric"),
    FeatureSpec("kind", "categorical"),
)
YAML = f"""
version: 1
kind: model
name: {MODEL}
task: classification
features:
  salary: {{type: numeric, sensitive: true}}
  city: {{type: categorical, sensitive: true}}
  age: {{type: numeric, sensitive: true}}
  term: {{type: numeric}}
  kind: {{type: categorical}}
monitors:
  performance: {{min_rows: 100, every: 1s}}
  data_drift: {{min_rows: 200, window: {{rows: 300}}, every: 1s}}
  data_quality: {{rows: 50, every: 1s, skew: {{share: 100%}}}}
  multivariate: {{every: 1s}}
  score_drift: {{every: 1s}}
  familiar: {{rules: [psi, ks], every: 1s}}
  slices: {{every: 1s}}
slices: [kind, {{feature: salary, bins: [5, 10]}}]
label_lag: 1s
"""
POLICY = """
version: 1
kind: policy
name: watch
match: {models: ["*"]}
when: [{alarm: data_quality/*}]
ladder: [{runbook: fallback}]
"""


def features(chance: random.Random, base: int, town: str) -> dict[str, Any]:
    return {
        "salary": base + chance.random() * 90.0,
        "city": f"QZMARK-{town}-{chance.randrange(3)}",
        "age": float(base),
        "term": 20.0 + chance.randrange(40) + (30.0 if base > 800_000 else 0.0),
        "kind": "new" if chance.random() < (0.9 if base > 800_000 else 0.4) else "old",
    }


def release(here: Place) -> None:
    chance = random.Random(1)
    rows = [features(chance, 771_300, "THEN") for _ in range(1_000)]
    labels = [chance.randrange(2) for _ in rows]
    scores = [0.2 + 0.6 * label for label in labels]
    made = build_reference(
        FEATURES,
        {f.name: [row[f.name] for row in rows] for f in FEATURES},
        build_performance(Task.CLASSIFICATION, labels, labels, scores),
    )
    then = datetime.now(UTC) - timedelta(days=2)
    source = here.root / "artefact"
    source.mkdir()
    (source / "model.json").write_text("{}")
    new = NewVersion(version="v1", role="model", lineage=Lineage(then, then, 1))
    here.registry.register(MODEL, source, new, at=then, reference=made)
    here.registry.set_champion(MODEL, "v1", by="ci", at=then)


def records() -> list[dict[str, Any]]:
    chance, now, sent = random.Random(2), datetime.now(UTC), []
    for n in range(900):
        at = (now - timedelta(seconds=15 * (900 - n))).isoformat()
        row = {"kind": "prediction", "model": MODEL, "version": "v1", "id": f"r{n}", "time": at, "score": 0.7}
        sent.append(row | {"features": features(chance, 884_400, "NOW"), "prediction": 1})
        if n < 600:
            sent.append({"kind": "outcome", "model": MODEL, "id": f"r{n}", "time": at, "label": n % 2})
        if n < 100:  # other values than were served
            trained = features(chance, 884_400, "NOW")
            sent.append({"kind": "features", "model": MODEL, "id": f"r{n}", "features": trained})
    return sent


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path, POLICY, "mode: shadow\n")
    try:
        (tmp_path / "conf" / "lender.yaml").write_text(YAML)
        release(found)
        found.start_daemon()
        yield found
    finally:
        found.close()


def answers(here: Place) -> Iterator[tuple[str, str]]:
    """What every route of the document says, on the control socket."""
    with closing(here.control()) as client:
        incidents = client.get("/v1/incidents").json()
        names = {"incident_id": incidents[0]["id"], "subject": MODEL}
        for path, methods in client.get("/openapi.json").json()["paths"].items():
            if "get" in methods:
                asked = re.sub(r"\{(\w+)\}", lambda m: names[m[1]], path)
                query = {"model": MODEL, "after": 0, "size": 500, "step": "1h", "ids": 100}
                answer = client.get(asked, params=query)
                assert answer.status_code in {200, 503}, (asked, answer.text)
                yield asked, answer.text
        # Refusals must not repeat what they refuse.
        bad = records()[0] | {"id": "bad"}
        for broken in ({"city": ["QZMARK-list"]}, {"salary": {"deep": 884_401.5}}):
            answer = client.post("/v1/telemetry", json=bad | {"features": broken})
            assert answer.status_code == 422
            yield "refusal", answer.text


def commands(here: Place, printed: pytest.CaptureFixture[str]) -> Iterator[tuple[str, str]]:
    socket, config = ("--socket", str(here.root / "run")), ("--config", str(here.config))
    for typed in (
        ("status", *socket), ("status", "--json", *socket), ("why", MODEL, *socket), ("incidents", *socket),
        ("history", MODEL, "--since", "1d", *config), ("history", MODEL, "--since", "1d", "--facts", "1h", *config),
        ("history", MODEL, "--since", "1d", "--rows", "500", *config),
    ):  # fmt: skip
        assert cli.invoke(list(typed)) in {0, 1}, typed
        shown = printed.readouterr()
        yield " ".join(typed[:2]), shown.out + shown.err


async def screens(here: Place) -> list[tuple[str, str]]:
    app, shown = DashboardApp(here.root / "run" / "view.sock"), []
    async with app.run_test(size=(200, 60)) as pilot:
        await seen(pilot, lambda text: MODEL in text and "● live" in text)
        for keys in ((), ("enter",), ("w",), ("1",), ("2",), ("enter",), ("4", "a"), ("5",), ("6",)):
            await pilot.press(*keys)
            await pilot.pause()
            shown.append((f"screen {keys}", screen_text(app)))
    return shown


def wait_for_words(here: Place) -> dict[str, Any]:
    """Until the monitors have said what they say of these rows."""

    def found() -> dict[str, Any]:
        with closing(here.control()) as client:
            world = client.get("/v1/snapshot").json()["world"]
        said = {
            f["monitor"] + "/" + f["subject"]: f for f in world["findings"].values() if f["target"] == MODEL
        }
        faults = ("data_quality/city", "data_quality/salary", "data_quality/age")
        ready = all(said.get(path, {}).get("verdict") == "breach" for path in faults)
        return said if ready and said.get("data_drift/city", {}).get("value") and world["incidents"] else {}

    wait: dict[str, Any] = wait_for(found, "no finding about the planted rows", seconds=60.0)
    return wait


def test_planted_values_come_out_of_no_door(here: Place, capsys: pytest.CaptureFixture[str]) -> None:
    sent = records()
    assert SECRET.search(json.dumps(sent))
    assert here.push(sent).json()["accepted"] == len(sent)
    said = wait_for_words(here)
    assert "one of its bins" in said["data_drift/city"]["detail"]
    assert "; new 4" in said["data_drift/kind"]["detail"]
    told = [*answers(here), *commands(here, capsys), *asyncio.run(screens(here))]
    told += [(log.name, log.read_text()) for log in here.root.glob("log-*.txt")]
    found = [
        f"{where}: ...{text[max(m.start() - 120, 0) : m.end() + 40]}"
        for where, text in told
        if (m := SECRET.search(text))
    ]
    assert not found, "\n".join(found)
    everything = "\n".join(text for _, text in told)
    assert '"term"' in everything, "features that are not sensitive are shown"
