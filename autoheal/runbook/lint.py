"""Warnings about a runbook that is legal and probably not meant so. Pure; called by ``loader``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from autoheal.domain.specs import RunbookSpec
from autoheal.errors import Problem
from autoheal.policy.explain import warning
from autoheal.policy.yaml_source import Document
from autoheal.runbook.template import references, step_references

#: Actions that change what serves: failing, they should never be passed over.
_SWITCHES = ("traffic.shift", "registry.set_champion", "traffic.restore", "traffic.fallback")


def lint_runbook(spec: RunbookSpec, document: Document) -> Iterator[Problem]:
    """All warnings about one runbook."""
    yield from _unused_inputs(spec, document)
    for index, step in enumerate(spec.steps):
        sources = references(step.params)
        needed = {s for source in sources for s, _ in step_references(source)}
        loose = [s.id for s in spec.steps if s.id in needed and s.on_failure == "continue"]
        if loose:
            yield warning(
                step.position,
                f'step "{step.id}" uses "{loose[0]}", which may have failed (on_failure: continue)',
                "it would find no value then",
            )
        if step.action in _SWITCHES and step.on_failure == "continue":
            where = document.key("steps", index, "on_failure")
            yield warning(
                where, f"{step.action} failed and the run goes on", "leave on_failure out, so that it stops"
            )


def _unused_inputs(spec: RunbookSpec, document: Document) -> Iterator[Problem]:
    text = "\n".join(source for step in spec.steps for source in references(step.params))
    for name in spec.inputs:
        if not re.search(rf"(?<![\w]){re.escape(name)}(?![\w])", text):
            where = document.key("inputs", name)
            yield warning(where, f'the input "{name}" is never used', "use it, or remove it")
