"""Small pieces that tell events: an alarm's path, a run's name, who did it. Pure."""

from __future__ import annotations

from autoheal.domain.names import AlarmKey
from autoheal.domain.world import World
from autoheal.tui.present.line import Part

Parts = tuple[Part, ...]
_MONITORS = {
    "performance": "",
    "data_drift": "drift ",
    "concept_drift": "concept ",
    "data_quality": "quality ",
    "score_drift": "scores ",
    "multivariate": "jointly ",
    "estimated_performance": "estimate ",
    "slices": "",
}


def path(key: AlarmKey | str) -> str:
    """``fraud auc`` or ``fraud drift amount`` from an alarm's key."""
    target, monitor, subject = [*str(key).split("|", 2), "", ""][:3]
    return f"{target} {_MONITORS.get(monitor, monitor + ' ')}{subject}"


def of_run(world: World, run_id: str) -> str:
    """The run by its runbook, where it is known."""
    run = next((r for key, r in world.runs.items() if key == run_id), None)
    return f"{run_id} {run.runbook.name}" if run else run_id


def by(actor: str) -> tuple[str, str]:
    return (f" by {actor}", "dim") if actor else ("", "")
