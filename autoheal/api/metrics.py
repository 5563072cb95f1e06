"""``/metrics``: the daemon about itself, as Prometheus text. Reads the world; the text is written by hand because
prometheus-client costs 100 ms of start-up for what is a few lines here (tests parse it with that library)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from autoheal import __version__
from autoheal.api.hub import Hub
from autoheal.domain.label_state import ModelLabels
from autoheal.domain.names import AlarmState, Health, IncidentState, RunState, Verdict
from autoheal.domain.source_health import SourceHealth, SourceState
from autoheal.domain.world import World

CONTENT_TYPE = "text/plain; version=0.0.4"

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric with its samples."""

    name: str
    kind: str
    text: str
    samples: tuple[tuple[Labels, float], ...]


def metrics_text(hub: Hub, labels: Sequence[ModelLabels] = ()) -> str:
    """The whole page."""
    families = (
        *world_families(hub.kernel.world),
        _refused(hub.refused()),
        *source_families(hub.sources()),
        *label_families(labels),
    )
    return "".join(_lines(family) for family in families) + hub.metrics()


def world_families(world: World) -> tuple[Family, ...]:
    """What the world says in numbers; every known state has a sample, so that zero is zero and not missing."""
    incidents = [i for i in world.incidents.values() if i.open]
    open_approvals = sum(a.state == "open" for a in world.approvals.values())
    return (
        Family(
            "autoheal_build_info", "gauge", "The daemon's version.", (((("version", __version__),), 1.0),)
        ),
        _one("autoheal_log_seq", "counter", "Entries in the event log.", world.seq),
        _one("autoheal_incidents_open", "gauge", "Incidents that are not over.", len(incidents)),
        _by(
            "autoheal_incidents",
            "Open incidents by state.",
            "state",
            (i.state for i in incidents),
            IncidentState,
        ),
        _by(
            "autoheal_alarms",
            "Alarms by state.",
            "state",
            (a.state for a in world.alarms.values()),
            AlarmState,
        ),
        _by("autoheal_runs", "Runs by state.", "state", (r.state for r in world.runs.values()), RunState),
        _by(
            "autoheal_findings",
            "Findings by verdict.",
            "verdict",
            (f.verdict for f in world.findings.values()),
            Verdict,
        ),
        _by(
            "autoheal_models",
            "Models by health.",
            "health",
            (m.health for m in world.models.values()),
            Health,
        ),
        _one("autoheal_approvals_open", "gauge", "Questions that wait for a person.", open_approvals),
        _one("autoheal_pauses", "gauge", "Pauses in force.", len(world.pauses)),
        _one("autoheal_config_problems", "gauge", "Defects of the last reload.", len(world.config_problems)),
        _tasks(world),
    )


def label_families(labels: Sequence[ModelLabels]) -> tuple[Family, ...]:
    """What became of outcomes; a version without an answer old enough has no share."""
    joins = tuple(
        ((("model", one.model), ("what", what)), float(count))
        for one in labels
        for what, count in one.joins.items()
        if what != "waiting"
    )
    waiting = tuple(((("model", one.model),), float(one.joins.get("waiting", 0))) for one in labels)
    matured = tuple(
        ((("model", one.model), ("version", v.version)), v.share)
        for one in labels
        for v in one.versions
        if v.share is not None
    )
    return (
        Family("autoheal_label_join_total", "counter", "Records by what became of them.", joins),
        Family("autoheal_outcomes_waiting", "gauge", "Outcomes that wait for their prediction.", waiting),
        Family(
            "autoheal_labels_matured_share", "gauge", "Answers whose label counts, of those held.", matured
        ),
    )


def source_families(sources: Sequence[SourceHealth]) -> tuple[Family, ...]:
    """How telemetry comes in; a source that never had a row has no lag."""

    def of(name: str, kind: str, text: str, value: Callable[[SourceHealth], float | None]) -> Family:
        found = [(s.name, value(s)) for s in sources]
        return Family(name, kind, text, tuple(((("source", n),), v) for n, v in found if v is not None))

    refused = tuple(
        ((("source", s.name), ("reason", reason)), float(n))
        for s in sources
        for reason, n in sorted(s.refused.items())
    )
    states = tuple(
        ((("source", s.name), ("state", state)), float(s.state == state))
        for s in sources
        for state in get_args(SourceState)
    )
    return (
        Family("autoheal_source_state", "gauge", "Telemetry sources by state.", states),
        of("autoheal_source_rows_total", "counter", "Rows that a source brought.", lambda s: float(s.rows)),
        of(
            "autoheal_source_rows_per_second",
            "gauge",
            "Rows a second, of the last minute.",
            lambda s: s.rows_per_s,
        ),
        of(
            "autoheal_source_lag_seconds", "gauge", "How far the newest row is behind now.", lambda s: s.lag_s
        ),
        Family("autoheal_source_refused_total", "counter", "Rows that a source refused, by reason.", refused),
    )


def _one(name: str, kind: str, text: str, value: float) -> Family:
    return Family(name, kind, text, (((), float(value)),))


def _by(name: str, text: str, label: str, values: Iterable[str], known: Iterable[str]) -> Family:
    counts = Counter(str(v) for v in values)
    return Family(name, "gauge", text, tuple((((label, str(k)),), float(counts[str(k)])) for k in known))


def _tasks(world: World) -> Family:
    samples = tuple(((("task", t.name), ("state", t.state)), 1.0) for t in world.tasks.values())
    return Family("autoheal_task_state", "gauge", "Supervised tasks and their state.", samples)


def _refused(counts: Mapping[str, int]) -> Family:
    samples = tuple(((("reason", reason),), float(n)) for reason, n in sorted(counts.items()))
    return Family("autoheal_telemetry_refused_total", "counter", "Refused telemetry by reason.", samples)


def _lines(family: Family) -> str:
    head = f"# HELP {family.name} {family.text}\n# TYPE {family.name} {family.kind}\n"
    return head + "".join(
        f"{family.name}{_labels(labels)} {value:.17g}\n" for labels, value in family.samples
    )


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
