"""Every name in a policy or model is looked up at load: an exact name that does not exist is an error. Pure.

Called by ``load`` once all documents are read. A pattern that matches nothing is only a warning, for the model may
come later; it then matches nothing, never everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from autoheal.domain.reason import Position
from autoheal.domain.specs import Condition, ModelSpec, PolicySpec, RunbookSpec, Rung, Selector
from autoheal.errors import Problem
from autoheal.policy.explain import check_options, did_you_mean, problem, warning
from autoheal.policy.expressions_at import check_condition
from autoheal.policy.known import Known
from autoheal.policy.model_schema import monitor_position
from autoheal.policy.slices_schema import slice_problems
from autoheal.policy.vocabulary import GIVEN
from autoheal.policy.yaml_source import Document, Path

_TARGETS = ("upstream:", "source:")
_TYPES: Mapping[str, tuple[type, ...]] = {
    "model": (str,), "text": (str,), "version": (str,), "number": (int, float), "boolean": (bool,),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Names:
    """What there is to refer to. ``*_names`` also hold the names of documents that are broken themselves."""

    models: tuple[ModelSpec, ...]
    model_names: frozenset[str]
    runbooks: Mapping[str, RunbookSpec]
    runbook_names: frozenset[str]
    known: Known

    def selected(self, match: Selector) -> tuple[ModelSpec, ...]:
        """The models that a selector matches."""
        return tuple(
            m
            for m in self.models
            if any(fnmatchcase(m.name, glob) for glob in match.models)
            and all(m.labels.get(label) in values for label, values in match.labels.items())
        )


def is_pattern(text: str) -> bool:
    return any(c in text for c in "*?[")


def model_problems(model: ModelSpec, document: Document, known: Known, at: Path = ()) -> Iterator[Problem]:
    """Monitors with their options, slices, and the pipeline; ``at`` is where the model stands in the document."""
    for monitor in model.monitors:
        where = monitor_position(document, monitor.kind, at)
        if monitor.kind not in known.monitors:
            yield problem(
                where, f'there is no monitor "{monitor.kind}"', did_you_mean(monitor.kind, known.monitors)
            )
            continue
        options = known.monitors[monitor.kind]
        if options is not None:
            yield from check_options(document, options, monitor.options, (*at, "monitors", monitor.kind))
    yield from slice_problems(model, document, at)
    if model.pipeline and known.pipelines is not None and model.pipeline not in known.pipelines:
        hint = did_you_mean(
            model.pipeline, known.pipelines, "" if known.pipelines else "no pipeline is configured"
        )
        yield problem(document.at(*at, "pipeline"), f'there is no pipeline "{model.pipeline}"', hint)


def policy_problems(
    policy: PolicySpec, document: Document, names: Names, *, generic: bool
) -> Iterator[Problem]:
    """All references of one policy; ``generic`` ones may match nothing without a word."""
    yield from _exact_models(policy, document, names)
    yield from _targets(policy, document, names, generic=generic)
    if names.model_names and not generic:
        yield from _matches_nothing(policy, document, names)
    watched = names.selected(policy.match) or (names.models if policy.match.targets else ())
    monitors = (
        frozenset(m.kind for model in watched for m in model.monitors) if watched and not generic else None
    )
    for key, conditions in (("when", policy.when), ("unless", policy.unless)):
        for i, condition in enumerate(conditions):
            if condition.expr:
                yield from check_condition(condition.expr, (key, i, "expr"), document)
            yield from _monitor(condition, document.at(key, i, _word(condition)), names.known, monitors)
    for i, rung in enumerate(policy.ladder):
        yield from _rung(rung, i, document, names)
    yield from _approval(policy, document, names)


def _exact_models(policy: PolicySpec, document: Document, names: Names) -> Iterator[Problem]:
    for i, name in enumerate(policy.match.models):
        if not is_pattern(name) and name not in names.model_names:
            where = document.at("match", "models", i)
            yield problem(where, f'there is no model "{name}"', did_you_mean(name, names.model_names))


def _targets(policy: PolicySpec, document: Document, names: Names, *, generic: bool) -> Iterator[Problem]:
    upstreams = {f"upstream:{u}" for m in names.models for u in m.upstreams}
    for i, target in enumerate(policy.match.targets):
        where = document.at("match", "targets", i)
        if not target.startswith((*_TARGETS, "*")):
            yield problem(
                where,
                f'"{target}" is no target',
                "write upstream:NAME or source:NAME; models go under `models`",
            )
        elif target.startswith("upstream:") and not any(fnmatchcase(u, target) for u in upstreams):
            feed = target.removeprefix("upstream:")
            hint = did_you_mean(target, upstreams, "features name theirs with `upstream:`")
            if not is_pattern(target):
                yield problem(where, f'no model has a feature from upstream "{feed}"', hint)
            elif names.model_names and not generic:
                yield warning(where, f'"{target}" matches no upstream', hint)


def _matches_nothing(policy: PolicySpec, document: Document, names: Names) -> Iterator[Problem]:
    match = policy.match
    where = document.at("match")
    if not match.models and not match.targets:
        yield warning(
            where, "the selector names no model and no target, so it selects nothing", 'add models: ["*"]'
        )
        return
    matched = [name for name in names.model_names if any(fnmatchcase(name, glob) for glob in match.models)]
    for i, glob in enumerate(match.models):
        if is_pattern(glob) and not any(fnmatchcase(name, glob) for name in names.model_names):
            hint = did_you_mean(glob, names.model_names)
            yield warning(document.at("match", "models", i), f'"{glob}" matches no model', hint)
    if matched and match.labels and not names.selected(match):
        labels = ", ".join(f"{label} in {list(values)}" for label, values in match.labels.items())
        yield warning(where, f"the selector matches no model ({labels})", "look at the labels of the models")


def _word(condition: Condition) -> str:
    return "alarm" if condition.alarm else "finding"


def _monitor(
    condition: Condition, where: Position, known: Known, monitors: frozenset[str] | None
) -> Iterator[Problem]:
    """The monitor that an alarm or finding pattern names; ``monitors`` are those of the selected models."""
    kind = (condition.alarm or condition.finding).split("/", 1)[0]
    if not kind:
        return
    if not is_pattern(kind) and kind not in known.monitors:
        yield problem(where, f'there is no monitor "{kind}"', did_you_mean(kind, known.monitors))
    elif monitors is not None and not any(fnmatchcase(m, kind) for m in monitors):
        yield warning(
            where, f'no model of this policy has a monitor "{kind}"', "add it to the model, or drop the line"
        )


def _rung(rung: Rung, index: int, document: Document, names: Names) -> Iterator[Problem]:
    if rung.when.expr:
        yield from check_condition(rung.when.expr, ("ladder", index, "if", "expr"), document)
    for key, name in (("runbook", rung.runbook), ("on_recovery", rung.on_recovery)):
        if name and name not in names.runbook_names:
            where = document.at("ladder", index, key)
            yield problem(where, f'there is no runbook "{name}"', did_you_mean(name, names.runbook_names))
    for runbook in (names.runbooks.get(rung.runbook), names.runbooks.get(rung.on_recovery)):
        if runbook is not None:
            yield from _rung_inputs(rung, runbook, index, document)


def _rung_inputs(rung: Rung, runbook: RunbookSpec, index: int, document: Document) -> Iterator[Problem]:
    main = runbook.name == rung.runbook
    for name, value in rung.inputs.items():
        kind = runbook.inputs.get(name)
        if kind is None and main:
            where = document.key("ladder", index, "inputs", name)
            hint = did_you_mean(name, runbook.inputs, "it takes none")
            yield problem(where, f'the runbook {runbook.name} has no input "{name}"', hint)
        elif kind is not None and (
            not isinstance(value, _TYPES[kind]) or (kind == "number" and isinstance(value, bool))
        ):
            where = document.at("ladder", index, "inputs", name)
            yield problem(where, f'the input "{name}" of {runbook.name} is a {kind}')
    for name in runbook.inputs:
        if name not in GIVEN and name not in rung.inputs:
            hint = f"add inputs: {{{name}: ...}} to the rung"
            yield problem(
                document.at("ladder", index), f'the runbook {runbook.name} needs the input "{name}"', hint
            )


def _approval(policy: PolicySpec, document: Document, names: Names) -> Iterator[Problem]:
    rule = policy.guards.approval
    used = {rung.runbook for rung in policy.ladder}
    for name in rule.runbooks if rule else ():
        where = document.at("guards", "approval", "if", "runbook")
        if name not in names.runbook_names:
            yield problem(where, f'there is no runbook "{name}"', did_you_mean(name, names.runbook_names))
        elif name not in used:
            yield warning(where, f'the ladder has no rung "{name}"', "the question is never asked")
