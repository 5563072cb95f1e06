"""Texts of YAML become one good ``domain.specs.Config``, or every problem in them at once. Pure: files are read elsewhere.

Called by the daemon at start and reload, by ``autoheal check`` and by policy tests. All files are read and checked
before anything is refused, so that an operator sees all defects of all files in one go. A broken file still counts
as defining its name, lest one typo look like ten. Surprise: ``defaults`` are files that give way: one of the same
kind and name elsewhere replaces them, and their selectors may match nothing without a word.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from autoheal.domain.names import Mode, ModelName
from autoheal.domain.specs import Config, FleetGuards, ModelSpec, PolicySpec, RunbookSpec
from autoheal.errors import ConfigError, Problem
from autoheal.policy.explain import check, did_you_mean, problem
from autoheal.policy.guards_schema import FleetPart, fleet_guards
from autoheal.policy.known import Known
from autoheal.policy.lint import lint_model, lint_policy
from autoheal.policy.model_schema import ModelPart, model_spec
from autoheal.policy.policy_build import policy_spec
from autoheal.policy.policy_schema import PolicyPart
from autoheal.policy.references import Names, model_problems, policy_problems
from autoheal.policy.yaml_source import Document, read
from autoheal.runbook.loader import load_runbook

#: What this loader reads, and what it leaves to others (``autoheal test``, the daemon's and the gateway's settings).
KINDS = ("model", "policy", "runbook", "guards")
OTHER_KINDS = ("policy-test", "daemon", "gateway")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A good configuration and what is doubtful about it."""

    config: Config
    warnings: tuple[Problem, ...] = ()


@dataclass(slots=True)
class _Draft:
    """What was read so far, by file; problems of all severities."""

    models: dict[str, tuple[ModelSpec, Document]] = field(default_factory=dict)
    policies: dict[str, tuple[PolicySpec, Document]] = field(default_factory=dict)
    runbooks: dict[str, RunbookSpec] = field(default_factory=dict)
    guards: FleetGuards = field(default_factory=FleetGuards)
    problems: list[Problem] = field(default_factory=list)


def load_config(
    sources: Mapping[str, str],
    known: Known,
    *,
    defaults: frozenset[str] = frozenset(),
    mode: Mode = Mode.ACT,
) -> Loaded:
    """File name to text, into a configuration; ConfigError carries all problems, warnings too, in file order."""
    documents = {file: read(file, text) for file, text in sources.items()}
    draft = _Draft()
    kept = _without_replaced(documents, defaults)
    for document in kept.values():
        draft.problems += document.problems
        _read_one(document, known, draft)
    draft.problems += _doubles(kept)
    _cross_check(kept, known, defaults, draft)
    problems = tuple(sorted(dict.fromkeys(draft.problems), key=lambda p: (p.file, p.line, p.column)))
    if any(p.severity == "error" for p in problems):
        raise ConfigError(problems)
    return Loaded(_config(draft, kept, mode), problems)


def head(document: Document) -> tuple[str, str]:
    """The kind and name that a document claims, empty where it claims none."""
    if document.root is None:
        return "", ""
    kind, name = document.root.child("kind"), document.root.child("name")
    return str(kind.value) if kind else "", str(name.value) if name else ""


def _without_replaced(documents: Mapping[str, Document], defaults: frozenset[str]) -> dict[str, Document]:
    own = {head(d) for file, d in documents.items() if file not in defaults}
    guarded = any(kind == "guards" for kind, _ in own)
    return {
        file: d
        for file, d in documents.items()
        if file not in defaults or (head(d) not in own and not (guarded and head(d)[0] == "guards"))
    }


def _read_one(document: Document, known: Known, draft: _Draft) -> None:
    """One document by its kind, into the draft."""
    kind, name = head(document)
    if document.root is None or kind in OTHER_KINDS:
        return
    if kind == "model":
        model, found = check(document, ModelPart)
        if model is not None:
            draft.models[document.file] = (model_spec(model, document), document)
    elif kind == "policy":
        policy, found = check(document, PolicyPart)
        if policy is not None:
            draft.policies[document.file] = (policy_spec(policy, document), document)
    elif kind == "runbook":
        runbook, found = load_runbook(document, known)
        if runbook is not None:
            draft.runbooks[name] = runbook
    elif kind == "guards":
        guards, found = check(document, FleetPart)
        if guards is not None:
            draft.guards = fleet_guards(guards, document)
            found = (*found, *_strange_monitors(draft.guards, document, known))
    else:
        found = (_unknown_kind(document, kind),)
    said = {(p.line, p.column) for p in document.problems}
    draft.problems += [p for p in found if (p.line, p.column) not in said]


def _strange_monitors(guards: FleetGuards, document: Document, known: Known) -> Iterator[Problem]:
    """Budgets for monitors that do not exist."""
    for kind in guards.false_alarms.monitors:
        if kind not in known.monitors:
            where = document.at("false_alarms", "monitors", kind)
            yield problem(where, f'there is no monitor "{kind}"', did_you_mean(kind, known.monitors))


def _unknown_kind(document: Document, kind: str) -> Problem:
    if not kind:
        return problem(document.at(), 'the key "kind" is missing', f"one of {', '.join(KINDS)}")
    return problem(document.at("kind"), f'there is no kind "{kind}"', did_you_mean(kind, KINDS))


def _doubles(documents: Mapping[str, Document]) -> Iterator[Problem]:
    """Two documents of one kind and name; two of kind guards."""
    seen: dict[tuple[str, str], Document] = {}
    for document in documents.values():
        kind, name = head(document)
        key = (kind, "" if kind == "guards" else name)
        if kind not in KINDS or (kind != "guards" and not name):
            continue
        first = seen.setdefault(key, document)
        if first is document:
            continue
        said = "a second document of kind guards" if kind == "guards" else f'a second {kind} named "{name}"'
        yield problem(document.at("name"), said, f"the first is in {first.file}:{first.at('name').line}")


def _cross_check(kept: Mapping[str, Document], known: Known, defaults: frozenset[str], draft: _Draft) -> None:
    """References between documents, then warnings."""
    heads = [head(d) for d in kept.values()]
    names = Names(
        models=tuple(spec for spec, _ in draft.models.values()),
        model_names=frozenset(n for kind, n in heads if kind == "model"),
        runbooks=draft.runbooks,
        runbook_names=frozenset(n for kind, n in heads if kind == "runbook"),
        known=known,
    )
    for model, document in draft.models.values():
        draft.problems += model_problems(model, document, known)
        draft.problems += lint_model(model, document, known)
    for policy, document in draft.policies.values():
        draft.problems += policy_problems(policy, document, names, generic=document.file in defaults)
        draft.problems += lint_policy(policy, document, names)


def _config(draft: _Draft, kept: Mapping[str, Document], mode: Mode) -> Config:
    digest = hashlib.sha256()
    for file in sorted(kept):
        if head(kept[file])[0] in KINDS:
            digest.update(f"{file}\0{kept[file].text}\0".encode())
    return Config(
        digest=digest.hexdigest(),
        mode=mode,
        models={ModelName(spec.name): spec for spec, _ in draft.models.values()},
        policies=tuple(spec for spec, _ in draft.policies.values()),
        runbooks=dict(draft.runbooks),
        guards=draft.guards,
    )
