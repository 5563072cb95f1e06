"""Which observations are news: what goes into the log, and what only confirms it. Pure.

Monitors speak at every beat, the log should grow with what happens. A finding is news when its meaning changed, when
its number moved, or when nothing was said for long; while an alarm is alive every beat is news, because recovery is
judged by findings made after the action.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from autoheal.domain.finding import Finding
from autoheal.domain.names import AlarmState, Verdict
from autoheal.domain.records import Facts
from autoheal.domain.world import World

#: A change of value that is worth a line, as a share of the value or of what it is compared with.
MOVED = 0.10
#: A steady finding is repeated after so many of its monitor's beats, and not more often than this: fifty thousand
#: findings an hour that say the same would fill the log with nothing.
STEADY_BEATS, STEADY_TIME = 60, timedelta(days=1)


def finding_is_news(world: World, finding: Finding, every: timedelta) -> bool:
    """Should this finding go into the log?"""
    last = world.findings.get(finding.key)
    if last is None:
        return True
    before = (last.verdict, last.severity, last.level, last.version)
    if before != (finding.verdict, finding.severity, finding.level, finding.version):
        return True
    if _alive(world, finding):
        return finding.at > last.at
    if finding.verdict in {Verdict.OK, Verdict.BREACH} and _moved(
        last.value, finding.value, finding.reference
    ):
        return finding.at - last.at >= every
    return finding.at - last.at >= max(every * STEADY_BEATS, STEADY_TIME)


def _alive(world: World, finding: Finding) -> bool:
    """Its alarm is pending or firing, or it belongs to an open incident."""
    alarm = world.alarms.get(finding.key)
    if alarm is None:
        return False
    if alarm.state in {AlarmState.PENDING, AlarmState.FIRING}:
        return True
    return any(i.open and finding.key in i.alarms for i in world.incidents.values())


def _moved(before: float | None, now: float | None, reference: float | None) -> bool:
    """A drift of 0.02 instead of 0.01 is noise beside a limit of 0.2."""
    if before is None or now is None:
        return before is not now
    return abs(now - before) > MOVED * max(abs(before), abs(reference or 0.0), 1e-9)


def facts_are_news(facts: Facts, last: Facts | None, *, concerned: bool) -> bool:
    """Counts are news when they moved, and exactly while an incident of the model is open (``concerned``)."""
    if last is None:
        return True
    fixed = (facts.champion, facts.known_good, facts.fallback, facts.on_fallback)
    if fixed != (last.champion, last.known_good, last.fallback, last.on_fallback):
        return True
    counts = ((last.fresh_labels, facts.fresh_labels), (last.matured_labels, facts.matured_labels))
    if concerned:
        return any(a != b for a, b in counts)
    return any(abs(b - a) > MOVED * max(a, 10) for a, b in counts)


def label_floor(world: World, model: str, trained_to: datetime | None) -> datetime | None:
    """From when labelled rows count as fresh: after the champion's training data, and after the symptom began."""
    starts = [i.started_at for i in world.incidents.values() if i.open and model in i.models]
    known = [t for t in (trained_to, *starts) if t is not None]
    return max(known, default=None)
