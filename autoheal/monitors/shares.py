"""Who may spend how much of the fleet's false alarms: from the guards' weights to one Budget a model and monitor. Pure.

The shares of the fleet add up to 1, which is all that the promise needs (``stats.alarm_clock``): weights only decide
who gets to notice sooner. The part of a kind that a model does not watch goes to its other kinds in proportion.
``autoheal check`` prints ``promises``, the daemon's rounds use ``budgets``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from autoheal.domain.names import ModelName
from autoheal.domain.specs import Config, FalseAlarms, ModelSpec
from autoheal.monitors.budget import Budget

#: How the kinds of a model share its part, unless the guards say otherwise.
PARTS: Mapping[str, float] = {
    "performance": 0.3,
    "concept_drift": 0.2,
    "data_drift": 0.2,
    "score_drift": 0.1,
    "serving": 0.1,
    "multivariate": 0.05,
    "data_quality": 0.05,
    "estimated_performance": 0.05,
    "slices": 0.1,
    # Keeps no budget, so it takes none from the others.
    "familiar": 0.001,
}
#: The part of a kind that is not named above.
OTHER = 0.1
DAY = 86_400.0

Budgets = Mapping[ModelName, Mapping[str, Budget]]


@dataclass(frozen=True, slots=True)
class Promise:
    """What models of equal weight can expect: days between false alarms of *one* such model, and its kinds' parts."""

    models: tuple[ModelName, ...]
    share: float
    notify: float
    act: float
    parts: Mapping[str, float]


def budgets(config: Config) -> Budgets:
    """The budget of every monitor of every model."""
    rule = config.guards.false_alarms
    weights = {name: _weight(rule, spec) for name, spec in config.models.items() if spec.monitors}
    total = sum(weights.values())
    return {
        name: {
            kind: Budget(
                weight / total * part, rule.notify.total_seconds() / DAY, rule.act.total_seconds() / DAY
            )
            for kind, part in _parts(rule, config.models[name]).items()
        }
        for name, weight in weights.items()
    }


def promises(config: Config) -> tuple[Promise, ...]:
    """The same in words: models with equal budgets together, the largest share first."""
    alike: dict[tuple[tuple[str, Budget], ...], list[ModelName]] = defaultdict(list)
    for name, kinds in budgets(config).items():
        alike[tuple(sorted(kinds.items(), key=lambda k: -k[1].share))].append(name)
    found = []
    for group, models in alike.items():
        share, some = sum(budget.share for _, budget in group), group[0][1]
        parts = {kind: budget.share / share for kind, budget in group}
        found.append(Promise(tuple(models), share, some.notify / share, some.act / share, parts))
    return tuple(sorted(found, key=lambda p: -p.share))


def _weight(rule: FalseAlarms, spec: ModelSpec) -> float:
    for pattern, weight in rule.models.items():
        if fnmatchcase(spec.name, pattern):
            return weight
    return rule.tiers.get(spec.labels.get("tier", ""), 1.0)


def _parts(rule: FalseAlarms, spec: ModelSpec) -> dict[str, float]:
    kinds = [m.kind for m in spec.monitors]
    raw = {kind: rule.monitors.get(kind, PARTS.get(kind, OTHER)) for kind in kinds}
    return {kind: part / sum(raw.values()) for kind, part in raw.items()}
