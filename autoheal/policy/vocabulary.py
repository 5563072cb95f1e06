"""The names that expressions may use, with a sample of each for the check at load. Pure.

The real contexts are built by ``engine.conditions.context`` and ``engine.runs.params``: whoever adds a name there
adds it here and in ``docs/``; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping

_FINDING: dict[str, object] = {"value": 0.5, "effect": 0.5, "n": 500, "verdict": "breach"}
#: A value of each name that ``expr:`` in a policy may use.
CONDITION: Mapping[str, object] = {
    "model": "fraud",
    "target": "fraud",
    "cause": "bad_release",
    "severity": "critical",
    "health": "degrading",
    "labels": {},
    "attempts": 0,
    "findings": {},
    "facts": {"fresh_labels": 2000, "matured_labels": 500, "known_good": "v1", "on_fallback": False},
}
#: A value of each name that ``${{ }}`` in a runbook may use; the runbook's own inputs come on top, as bare names and
#: under ``inputs``. ``cause`` and ``since`` are there only when an incident started the run.
TEMPLATE: Mapping[str, object] = {
    "model": "fraud",
    "reason": "INC-0001 fraud: bad_release (performance/accuracy)",
    "incident": "INC-0001",
    "cause": "bad_release",
    "since": "2026-01-05T00:00:00+00:00",
    "run": "R-0001",
    "inputs": {},
    "steps": {},
}
#: Inputs that autoheal gives to every run that an incident starts.
GIVEN = frozenset({"model", "reason", "incident", "cause", "since"})


def condition_sample(paths: tuple[str, ...], labels: tuple[str, ...]) -> dict[str, object]:
    """``CONDITION`` with the monitor paths and labels that an expression mentions filled in."""
    return {
        **CONDITION,
        "findings": dict.fromkeys(paths, _FINDING),
        "labels": dict.fromkeys(labels, "standard"),
    }
