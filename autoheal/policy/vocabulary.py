"""The names that expressions may use, with a sample of each for the check at load. Pure.

The engine builds the real context of ``expr:`` with ``condition_context`` in mind: whoever adds a name there adds it
here and in ``docs/policies.md``. Templates (``${{ }}``) have names of their own.
"""

from __future__ import annotations

from collections.abc import Mapping

_FINDING: dict[str, object] = {
    "value": 0.5,
    "reference": 0.5,
    "effect": 0.5,
    "evidence": 0.5,
    "n": 500,
    "age": 1.5,
    "verdict": "breach",
    "severity": "warning",
}


#: A value of each name that ``expr:`` in a policy may use.
CONDITION: Mapping[str, object] = {
    "target": "fraud",
    "model": "fraud",
    "models": ["fraud"],
    "label": {},
    "health": "degrading",
    "cause": "bad_release",
    "causes": ["bad_release"],
    "severity": "critical",
    "alarms": ["performance/accuracy"],
    "findings": {},
    "attempts": 0,
    "facts": {
        "champion": "v2",
        "known_good": "v1",
        "fallback": "rules",
        "on_fallback": False,
        "fresh_labels": 2000,
        "matured_labels": 500,
    },
}
#: A value of each name that ``${{ }}`` in a runbook may use; ``inputs`` and ``steps`` are filled by its loader.
TEMPLATE: Mapping[str, object] = {
    "model": "fraud",
    "reason": "performance/accuracy is critical",
    "incident": {"id": "I1", "target": "fraud", "cause": "bad_release", "severity": "critical"},
    "inputs": {},
    "steps": {},
}


def condition_sample(paths: tuple[str, ...], labels: tuple[str, ...]) -> dict[str, object]:
    """``CONDITION`` with the monitor paths and labels that an expression mentions filled in."""
    return {
        **CONDITION,
        "findings": dict.fromkeys(paths, _FINDING),
        "label": dict.fromkeys(labels, "standard"),
    }
