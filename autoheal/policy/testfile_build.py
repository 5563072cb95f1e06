"""The text of a ``*.test.yaml`` becomes a ``PolicyTest``, or problems with their places. Pure.

``parse_test`` is what the runner calls, ``read_test`` what ``autoheal check`` calls. Names of models and monitors are
looked up in the file itself; policies and runbooks are the runner's, which knows the configuration.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from autoheal.domain.finding import Finding
from autoheal.domain.names import ModelName, Severity, Target, Verdict, Version, is_model
from autoheal.domain.specs import Bound
from autoheal.errors import ConfigError, Problem
from autoheal.policy.explain import check, did_you_mean, problem
from autoheal.policy.known import Known
from autoheal.policy.model_schema import model_spec
from autoheal.policy.references import model_problems
from autoheal.policy.series import Beat, NotationError, expand
from autoheal.policy.testfile import (
    Answer,
    Ending,
    Expectation,
    FactChange,
    IncidentExpected,
    PauseScript,
    PolicyTest,
    Release,
    RunExpected,
)
from autoheal.policy.testfile_schema import ExpectPart, FactsPart, PolicyTestPart, RunPart, SeriesPart
from autoheal.policy.yaml_source import Document, Path, read

_COUNTS = ("fresh_labels", "matured_labels")
_VERDICTS = {
    "stale": Verdict.NO_DATA,
    "pending": Verdict.NOT_YET,
    "error": Verdict.ERROR,
    "ok": Verdict.OK,
    "warning": Verdict.BREACH,
    "critical": Verdict.BREACH,
}


def parse_test(file: str, text: str, known: Known) -> PolicyTest:
    """The test in a file; ConfigError with all its problems."""
    test, problems = read_test(read(file, text), known)
    if test is None:
        raise ConfigError(problems)
    return test


def read_test(document: Document, known: Known) -> tuple[PolicyTest | None, tuple[Problem, ...]]:
    """The test, or None and why."""
    part, problems = check(document, PolicyTestPart)
    said = {(p.line, p.column) for p in document.problems}
    if part is None:
        return None, (*document.problems, *(p for p in problems if (p.line, p.column) not in said))
    builder = _Builder(part, document, known)
    test = builder.build()
    found = (*document.problems, *builder.problems)
    return (None, found) if any(p.severity == "error" for p in found) else (test, found)


class _Builder:
    """Turns the parts of one file into dataclasses and collects problems on the way."""

    def __init__(self, part: PolicyTestPart, document: Document, known: Known) -> None:
        self.part, self.document = part, document
        self.problems: list[Problem] = []
        known = replace(known, pipelines=None)  # nothing is trained here, so any name will do
        self.models = tuple(model_spec(m, document, ("models", i)) for i, m in enumerate(part.models))
        self.names = [m.name for m in self.models]
        for i, model in enumerate(self.models):
            self.problems += model_problems(model, document, known, ("models", i))
            if model.name in self.names[:i]:
                self.problem(("models", i, "name"), f'a second model named "{model.name}"')

    def problem(self, path: Path, message: str, hint: str = "") -> None:
        self.problems.append(problem(self.document.at(*path), message, hint))

    def when(self, offset: timedelta) -> datetime:
        return self.part.start + offset

    def model(self, name: str, path: Path) -> ModelName:
        """The model that is named, or the only one."""
        if name in self.names:
            return ModelName(name)
        if name:
            self.problem((*path, "model"), f'there is no model "{name}"', did_you_mean(name, self.names))
        elif len(self.names) > 1:
            self.problem(path, "which model? there are several", f"add model: {self.names[0]}")
        return self.names[0]

    def build(self) -> PolicyTest:
        part = self.part
        return PolicyTest(
            name=part.name,
            file=self.document.file,
            start=part.start,
            models=self.models,
            expect=tuple(
                sorted((self.expectation(e, i) for i, e in enumerate(part.expect)), key=lambda e: e.at)
            ),
            mode=part.mode,
            policies=tuple(part.policies),
            releases=tuple(sorted(self.releases(), key=lambda r: r.at)),
            facts=tuple(sorted(self.facts(), key=lambda f: f.at)),
            findings=tuple(sorted(self.findings(), key=lambda f: (f.at, f.key))),
            actions={
                name: tuple(Ending(e.outputs, e.fail, e.retryable, e.takes) for e in endings)
                for name, endings in part.actions.items()
            },
            answers=tuple(Answer(self.when(a.at), a.answer, a.by, a.note, a.runbook) for a in part.answers),
            pauses=tuple(
                PauseScript(
                    self.when(p.at), p.scope, p.by, p.reason, None if p.until is None else self.when(p.until)
                )
                for p in part.pauses
            ),
            position=self.document.at(),
        )

    def releases(self) -> Iterator[Release]:
        for i, r in enumerate(self.part.releases):
            path: Path = ("releases", i)
            yield Release(
                self.when(r.at), self.model(r.model, path), Version(r.version), self.document.at(*path)
            )

    def facts(self) -> Iterator[FactChange]:
        for i, part in enumerate(self.part.facts):
            path: Path = ("facts", i)
            yield from self.fact_changes(part, self.model(part.model, path), path)

    def fact_changes(self, part: FactsPart, model: ModelName, path: Path) -> Iterator[FactChange]:
        where = self.document.at(*path)
        named = ("known_good", "fallback", "on_fallback")
        plain = {key: value for key in named if (value := getattr(part, key)) is not None}
        if plain:
            yield FactChange(self.when(part.at), model, plain, where)
        for key in _COUNTS:
            text = getattr(part, key)
            beats = self.expanded(text, (*path, key)) if text is not None else ()
            if len(beats) > 1 and part.every is None:
                self.problem((*path, key), "a series of values needs `every`", "add every: 1h")
            for n, beat in enumerate(beats):
                if beat.word and beat.word != "_":
                    self.problem((*path, key), f"a number of labels cannot be {beat.word}")
                if beat.value is not None:
                    at = self.when(part.at + n * (part.every or timedelta(0)))
                    yield FactChange(at, model, {key: int(beat.value)}, where)

    def expanded(self, text: str, path: Path) -> tuple[Beat, ...]:
        try:
            return expand(text)
        except NotationError as error:
            where = self.document.inside(path, 1, error.column)
            self.problems.append(problem(where, str(error)))
            return ()

    def findings(self) -> Iterator[Finding]:
        for monitor_path, several in self.part.series.items():
            node = self.document.node(("series", monitor_path))
            listed = node is not None and isinstance(node.value, list)
            for i, part in enumerate(several):
                path: Path = ("series", monitor_path, i) if listed else ("series", monitor_path)
                yield from self.series(part, monitor_path, path)

    def series(self, part: SeriesPart, monitor_path: str, path: Path) -> Iterator[Finding]:
        target = self.target(part.target, path)
        monitor = monitor_path.split("/", 1)[0]
        spec = next((m for m in self.models if m.name == target), None)
        kinds = [m.kind for m in spec.monitors] if spec else [monitor]
        if monitor not in kinds:
            hint = did_you_mean(monitor, kinds, "add it to the model's monitors")
            self.problems.append(
                problem(
                    self.document.key("series", monitor_path), f'{target} has no monitor "{monitor}"', hint
                )
            )
        for n, beat in enumerate(self.expanded(part.values, (*path, "values"))):
            if beat.word != "_":
                yield _finding(part, beat, target, monitor_path, self.when(part.begins + n * part.every))

    def target(self, name: str, path: Path) -> Target:
        if name and not is_model(name):
            return Target(name)
        if name and name not in self.names:
            self.problem((*path, "target"), f'there is no model "{name}"', did_you_mean(name, self.names))
        elif not name and len(self.names) > 1:
            self.problem(path, "which target? there are several models", f"add target: {self.names[0]}")
        return Target(name or self.names[0])

    def expectation(self, part: ExpectPart, index: int) -> Expectation:
        incident = part.incident
        return Expectation(
            at=self.when(part.at),
            target=part.target or (self.names[0] if len(self.names) == 1 else ""),
            no_incident=bool(part.no_incident),
            incident=IncidentExpected(
                incident.state,
                incident.cause,
                incident.target,
                None if incident.models is None else tuple(incident.models),
                incident.severity,
                incident.outcome,
                incident.verified,
            )
            if incident
            else None,
            run=_run(part.run),
            no_run=_run(part.no_run),
            policy=part.policy,
            rung=None if part.rung is None else part.rung - 1,
            decision=part.decision or "",
            suppressed_by=part.suppressed_by,
            health=part.health,
            position=self.document.at("expect", index),
        )


def _run(part: RunPart | None) -> RunExpected | None:
    return RunExpected(part.runbook, part.policy, part.model, part.state) if part else None


def _finding(part: SeriesPart, beat: Beat, target: Target, path: str, at: datetime) -> Finding:
    monitor, subject = path.split("/", 1)
    verdict, severity = _judge(part, beat)
    seen = verdict in {Verdict.OK, Verdict.BREACH}
    return Finding(
        target=target,
        monitor=monitor,
        subject=subject,
        at=at,
        verdict=verdict,
        severity=severity,
        value=beat.value,
        reference=part.reference,
        effect=_effect(part, beat.value),
        n=part.n if seen else 0,
        started_at=at if verdict is Verdict.BREACH else None,
        detail=part.detail if verdict is Verdict.BREACH else "",
    )


def _judge(part: SeriesPart, beat: Beat) -> tuple[Verdict, Severity]:
    """A word says it; a value is compared with the bounds."""
    if beat.word:
        severity = Severity(beat.word) if beat.word in {"warning", "critical"} else Severity.NONE
        return _VERDICTS[beat.word], severity
    value = beat.value or 0.0
    if part.critical is not None and _meets(part.critical, value):
        return Verdict.BREACH, Severity.CRITICAL
    if part.breach is not None and _meets(part.breach, value):
        return Verdict.BREACH, Severity.WARNING
    return Verdict.OK, Severity.NONE


def _meets(bound: Bound, value: float) -> bool:
    return {
        ">=": value >= bound.value,
        ">": value > bound.value,
        "<=": value <= bound.value,
        "<": value < bound.value,
        "==": value == bound.value,
        "!=": value != bound.value,
    }[bound.op]


def _effect(part: SeriesPart, value: float | None) -> float | None:
    """How much worse than the reference, positive when worse; the bound says which way that is."""
    bound = part.breach or part.critical
    if value is None or part.reference is None:
        return None
    down = bound is None or bound.op in {"<", "<="}
    return round(part.reference - value if down else value - part.reference, 12)
