"""Checks of every ``${{ }}`` in a runbook at load: it parses, and every name in it has a value by then. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from autoheal.domain.reason import Position
from autoheal.errors import Problem
from autoheal.policy import expression
from autoheal.policy.explain import did_you_mean, problem
from autoheal.policy.known import Known
from autoheal.policy.vocabulary import TEMPLATE
from autoheal.policy.yaml_source import Document
from autoheal.runbook.schema import RunbookPart
from autoheal.runbook.template import Found, find, input_references, step_references

_SAMPLES: dict[str, object] = {
    "model": "fraud", "text": "words", "number": 1, "boolean": True, "version": "v1",
}  # fmt: skip


def check_placeholders(part: RunbookPart, index: int, document: Document, known: Known) -> Iterator[Problem]:
    """What is wrong with the placeholders of one step."""
    for found in find(part.steps[index].params):
        path = ("steps", index, "with", *found.path)
        if found.placeholder is None:
            yield problem(document.at(*path), "a ${{ is not closed", "close it with }}")
            continue
        yield from _expression(found, path, part, document)
        where = _place(found, path, document, 1, 1)
        yield from _steps(found.placeholder.source, where, part, index, known)
        yield from _inputs(found.placeholder.source, where, part)


def _expression(
    found: Found, path: tuple[str | int, ...], part: RunbookPart, document: Document
) -> Iterator[Problem]:
    assert found.placeholder is not None
    source = found.placeholder.source
    inputs = {name: _SAMPLES[kind] for name, kind in part.inputs.items()}
    names = frozenset({*TEMPLATE, *inputs})
    fault = expression.check(source, names, {**TEMPLATE, **inputs, "inputs": inputs}, boolean=False)
    # Steps and inputs are told apart below, with better words than "unknown name".
    if fault is None or fault.name in {n for pair in step_references(source) for n in pair}:
        return
    if fault.name in input_references(source):
        return
    known = f"known here: {', '.join(sorted(names))}"
    hint = did_you_mean(fault.name, names | expression.FUNCTIONS, known) if fault.name else ""
    yield problem(_place(found, path, document, fault.line, fault.column), fault.message, hint)


def _steps(source: str, where: Position, part: RunbookPart, index: int, known: Known) -> Iterator[Problem]:
    order = {step.id: i for i, step in reversed(list(enumerate(part.steps)))}
    for step_id, output in step_references(source):
        at = order.get(step_id)
        if at is None:
            yield problem(where, f'there is no step "{step_id}"', did_you_mean(step_id, order))
        elif at >= index:
            when = "itself" if at == index else "a later step"
            yield problem(
                where,
                f'step "{part.steps[index].id}" uses {when}: "{step_id}"',
                "only earlier steps have outputs",
            )
        else:
            action = known.actions.get(part.steps[at].action)
            given = action.outputs if action else None
            if given is not None and output and output not in given:
                yield problem(
                    where,
                    f'step "{step_id}" ({part.steps[at].action}) gives no "{output}"',
                    did_you_mean(output, given, "" if given else "it gives nothing"),
                )


def _inputs(source: str, where: Position, part: RunbookPart) -> Iterator[Problem]:
    for name in input_references(source):
        if name not in part.inputs:
            hint = did_you_mean(name, part.inputs, "declare it under `inputs`")
            yield problem(where, f'the runbook has no input "{name}"', hint)


def _place(found: Found, path: tuple[str | int, ...], document: Document, line: int, column: int) -> Position:
    """Where a character of the expression stands in the file."""
    assert found.placeholder is not None
    before = found.text[: found.placeholder.inner]
    first_line = before.count("\n") + 1
    indent = len(before) - (before.rfind("\n") + 1)
    return document.inside(path, first_line + line - 1, column + (indent if line == 1 else 0))
