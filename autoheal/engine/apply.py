"""Bookkeeping: the world after one entry of the log. Pure; decides nothing.

``apply`` is the only way the world changes. It trusts the entry: what should happen was decided by the rules
(``step``) when the entry was made, so folding it over a log gives the same world under any later engine. Facts about
things the world does not know (an unknown run, a closed approval) change nothing but ``seq`` and ``at``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from autoheal.domain import events as ev
from autoheal.domain.events import Entry
from autoheal.domain.world import TaskView, World
from autoheal.engine import apply_alarms, apply_incidents, apply_runs


def apply(world: World, entry: Entry) -> World:
    """The world with ``entry`` in it."""
    handler = _HANDLERS.get(type(entry.event))
    changed = handler(world, entry.event, entry.at) if handler else world
    return replace(changed, seq=entry.seq, at=entry.at)


def rebuild(entries: Iterable[Entry], world: World | None = None) -> World:
    """Fold the log into a world, from nothing or from a snapshot."""
    result = world or World()
    for entry in entries:
        result = apply(result, entry)
    return result


def _daemon_started(world: World, event: ev.DaemonStarted, at: Any) -> World:
    return replace(world, daemon_version=event.version, started_at=at, warm_until=event.warm_until, tasks={})


def _config_applied(world: World, event: ev.ConfigApplied, _at: Any) -> World:
    return apply_alarms.forget_models(replace(world, config=event.config, config_problems=()))


def _config_refused(world: World, event: ev.ConfigRefused, _at: Any) -> World:
    return replace(world, config_problems=event.problems)


def _pause_set(world: World, event: ev.PauseSet, _at: Any) -> World:
    return replace(world, pauses={**world.pauses, event.pause.scope: event.pause})


def _pause_lifted(world: World, event: ev.PauseLifted, _at: Any) -> World:
    return replace(world, pauses={k: v for k, v in world.pauses.items() if k != event.scope})


def _silence_set(world: World, event: ev.SilenceSet, at: Any) -> World:
    live = {k: v for k, v in world.silences.items() if v.until > at}
    return replace(world, silences={**live, event.silence.id: event.silence})


def _task_state(world: World, event: ev.TaskStateChanged, at: Any) -> World:
    view = TaskView(event.task, event.state, at, event.detail)
    return replace(world, tasks={**world.tasks, event.task: view})


def _condition_held(world: World, event: ev.ConditionHeld, _at: Any) -> World:
    held = {k: v for k, v in world.held.items() if k != event.key}
    return replace(world, held=held if event.since is None else {**held, event.key: event.since})


_HANDLERS: dict[type, Callable[[World, Any, Any], World]] = {
    ev.DaemonStarted: _daemon_started,
    ev.ConfigApplied: _config_applied,
    ev.ConfigRefused: _config_refused,
    ev.PauseSet: _pause_set,
    ev.PauseLifted: _pause_lifted,
    ev.SilenceSet: _silence_set,
    ev.TaskStateChanged: _task_state,
    ev.ConditionHeld: _condition_held,
    **apply_alarms.HANDLERS,
    **apply_incidents.HANDLERS,
    **apply_runs.HANDLERS,
}
