"""One beat of one model: run its monitors on a view, keep their states apart, let none disturb another. Pure.

The daemon's rounds call ``evaluate`` off the event loop; ``dump_states`` and ``load_states`` carry the states over a
restart as JSON. A monitor that raises yields an ERROR finding of its own (subject ``monitor``) and keeps its state.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from autoheal.domain.finding import ITSELF, Finding
from autoheal.domain.names import Verdict
from autoheal.domain.specs import ModelSpec, MonitorSpec
from autoheal.monitors.budget import Budget
from autoheal.monitors.contract import finding
from autoheal.monitors.registry import monitor
from autoheal.monitors.view import View

States = Mapping[str, object]


def evaluate(
    spec: ModelSpec,
    states: States,
    view: View,
    now: datetime,
    kinds: Collection[str] | None = None,
    budgets: Mapping[str, Budget] | None = None,
) -> tuple[dict[str, object], tuple[Finding, ...]]:
    """The states after this beat and all findings; ``kinds`` are those due (all, when None), others keep still.
    ``budgets`` say what each kind may spend of the fleet's false alarms (all of it, where nothing is said)."""
    after = dict(states)
    findings: list[Finding] = []
    for part in spec.monitors:
        if kinds is None or part.kind in kinds:
            seen = replace(view, budget=(budgets or {}).get(part.kind, view.budget))
            state, found = _run(part, states.get(part.kind), seen, now)
            if state is not None:
                after[part.kind] = state
            findings += found
    return after, tuple(findings)


def _run(
    part: MonitorSpec, state: object | None, view: View, now: datetime
) -> tuple[object | None, tuple[Finding, ...]]:
    try:
        one = monitor(part.kind)
        options = one.Options.model_validate(dict(part.options))
        started = one.start() if state is None else state
        after, found = one.update(options, started, view, now)
    except Exception as error:  # noqa: BLE001 - a plug-in may raise anything; it becomes a finding that people see
        said = f"{type(error).__name__}: {str(error)[:300]}"
        return state, (finding(view, part.kind, ITSELF, now, Verdict.ERROR, detail=said),)
    return after, (*found, finding(view, part.kind, ITSELF, now, Verdict.OK))


def dump_states(states: States) -> dict[str, Any]:
    """The states as JSON-able data."""
    return {kind: _adapter(kind).dump_python(state, mode="json") for kind, state in states.items()}


def load_states(data: Mapping[str, Any]) -> dict[str, object]:
    """The states that still fit their monitors; others are left out, and those monitors start over."""
    states: dict[str, object] = {}
    for kind, raw in data.items():
        try:
            states[kind] = _adapter(kind).validate_python(raw)
        except (KeyError, ValidationError):
            continue
    return states


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(monitor(kind).State)
