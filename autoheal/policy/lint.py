"""Warnings about what is legal and probably not meant so. Pure; called by ``load`` after the references.

Nothing here refuses a configuration. Each warning is one function, so that the list reads as a catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

from pydantic import ValidationError

from autoheal.domain.durations import format_duration
from autoheal.domain.names import Cause, Mode, OnNoData, Severity
from autoheal.domain.specs import ModelSpec, PolicySpec, Rung, RungCondition
from autoheal.errors import Problem
from autoheal.policy.explain import warning
from autoheal.policy.known import Known
from autoheal.policy.references import Names
from autoheal.policy.yaml_source import Document, Path

Rule = Callable[[PolicySpec, Document, Names], Iterator[Problem]]
#: Actions that leave the outside world as it is.
_HARMLESS = ("notify", "wait")


def lint_policy(policy: PolicySpec, document: Document, names: Names) -> Iterator[Problem]:
    """All warnings about one policy."""
    for rule in RULES:
        yield from rule(policy, document, names)


def lint_model(model: ModelSpec, document: Document, known: Known, at: Path = ()) -> Iterator[Problem]:
    """What the options of its monitors warn of themselves, such as rules whose false alarms are known."""
    for monitor in model.monitors:
        options = known.monitors.get(monitor.kind)
        if options is None or not hasattr(options, "warnings"):
            continue
        try:
            checked: Any = options.model_validate(dict(monitor.options))
        except ValidationError:
            continue  # told as an error already
        for path, message, hint in checked.warnings():
            where = document.at(*at, "monitors", monitor.kind, *path)
            yield warning(where, message, hint)


def _never_holds(policy: PolicySpec, document: Document, _names: Names) -> Iterator[Problem]:
    """``unless`` takes back what ``when`` asks for."""
    for wanted in policy.when:
        for i, veto in enumerate(policy.unless):
            same = veto.alarm and wanted.alarm and fnmatchcase(wanted.alarm, veto.alarm)
            if (
                same
                and (veto.severity is Severity.WARNING or veto.severity is wanted.severity)
                and not veto.held
            ):
                where = document.at("unless", i)
                yield warning(
                    where,
                    f"`unless` excludes what `when` asks for: {wanted.alarm}",
                    "this policy never holds",
                )


def _dead_rungs(policy: PolicySpec, document: Document, _names: Names) -> Iterator[Problem]:
    for i, rung in enumerate(policy.ladder):
        if policy.causes and rung.when.cause and not set(rung.when.cause) & set(policy.causes):
            where = document.at("ladder", i, "if", "cause")
            hint = f"causes: {', '.join(policy.causes)}"
            yield warning(
                where, "the rung asks for a cause that the policy excludes, so it is never reached", hint
            )
        for j, earlier in enumerate(policy.ladder[:i]):
            if earlier.runbook == rung.runbook and earlier.inputs == rung.inputs and _covers(earlier, rung):
                message = f"rung {j + 1} tries {rung.runbook} already wherever this one would"
                yield warning(
                    document.at("ladder", i), message, "trying again what did not heal rarely heals"
                )
                break


def _covers(earlier: Rung, later: Rung) -> bool:
    """Whether ``earlier`` applies wherever ``later`` would."""
    a, b = earlier.when, later.when
    return a == RungCondition(position=a.position) or a == RungCondition(
        b.cause, b.known_good_exists, b.fallback_exists, b.pipeline_exists, b.fresh_labels, b.expr, a.position
    )


def _verify_too_short(policy: PolicySpec, document: Document, names: Names) -> Iterator[Problem]:
    verify = policy.verify
    within = format_duration(verify.within)
    if verify.within < verify.healthy_for:
        where = document.at("verify", "within" if document.has("verify", "within") else "healthy_for")
        hint = "make `within` the longer one"
        yield warning(where, f"healthy_for is longer than within ({within}): nothing is ever verified", hint)
    elif verify.matured_labels:
        late = [m for m in names.selected(policy.match) if m.label_lag >= verify.within]
        for model in late[:3]:
            lag = format_duration(model.label_lag)
            hint = "make `within` longer than the label lag, or drop matured_labels"
            message = f"labels of {model.name} come {lag} late, but verification ends after {within}"
            yield warning(document.at("verify"), message, hint)


def _nobody_to_ask(policy: PolicySpec, document: Document, _names: Names) -> Iterator[Problem]:
    rule = policy.guards.approval
    if rule is not None and not rule.ask:
        yield warning(
            document.at("guards", "approval"), "an approval without anybody to ask", "add from: [oncall]"
        )
    elif rule is None and policy.mode is Mode.ASK:
        where = document.at("mode")
        yield warning(where, "mode ask without anybody to ask", "add guards: {approval: {from: [oncall]}}")


def _acts_on_nothing(policy: PolicySpec, document: Document, names: Names) -> Iterator[Problem]:
    if policy.on_no_data is not OnNoData.BREACH:
        return
    acting = [rung.runbook for rung in policy.ladder if _acts(rung, names)]
    if acting:
        where = document.at("on_no_data")
        message = f"missing data counts as a breach, and the ladder acts ({acting[0]})"
        yield warning(where, message, "use hold or notify: silence of a sensor is no fault of the model")


def _acts(rung: Rung, names: Names) -> bool:
    runbook = names.runbooks.get(rung.runbook)
    return runbook is not None and any(step.action not in _HARMLESS for step in runbook.steps)


def _wrong_remedy(policy: PolicySpec, document: Document, names: Names) -> Iterator[Problem]:
    """Retraining on broken data is harmful; going back is useless when the world has changed."""
    for i, rung in enumerate(policy.ladder):
        causes = set(rung.when.cause) or set(policy.causes)
        if policy.causes and rung.when.cause:
            causes &= set(policy.causes)
        where = document.at("ladder", i)
        if Cause.UPSTREAM_FAULT in causes and _has(rung, "pipeline.train", names):
            yield warning(
                where, "this retrains on data that are known to be broken", "add if: {cause: concept_drift}"
            )
        if causes == {Cause.CONCEPT_DRIFT} and _has(rung, "registry.known_good", names):
            yield warning(where, "going back does not help when the world has changed", "retrain instead")


def _has(rung: Rung, action: str, names: Names) -> bool:
    runbook = names.runbooks.get(rung.runbook)
    return runbook is not None and any(step.action == action for step in runbook.steps)


def _restless(policy: PolicySpec, document: Document, names: Names) -> Iterator[Problem]:
    """Acting again and again without a pause between."""
    if policy.guards.cooldown > timedelta(0) or policy.guards.limit is not None:
        return
    if any(_acts(rung, names) for rung in policy.ladder):
        where = document.at("guards", "cooldown")
        yield warning(
            where, "no cooldown and no limit on a policy that acts", "add limit: {actions: 3, per: 24h}"
        )


RULES: tuple[Rule, ...] = (
    _never_holds,
    _dead_rungs,
    _verify_too_short,
    _nobody_to_ask,
    _acts_on_nothing,
    _wrong_remedy,
    _restless,
)
