"""When the world must be looked at again though nothing was heard. Pure.

Too early costs a tick, too late costs correctness: each rule with a clock in it adds its times here.
"""

from __future__ import annotations

from datetime import datetime

from autoheal.domain.names import IncidentState
from autoheal.domain.world import World
from autoheal.engine import alarms, conditions, runs, verify
from autoheal.engine.match import policies_for


def wake_at(world: World, now: datetime) -> datetime | None:
    """The earliest moment after ``now`` at which something may be due."""
    times = [
        *alarms.deadlines(world),
        *runs.deadlines(world),
        *verify.deadlines(world),
        *_decisions(world),
        *_people(world),
    ]
    return min((t for t in times if t > now), default=None)


def _decisions(world: World) -> list[datetime]:
    times = [world.warm_until] if world.warm_until else []
    for incident in world.incidents.values():
        if incident.state is not IncidentState.OPEN:
            continue
        decision = world.decisions.get(incident.decision) if incident.decision else None
        if decision is not None and decision.until is not None:
            times.append(decision.until)
        for policy in policies_for(world, incident.target, incident.models):
            times.extend(incident.opened_at + rung.wait for rung in policy.ladder)
            for n, line in enumerate(policy.when):
                since = world.held.get(conditions.held_key(incident, policy, n))
                if since:
                    times.append(since + line.held)
                if line.held and (line.alarm or line.health):
                    times.extend(
                        world.alarms[k].since + line.held for k in incident.alarms if k in world.alarms
                    )
                    times.extend(
                        s.health_since + line.held
                        for m in incident.models
                        if (s := world.models.get(m)) and s.health_since
                    )
    return times


def _people(world: World) -> list[datetime]:
    return [
        *(a.expires_at for a in world.approvals.values() if a.state == "open"),
        *(p.until for p in world.pauses.values() if p.until),
        *(s.until for s in world.silences.values()),
    ]
