"""Legal and probably not meant: warnings, with places, that never refuse a configuration."""

from __future__ import annotations

import pytest

from tests.policy.world import load_bad

HEAD = "version: 1\nkind: policy\nname: mine\n"
MATCH = "match: {models: [fraud]}\n"
WHEN = "when:\n  - {alarm: performance/accuracy}\n"
LADDER = "ladder:\n  - {runbook: rollback}\n"


def policy(*, match: str = MATCH, when: str = WHEN, ladder: str = LADDER, more: str = "") -> str:
    return HEAD + match + when + ladder + more


MODEL = """version: 1
kind: model
name: mine
task: regression
features:
  x: {type: numeric}
monitors:
  familiar:
    window: {rows: 50}
    rules:
      - {rule: ks p < 0.05}
      - psi > 0.2
"""

CASES = {
    "a pattern without a model": (
        policy(match='match: {models: ["frod*"]}\n'),
        '4:18 "frod*" matches no model | did you mean `fraud`?',
    ),
    "labels without a model": (
        policy(match='match: {models: ["*"], labels: {tier: gold}}\n'),
        "4:8 the selector matches no model (tier in ['gold']) | look at the labels of the models",
    ),
    "an empty selector": (
        policy(match="match: {labels: {tier: critical}}\n"),
        '4:8 the selector names no model and no target, so it selects nothing | add models: ["*"]',
    ),
    "an upstream pattern without an upstream": (
        policy(match='match: {models: [fraud], targets: ["upstream:wea?"]}\n'),
        '4:36 "upstream:wea?" matches no upstream | did you mean `upstream:weather`?',
    ),
    "a monitor that no model has": (
        policy(when="when:\n  - {alarm: concept_drift/*}\n"),
        '6:13 no model of this policy has a monitor "concept_drift" | add it to the model, or drop the line',
    ),
    "unless takes back when": (
        policy(more="unless:\n  - {alarm: performance/*}\n"),
        "10:5 `unless` excludes what `when` asks for: performance/accuracy | this policy never holds",
    ),
    "a rung for an excluded cause": (
        policy(
            ladder="ladder:\n  - {runbook: rollback, if: {cause: bad_release}}\n",
            more="causes: concept_drift\n",
        ),
        "8:37 the rung asks for a cause that the policy excludes, so it is never reached | causes: concept_drift",
    ),
    "the same remedy twice": (
        policy(
            ladder="ladder:\n  - {runbook: fallback}\n  - {runbook: fallback, if: {cause: bad_release}}\n"
        ),
        (
            "9:5 rung 1 tries fallback already wherever this one would | "
            "trying again what did not heal rarely heals"
        ),
    ),
    "a verification that cannot end": (
        policy(more="verify: {healthy_for: 2h, within: 1h}\n"),
        "9:35 healthy_for is longer than within (1h): nothing is ever verified | make `within` the longer one",
    ),
    "labels that come too late": (
        policy(more="verify: {within: 4h, matured_labels: 100}\n"),
        (
            "9:9 labels of fraud come 1d late, but verification ends after 4h | "
            "make `within` longer than the label lag, or drop matured_labels"
        ),
    ),
    "nobody to ask": (
        policy(more="mode: ask\n"),
        "9:7 mode ask without anybody to ask | add guards: {approval: {from: [oncall]}}",
    ),
    "an approval from nobody": (
        policy(more="guards: {approval: {if: {runbook: rollback}}}\n"),
        "9:20 an approval without anybody to ask | add from: [oncall]",
    ),
    "an approval for a rung that is not there": (
        policy(more="guards: {approval: {if: {runbook: retrain}, from: [oncall]}}\n"),
        '9:35 the ladder has no rung "retrain" | the question is never asked',
    ),
    "acting on missing data": (
        policy(more="on_no_data: breach\n"),
        (
            "9:13 missing data counts as a breach, and the ladder acts (rollback) | "
            "use hold or notify: silence of a sensor is no fault of the model"
        ),
    ),
    "retraining on broken data": (
        policy(ladder="ladder:\n  - {runbook: retrain}\n", more="causes: [upstream_fault, concept_drift]\n"),
        "8:5 this retrains on data that are known to be broken | add if: {cause: concept_drift}",
    ),
    "going back to an old world": (
        policy(more="causes: [concept_drift]\n"),
        "8:5 going back does not help when the world has changed | retrain instead",
    ),
    "acting without a pause": (
        policy(more="guards: {cooldown: 0s}\n"),
        "9:20 no cooldown and no limit on a policy that acts | add limit: {actions: 3, per: 24h}",
    ),
    "an input that nobody uses": (
        (
            "version: 1\nkind: runbook\nname: mine\ninputs: {who: text}\nsteps:\n"
            "  - {id: tell, action: notify, with: {to: oncall, text: hello}}\n"
        ),
        '4:10 the input "who" is never used | use it, or remove it',
    ),
    "a step on loose ground": (
        (
            "version: 1\nkind: runbook\nname: mine\nsteps:\n"
            "  - {id: a, action: registry.known_good, on_failure: continue}\n"
            '  - {id: b, action: traffic.shift, with: {version: "${{ steps.a.version }}"}}\n'
        ),
        '6:5 step "b" uses "a", which may have failed (on_failure: continue) | it would find no value then',
    ),
    "a switch that may fail": (
        "version: 1\nkind: runbook\nname: mine\nsteps:\n  - {id: a, action: traffic.restore, on_failure: continue}\n",
        "5:38 traffic.restore failed and the run goes on | leave on_failure out, so that it stops",
    ),
}


@pytest.mark.parametrize("case", CASES, ids=[c.replace(" ", "-") for c in CASES])
def test_a_doubt_is_told_with_its_place(case: str) -> None:
    text, wanted = CASES[case]
    found = load_bad("mine.yaml", text)
    assert [f"{p.line}:{p.column} {p.message} | {p.hint}" for p in found] == [wanted]
    assert {p.severity for p in found} == {"warning"}


def test_familiar_rules_are_told_with_what_they_cost() -> None:
    found = load_bad("mine.yaml", MODEL)
    assert {p.severity for p in found} == {"warning"}
    assert [(p.line, p.column) for p in found] == [(11, 9), (12, 9)]
    assert found[1].message == (
        "psi > 0.2 keeps no budget of false alarms; measured at psi > 0.2 on 50 rows: "
        "27.0% of healthy windows alarm, for each feature"
    )
    assert found[1].hint == "data_drift keeps one budget over all features, models and looks"


def test_a_fleet_without_models_is_not_told_that_nothing_matches() -> None:
    from autoheal.policy.load import load_config
    from tests.policy.world import KNOWN

    text = policy(match='match: {models: ["*"]}\n', ladder="ladder: [{runbook: r}]\n")
    book = (
        "version: 1\nkind: runbook\nname: r\nsteps: [{id: a, action: notify, with: {to: oncall, text: x}}]\n"
    )
    assert load_config({"p.yaml": text, "r.yaml": book}, KNOWN).warnings == ()
