"""Cause hypotheses of an open incident, best first. Pure.

The first action depends on the cause, so the order of blame follows what explains everything else: broken data,
then a service that does not answer, then a release at the right time, then a changed world. Weights rank; they are
not probabilities.
"""

from __future__ import annotations

from datetime import datetime

from autoheal.domain import events as ev
from autoheal.domain.events import Event
from autoheal.domain.names import AlarmState, Cause, IncidentState, ModelName, is_model
from autoheal.domain.reason import Reason
from autoheal.domain.records import Alarm, Hypothesis, Incident, ModelState
from autoheal.domain.world import World
from autoheal.engine.index import unresolved

#: This share of a model's watched inputs moving at once points to the feed, not to the world.
MOST_FEATURES = 0.6
#: ... and at least so many, or a model of two inputs would cry wolf.
LEAST_FEATURES = 3
ASSESSED_WHILE = (IncidentState.OPEN, IncidentState.ESCALATED)


def diagnose(world: World, _now: datetime) -> tuple[Event, ...]:
    """Assess the causes of the first incident whose assessment changed. A remedy changes the picture (a new release,
    other inputs), so nothing is assessed while one is under way; what has passed is not assessed anew either."""
    for incident in world.incidents.values():
        if incident.state not in ASSESSED_WHILE or not _alarms(world, incident):
            continue
        found = assess(world, incident)
        if [(h.cause, h.weight) for h in found] != [(h.cause, h.weight) for h in incident.causes]:
            return (ev.CauseAssessed(incident.id, found),)
    return ()


def assess(world: World, incident: Incident) -> tuple[Hypothesis, ...]:
    """All hypotheses with some weight, heaviest first; ``unknown`` when nothing points anywhere."""
    alarms = _alarms(world, incident)
    found = [
        hypothesis
        for hypothesis in (
            _telemetry(incident, alarms),
            _upstream(world, incident, alarms),
            _serving(alarms),
            _release(world, incident, alarms),
            *_drift(alarms),
        )
        if hypothesis is not None
    ]
    if not found:
        return (Hypothesis(Cause.UNKNOWN, 0.1, Reason("no known pattern", holds=None)),)
    return tuple(sorted(found, key=lambda h: (-h.weight, h.cause)))


def _alarms(world: World, incident: Incident) -> list[Alarm]:
    """Firing or pending alarms of the incident's models and of the target itself."""
    targets = {incident.target, *incident.models}
    live = (AlarmState.FIRING, AlarmState.PENDING)
    return [a for a in unresolved(world.alarms, targets) if a.state in live]


def _of(alarms: list[Alarm], *monitors: str) -> list[Alarm]:
    return [a for a in alarms if a.path.split("/", 1)[0] in monitors]


def _in_slices(alarms: list[Alarm], *, drift: bool) -> list[Alarm]:
    """Slices whose inputs moved, or whose answers are worse."""
    return [a for a in _of(alarms, "slices") if a.path.endswith(":drift") is drift]


def _skewed(alarms: list[Alarm]) -> list[Alarm]:
    """Features that are not served as the training pipeline computes them."""
    return [a for a in _of(alarms, "data_quality") if a.path.startswith("data_quality/skew:")]


def _names(alarms: list[Alarm]) -> str:
    return ", ".join(sorted({f"{a.target} {a.path}" for a in alarms}))


def _telemetry(incident: Incident, alarms: list[Alarm]) -> Hypothesis | None:
    away = [a for a in alarms if a.path == "serving/absent"] or (
        [a for a in alarms if a.target == incident.target] if incident.target.startswith("source:") else []
    )
    if not away:
        return None
    return Hypothesis(Cause.NO_TELEMETRY, 0.95, Reason("telemetry stopped", holds=True, detail=_names(away)))


def _upstream(world: World, incident: Incident, alarms: list[Alarm]) -> Hypothesis | None:
    skewed = _skewed(alarms)
    broken = [a for a in _of(alarms, "data_quality") if a not in skewed]
    if broken:
        reason = Reason("the data itself is broken", holds=True, detail=_names(broken))
        return Hypothesis(Cause.UPSTREAM_FAULT, 0.9, reason)
    if skewed:
        said = "features are not what the training pipeline computes"
        return Hypothesis(Cause.UPSTREAM_FAULT, 0.7, Reason(said, holds=True, detail=_names(skewed)))
    for name in incident.models:
        moved = [a for a in _of(alarms, "data_drift") if a.target == name]
        spec = world.config.models.get(name)
        watched = len(spec.features) if spec else 0
        if len(moved) >= LEAST_FEATURES and len(moved) >= MOST_FEATURES * watched:
            detail = f"{len(moved)} of {watched} inputs of {name} moved at once"
            return Hypothesis(
                Cause.UPSTREAM_FAULT, 0.6, Reason("most inputs moved at once", holds=True, detail=detail)
            )
    return None


def _serving(alarms: list[Alarm]) -> Hypothesis | None:
    bad = [a for a in _of(alarms, "serving") if a.path != "serving/absent"]
    if not bad:
        return None
    return Hypothesis(
        Cause.SERVING_FAULT, 0.85, Reason("the service itself suffers", holds=True, detail=_names(bad))
    )


def _release(world: World, incident: Incident, alarms: list[Alarm]) -> Hypothesis | None:
    """The symptom began soon after the champion changed. Features that are computed otherwise since then are the release's
    own doing; a broken feed
    explains more and outweighs it; a service that fails since a release is the release's fault."""
    if not is_model(incident.target):
        return None
    state = world.models.get(ModelName(incident.target))
    symptoms = [
        *_of(alarms, "performance", "concept_drift", "serving"),
        *_in_slices(alarms, drift=False),
        *_skewed(alarms),
    ]
    if state is None or state.champion_since is None or not state.previous or not symptoms:
        return None
    started = min(a.started_at for a in symptoms)
    age = started - state.champion_since
    window = world.config.guards.release_window
    if age > window:
        return None
    detail = (
        f"{state.champion} replaced {state.previous} at {state.champion_since:%Y-%m-%d %H:%M}, "
        f"the symptom began {max(age, type(age)(0))} later"
    )
    usual = 0.87 if _of(symptoms, "serving") else 0.8
    weight = 0.55 if _gated(world, state) else usual
    return Hypothesis(Cause.BAD_RELEASE, weight, Reason("it began with a release", holds=True, detail=detail))


def _gated(world: World, state: ModelState) -> bool:
    """Autoheal's own promotion passed a gate against the champion before it: a changed world explains its fall
    better than the release does."""
    return any(part in world.runs for part in state.promoted_by.split("/"))


def _drift(alarms: list[Alarm]) -> list[Hypothesis]:
    worse = [*_of(alarms, "performance", "concept_drift"), *_in_slices(alarms, drift=False)]
    moved = [*_of(alarms, "data_drift"), *_in_slices(alarms, drift=True)]
    if moved:
        shown = "performance falls too" if worse else "performance holds"
        reason = Reason("the inputs moved", holds=True, detail=f"{_names(moved)}; {shown}")
        return [Hypothesis(Cause.COVARIATE_DRIFT, 0.5 if worse else 0.7, reason)]
    if worse:
        reason = Reason("performance falls and the inputs do not move", holds=True, detail=_names(worse))
        return [Hypothesis(Cause.CONCEPT_DRIFT, 0.6, reason)]
    return []
