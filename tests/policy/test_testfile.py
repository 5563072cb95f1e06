"""Policy tests as dataclasses: times absolute, findings ready, positions kept, names looked up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from autoheal.domain.names import Cause, Severity, Verdict
from autoheal.errors import ConfigError
from autoheal.policy.testfile import Ending, FactChange, PolicyTest
from autoheal.policy.testfile_build import parse_test
from tests.policy.world import KNOWN

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
GOOD = """version: 1
kind: policy-test
name: all that there is
start: 2026-01-05T01:00:00+01:00
mode: ask
policies: performance-drop
models:
  - name: fraud
    task: classification
    monitors: [performance, data_quality]
releases:
  - {at: 2h, version: v2}
  - {at: 0s, version: v1}
facts:
  - {at: 0s, known_good: v1, on_fallback: false, fresh_labels: 5}
  - {at: 1h, every: 1h, matured_labels: "0+10x2 _ 50"}
series:
  performance/accuracy:
    {every: 1h, from: 30m, n: 200, values: "0.9 0.84 0.7 _ stale pending error", reference: 0.9,
     breach: "< 0.85", critical: "< 0.8", detail: it fell}
  data_quality/*x:
    - {target: "upstream:bank", every: 1h, values: ok}
    - {every: 1h, values: "ok critical"}
actions:
  notify: {takes: 5s}
  pipeline.train: [{fail: no disk, retryable: true, takes: 10m}, {outputs: {candidate: c1}}]
answers: [{at: 3h, answer: given, by: mara, runbook: retrain}]
pauses: [{at: 4h, until: 5h, reason: lunch}]
expect:
  - {at: 2h, incident: {cause: bad_release, models: fraud, outcome: heal}, rung: 2, suppressed_by: cooldown}
  - {at: 1h, no_incident: true}
"""


def parsed() -> PolicyTest:
    return parse_test("good.test.yaml", GOOD, KNOWN)


def test_times_are_absolute_and_in_order() -> None:
    test = parsed()
    assert test.start == START
    assert [(r.at, r.version) for r in test.releases] == [(START, "v1"), (START + 2 * HOUR, "v2")]
    assert [e.at for e in test.expect] == [START + HOUR, START + 2 * HOUR]
    assert test.until == START + 2 * HOUR
    assert [f.at for f in test.findings] == sorted(f.at for f in test.findings)


def test_findings_are_judged_by_the_bounds() -> None:
    found = [f for f in parsed().findings if f.monitor == "performance"]
    assert [(f.verdict, f.severity) for f in found] == [
        (Verdict.OK, Severity.NONE),
        (Verdict.BREACH, Severity.WARNING),
        (Verdict.BREACH, Severity.CRITICAL),
        (Verdict.NO_DATA, Severity.NONE),
        (Verdict.NOT_YET, Severity.NONE),
        (Verdict.ERROR, Severity.NONE),
    ]
    assert [f.effect for f in found[:3]] == [0.0, 0.06, 0.2]
    assert [f.n for f in found] == [200, 200, 200, 0, 0, 0]
    assert [f.at - START for f in found] == [HOUR / 2 + HOUR * n for n in (0, 1, 2, 4, 5, 6)]
    assert [f.detail for f in found[:3]] == ["", "it fell", "it fell"]


def test_targets() -> None:
    found = [f for f in parsed().findings if f.monitor == "data_quality"]
    assert sorted({f.target for f in found}) == ["fraud", "upstream:bank"]


def test_facts_change_one_by_one() -> None:
    position = parsed().facts[0].position
    assert position.line == 15
    assert [(f.at - START, dict(f.values)) for f in parsed().facts] == [
        (0 * HOUR, {"known_good": "v1", "on_fallback": False}),
        (0 * HOUR, {"fresh_labels": 5}),
        (1 * HOUR, {"matured_labels": 0}),
        (2 * HOUR, {"matured_labels": 10}),
        (4 * HOUR, {"matured_labels": 50}),
    ]
    assert isinstance(parsed().facts[0], FactChange)


def test_actions_people_and_expectations() -> None:
    test = parsed()
    assert test.actions["pipeline.train"] == (
        Ending(error="no disk", retryable=True, takes=timedelta(minutes=10)),
        Ending(outputs={"candidate": "c1"}),
    )
    assert (test.answers[0].by, test.answers[0].at) == ("mara", START + 3 * HOUR)
    assert (test.pauses[0].scope, test.pauses[0].until) == ("fleet", START + 5 * HOUR)
    expected = test.expect[1]
    assert expected.incident is not None
    assert (expected.incident.cause, expected.incident.models) == (Cause.BAD_RELEASE, ("fraud",))
    assert (expected.rung, expected.target, expected.position.line) == (1, "fraud", 30)


BAD = {
    "nothing-expected": ("{at: 1h, no_incident: true}", "{at: 1h}", "31:5: error: nothing is expected"),
    "unknown-expectation": ("no_incident", "no_incidnet", '31:14: error: unknown key "no_incidnet"'),
    "both": (
        "no_incident: true",
        "no_incident: true, incident: {}",
        "31:5: error: both an incident and none",
    ),
    "bad-token": ("0.9 0.84", "0.9 0.8.4", '19:49: error: "0.8.4" is no value'),
    "unknown-monitor": (
        "performance/accuracy:",
        "perfomance/accuracy:",
        '18:3: error: fraud has no monitor "perfom',
    ),
    "unknown-model": ("version: v2", "version: v2, model: frod", '12:34: error: there is no model "frod"'),
    "unknown-target": ("upstream:bank", "frod", '22:16: error: there is no model "frod"'),
    "no-every": ("every: 1h, matured", "matured", "16:30: error: a series of values needs `every`"),
    "zero-every": ("every: 1h, matured", "every: 0s, matured", "16:21: error: no time at all"),
    "fail-and-outputs": (
        "{takes: 5s}",
        "{fail: x, outputs: {a: 1}}",
        "25:11: error: an action fails or gives",
    ),
    "naive-start": ("01:00:00+01:00", "01:00:00", "4:8: error: a time without a zone"),
    "rung-zero": ("rung: 2", "rung: 0", "30:82: error: 0 is too small"),
    "words-for-labels": ("_ 50", "stale 50", "16:41: error: a number of labels cannot be stale"),
    "bad-model": ("task: classification", "task: class", '9:11: error: "class" is not one of'),
    "monitor-kind": ("[performance,", "[performnce,", '10:16: error: there is no monitor "performnce"'),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_told_with_its_place(case: str) -> None:
    old, new, said = BAD[case]
    assert GOOD.count(old) == 1
    with pytest.raises(ConfigError) as caught:
        parse_test("bad.test.yaml", GOOD.replace(old, new), KNOWN)
    assert f"bad.test.yaml:{said}" in str(caught.value)


def test_with_several_models_it_must_be_said_which() -> None:
    second = "  - {name: churn, task: classification, monitors: [performance]}\n"
    with pytest.raises(ConfigError) as caught:
        parse_test("two.test.yaml", GOOD.replace("releases:\n", second + "releases:\n"), KNOWN)
    text = str(caught.value)
    assert "which model? there are several" in text
    assert "which target? there are several models" in text
