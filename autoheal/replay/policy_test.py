"""Plays a ``*.test.yaml`` through the engine on a virtual clock and says which expectations failed. Pure.

What stands in the file comes from outside: findings, releases, facts, people, and how each action ends. When a run
makes a version champion, the player lets the world see it, as the daemon's watch would. Called by ``autoheal test``
and by the project's own tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from autoheal.domain import events as ev
from autoheal.domain.events import Event
from autoheal.domain.names import ModelName, Version
from autoheal.domain.reason import Position, Reason
from autoheal.domain.records import Decision, Facts, Incident, Pause, Run
from autoheal.domain.specs import Config
from autoheal.domain.world import World
from autoheal.engine.due import DueStep
from autoheal.policy.testfile import Answer, Expectation, PolicyTest, RunExpected
from autoheal.replay.simulate import Outcome, Person, Script, simulate

#: The first version of each model counts as having served since long before the test.
LONG_AGO = timedelta(days=90)
Facts_ = list[tuple[datetime, Event | Person]]


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that did not hold: where it is written, and what was found instead."""

    position: Position
    after: timedelta
    message: str

    def __str__(self) -> str:
        return f"{self.position}:{self.position.column}: at {self.after}: {self.message}"


def play(test: PolicyTest, config: Config) -> tuple[Failure, ...]:
    """Failures in the order of the file. ``config`` brings policies and runbooks; the models are the test's own."""
    script = Script(tuple(_facts(test, _configured(test, config))), _actions(test))
    failures: list[Failure] = []
    for expected in test.expect:
        world = simulate(script, expected.at).world
        after = expected.at - test.start
        failures += [
            Failure(expected.position, after, said) for said in _disappointments(test, expected, world)
        ]
    return tuple(failures)


def _configured(test: PolicyTest, config: Config) -> Config:
    policies = tuple(p for p in config.policies if not test.policies or p.name in test.policies)
    return replace(config, models={m.name: m for m in test.models}, policies=policies, mode=test.mode)


def _facts(test: PolicyTest, config: Config) -> Facts_:
    facts: Facts_ = [(test.start, ev.DaemonStarted("test")), (test.start, ev.ConfigApplied(config))]
    facts += _releases(test)
    facts += _changes(test)
    facts += [(f.at, ev.FindingObserved(f)) for f in test.findings]
    for pause in test.pauses:
        held = Pause(pause.scope, pause.by, pause.reason, pause.at, pause.until)
        facts.append((pause.at, ev.PauseSet(held)))
        if pause.until is not None:
            facts.append((pause.until, ev.PauseLifted(pause.scope, pause.by)))
    facts += [(a.at, _person(a)) for a in test.answers]
    return sorted(facts, key=lambda fact: fact[0])


def _releases(test: PolicyTest) -> Iterator[tuple[datetime, Event]]:
    champions: dict[ModelName, Version] = {}
    for release in test.releases:
        before = champions.get(release.model, Version(""))
        since = release.at if before else release.at - LONG_AGO
        champions[release.model] = release.version
        yield release.at, ev.ChampionObserved(release.model, release.version, before, since, "ci")


def _changes(test: PolicyTest) -> Iterator[tuple[datetime, Event]]:
    known = {m.name: Facts(test.start) for m in test.models}
    for change in test.facts:
        known[change.model] = replace(known[change.model], at=change.at, **change.values)  # type: ignore[arg-type]
        yield change.at, ev.FactsObserved(change.model, known[change.model])


def _person(answer: Answer) -> Person:
    """Answers whatever is open then."""

    def say(world: World) -> tuple[Event, ...]:
        return tuple(
            ev.ApprovalAnswered(a.id, answer.answer, a.plan_hash, answer.by, answer.note)
            for a in world.approvals.values()
            if a.state == "open" and (not answer.runbook or a.runbook == answer.runbook)
        )

    return say


def _actions(test: PolicyTest) -> dict[str, tuple[Outcome, ...]]:
    """As written; a champion that a run moves is seen to move."""
    written = {
        name: tuple(Outcome(e.takes, e.outputs, e.error, e.retryable) for e in endings)
        for name, endings in test.actions.items()
    }
    pinned = written.get("registry.set_champion", (Outcome(),))
    return {**written, "registry.set_champion": tuple(replace(o, effect=_promoted) for o in pinned)}


def _promoted(world: World, due: DueStep, end: datetime) -> tuple[Event, ...]:
    version, model = Version(str(due.params.get("version", ""))), due.run.model
    before = world.models[model].champion if model in world.models else Version("")
    if not version or version == before:
        return ()
    return (ev.ChampionObserved(model, version, before, end, str(due.run.id)),)


# --- comparing ---------------------------------------------------------------------------------------------------


def _disappointments(test: PolicyTest, expected: Expectation, world: World) -> Iterator[str]:
    incidents = [i for i in world.incidents.values() if not expected.target or i.target == expected.target]
    newest = incidents[-1] if incidents else None
    if expected.no_incident and newest is not None:
        yield f"no incident was expected, found {newest.id} on {newest.target}: {newest.state}, {newest.cause}"
    if expected.incident is not None:
        yield from _incident(expected, newest)
    if expected.run is not None and not _like(world, expected.run):
        ran = ", ".join(f"{r.runbook.name} on {r.model} {r.state}" for r in world.runs.values()) or "none"
        yield f"no such run; there are: {ran}"
    if expected.no_run is not None and (found := _like(world, expected.no_run)):
        yield f"{found[0].id} {found[0].runbook.name} on {found[0].model} was not to run"
    yield from _decision(expected, world, newest)
    if expected.health is not None:
        name = ModelName(expected.target or test.models[0].name)
        health = world.models[name].health
        if health is not expected.health:
            yield f"health is {health}, not {expected.health}"


def _incident(expected: Expectation, newest: Incident | None) -> Iterator[str]:
    asked = expected.incident
    if asked is None:
        return
    if newest is None:
        yield "an incident was expected, there is none"
        return
    for name in ("state", "cause", "severity", "verified"):
        wanted, found = getattr(asked, name), getattr(newest, name)
        if wanted is not None and wanted != found:
            yield f"{newest.id}: {name} is {found}, not {wanted} ({newest.outcome or 'no outcome yet'})"
    if asked.models is not None and set(asked.models) != set(newest.models):
        yield f"{newest.id}: its models are {', '.join(newest.models)}"
    if asked.outcome not in newest.outcome:
        yield f"{newest.id}: its outcome is {newest.outcome!r}"


def _like(world: World, asked: RunExpected) -> list[Run]:
    return [
        r
        for r in world.runs.values()
        if (not asked.runbook or r.runbook.name == asked.runbook)
        and (not asked.policy or r.policy == asked.policy)
        and (not asked.model or r.model == asked.model)
        and (asked.state is None or r.state is asked.state)
    ]


def _decision(expected: Expectation, world: World, newest: Incident | None) -> Iterator[str]:
    if not (expected.policy or expected.rung is not None or expected.decision or expected.suppressed_by):
        return
    decision = world.decisions.get(newest.decision) if newest and newest.decision else None
    if decision is None:
        yield "a decision was expected, there is none"
        return
    for name, wanted, found in (
        ("policy", expected.policy or None, decision.policy),
        ("rung", expected.rung, decision.rung),
        ("decision", expected.decision or None, decision.verdict),
    ):
        if wanted is not None and wanted != found:
            yield f"{decision.id}: {name} is {found!r}, not {wanted!r}"
    if expected.suppressed_by and not _stopped_by(decision, expected.suppressed_by):
        yield f"{decision.id} was not stopped by {expected.suppressed_by!r}"


def _stopped_by(decision: Decision, what: str) -> bool:
    def speaks(node: Reason) -> bool:
        mine = node.holds is not True and (what in node.label or what in node.detail)
        return mine or any(speaks(child) for child in node.children)

    return speaks(decision.reason)
