"""The past of a model for the doors: sampled rows, facts and skew, with usual stretches of time and limits. Reads telemetry.

Blocking (a file is read): call it off the event loop. Callers are the API's routes, through the daemon's hub.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from autoheal.clock import Clock
from autoheal.domain.names import ModelName, Version
from autoheal.domain.past import Facts, SampledRow, Samples, Skew
from autoheal.domain.specs import ModelSpec
from autoheal.monitors.reference import Reference
from autoheal.telemetry.service import Telemetry
from autoheal.telemetry.skew import options_of

#: Stretches of one answer.
MOST_STEPS = 2_000
#: Facts of one answer.
MOST_FACTS = 50_000
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Past:
    """``models`` are those of the configuration in force; ``references`` gives all that a model's version was ever compared
    with, the present one first."""

    telemetry: Telemetry
    models: Callable[[], Mapping[ModelName, ModelSpec]]
    references: Callable[[ModelName, Version], Sequence[Reference]]
    clock: Clock

    def samples(
        self, model: str, since: datetime | None, until: datetime | None, version: str | None, size: int
    ) -> Samples:
        """Without times: the day up to the newest row. KeyError for an unknown model."""
        spec = self.models()[ModelName(model)]
        since, until = self._span(spec, since, until)
        history = self.telemetry.history()
        try:
            rows = history.sample(spec, since, until, size, version=version)
        finally:
            history.close()
        hidden = tuple(f.name for f in spec.features if f.sensitive)
        return Samples(model, since, until, tuple(SampledRow(**row) for row in rows), hidden)

    def facts(
        self, model: str, since: datetime | None, until: datetime | None, step: timedelta, path: str
    ) -> Facts:
        """Those whose path matches a glob; without times of the day, or the two steps, up to the newest row. KeyError for an
        unknown model, ValueError for too much or a bad step."""
        spec = self.models()[ModelName(model)]
        since, until = self._span(spec, since, until, max(DAY, 2 * min(step, 400 * DAY)))
        if step <= timedelta(0) or (until - since) / step > MOST_STEPS:
            raise ValueError(
                f"one answer has at most {MOST_STEPS} steps: ask for less time, or a longer step"
            )
        history = self.telemetry.history()
        found = []
        try:
            known = lambda version: self.references(spec.name, Version(version))  # noqa: E731 - one line says it
            for fact in history.facts(spec, known, since, until, step, path=path):
                found.append(fact)
                if len(found) > MOST_FACTS:
                    raise ValueError(
                        f"more than {MOST_FACTS} facts: give a path, less time, or a longer step"
                    )
        finally:
            history.close()
        return Facts(model, since, until, tuple(found))

    def skew(self, model: str, since: datetime | None, until: datetime | None, ids: int) -> Skew:
        """With at most ``ids`` ids. KeyError for an unknown model, ValueError when it is not compared at all."""
        spec = self.models()[ModelName(model)]
        options = options_of(spec)
        if options is None:
            raise ValueError(f"{model}: its monitor data_quality has no skew: {{share: ...}}")
        since, until = self._span(spec, since, until)
        report = self.telemetry.skew()
        try:
            asked = report.wanted(spec.name, options.share, since, until) if ids else ()
            wanted = list(islice(asked, ids + 1))
            features = report.features(spec.name, since, until)
            records = report.fates(spec.name)
        finally:
            report.close()
        return Skew(model, since, until, features, records, tuple(wanted[:ids]), len(wanted) > ids)

    def _span(
        self, spec: ModelSpec, since: datetime | None, until: datetime | None, usual: timedelta = DAY
    ) -> tuple[datetime, datetime]:
        until = until or self.telemetry.newest(spec.name) or self.clock.now()
        return since or until - usual, until
