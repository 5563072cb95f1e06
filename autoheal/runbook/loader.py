"""A runbook's document becomes ``domain.specs.RunbookSpec``, with every reference in it resolved. Pure.

Called by ``policy.load``. Refused: actions that do not exist, inputs that an action does not take or lacks,
placeholders that are no CEL or name what is not there, ``steps.X.out`` of a step that is not earlier. Surprise: where
an action needs ``model`` and the step gives none, ``${{ model }}`` is filled in here, so that the run shows it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from autoheal.domain.specs import Retry, RunbookSpec, StepSpec
from autoheal.errors import Problem
from autoheal.policy.explain import check, did_you_mean, problem
from autoheal.policy.known import ActionInputs, Known
from autoheal.policy.yaml_source import Document
from autoheal.runbook.lint import lint_runbook
from autoheal.runbook.placeholders import check_placeholders
from autoheal.runbook.schema import RunbookPart, StepPart
from autoheal.runbook.template import references


def load_runbook(document: Document, known: Known) -> tuple[RunbookSpec | None, tuple[Problem, ...]]:
    """The runbook, or None; and what is wrong or doubtful about it."""
    part, problems = check(document, RunbookPart)
    if part is None:
        return None, problems
    found = tuple(
        chain(
            _step_ids(part, document),
            *(_step_problems(part, i, document, known) for i in range(len(part.steps))),
        )
    )
    if any(p.severity == "error" for p in found):
        return None, found
    spec = _spec(part, document, known)
    return spec, found + tuple(lint_runbook(spec, document))


def _spec(part: RunbookPart, document: Document, known: Known) -> RunbookSpec:
    return RunbookSpec(
        name=part.name,
        steps=tuple(_step(step, i, document, known) for i, step in enumerate(part.steps)),
        inputs=dict(part.inputs),
        cost=dict(part.cost),
        digest=hashlib.sha256(document.text.encode()).hexdigest(),
        position=document.at(),
    )


def _step(part: StepPart, index: int, document: Document, known: Known) -> StepSpec:
    action = known.actions.get(part.action, ActionInputs())
    implied = {"model": "${{ model }}"} if "model" in action.required and "model" not in part.params else {}
    return StepSpec(
        id=part.id,
        action=part.action,
        params={**implied, **part.params},
        timeout=part.timeout,
        retry=Retry(part.retry.attempts, part.retry.backoff),
        on_failure=part.on_failure,
        position=document.at("steps", index),
    )


def _step_ids(part: RunbookPart, document: Document) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for i, step in enumerate(part.steps):
        if step.id in seen:
            where = document.at("steps", i, "id")
            yield problem(where, f'the step id "{step.id}" stands twice', "each step has a name of its own")
        seen.setdefault(step.id, i)


def _step_problems(part: RunbookPart, index: int, document: Document, known: Known) -> Iterator[Problem]:
    step = part.steps[index]
    action = known.actions.get(step.action)
    if action is None:
        where = document.at("steps", index, "action")
        yield problem(where, f'there is no action "{step.action}"', did_you_mean(step.action, known.actions))
    else:
        yield from _input_problems(step, index, action, document)
        yield from _notifier(step, index, document, known)
    yield from check_placeholders(part, index, document, known)


def _input_problems(
    step: StepPart, index: int, action: ActionInputs, document: Document
) -> Iterator[Problem]:
    for name in step.params:
        if name not in action.names:
            where = document.key("steps", index, "with", name)
            yield problem(
                where, f'the action {step.action} takes no "{name}"', did_you_mean(name, action.names)
            )
    for name in sorted(action.required - set(step.params) - {"model"}):
        where = document.key("steps", index, "with" if document.has("steps", index, "with") else "action")
        yield problem(where, f'the action {step.action} needs "{name}"', f"add {name} under `with`")
    if action.model is not None:
        yield from _literals(step, index, action.model, document)


def _literals(step: StepPart, index: int, model: Any, document: Document) -> Iterator[Problem]:
    """Values without placeholders are checked against the action's own schema now, not at three in the night."""
    fields: Mapping[str, Any] = {f.alias or key: f for key, f in model.model_fields.items()}
    for name, value in step.params.items():
        field = fields.get(name)
        if field is None or references(value):
            continue
        annotation: Any = field.annotation
        for rule in field.metadata:
            annotation = Annotated[annotation, rule]
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        try:
            adapter.validate_python(value)
        except ValidationError as error:
            said = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            yield problem(document.at("steps", index, "with", name), f"{step.action} refuses {name}: {said}")


def _notifier(step: StepPart, index: int, document: Document, known: Known) -> Iterator[Problem]:
    to = step.params.get("to")
    if step.action != "notify" or known.notifiers is None or not isinstance(to, str) or references(to):
        return
    if to not in known.notifiers:
        where = document.at("steps", index, "with", "to")
        yield problem(where, f'there is no notifier "{to}"', did_you_mean(to, known.notifiers))
