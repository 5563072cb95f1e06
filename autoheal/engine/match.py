"""Which policies speak about a target. Pure: the memo of answers for the present configuration is all that is kept.

A selector that names nothing matches nothing; one that names only labels means any model that has them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from autoheal.domain.names import Mode, ModelName, is_model
from autoheal.domain.specs import Config, PolicySpec, Selector
from autoheal.domain.world import World


@dataclass(slots=True)
class _Memo:
    """What was asked of one configuration: it is replaced as a whole, so the object itself is the key."""

    config: Config
    found: dict[tuple[str, tuple[ModelName, ...]], tuple[PolicySpec, ...]] = field(default_factory=dict)


_memo = _Memo(Config())


def policies_for(world: World, target: str, models: tuple[ModelName, ...]) -> tuple[PolicySpec, ...]:
    """Policies that are not off and select the target, the most pressing first."""
    global _memo
    memo = _memo
    if memo.config is not world.config:
        _memo = memo = _Memo(world.config)
    if (target, models) not in memo.found:
        memo.found[target, models] = _policies_for(world, target, models)
    return memo.found[target, models]


def _policies_for(world: World, target: str, models: tuple[ModelName, ...]) -> tuple[PolicySpec, ...]:
    found = [
        p for p in world.config.policies if p.mode is not Mode.OFF and selects(world, p.match, target, models)
    ]
    return tuple(sorted(found, key=lambda p: (-p.priority, -specificity(p.match), p.name)))


def selects(world: World, match: Selector, target: str, models: tuple[ModelName, ...]) -> bool:
    """A model's incident is selected by model patterns and labels; any other by ``targets`` (and, if it has models
    and the selector names some, by any of them)."""
    if not is_model(target):
        named = any(fnmatchcase(target, glob) for glob in match.targets)
        return named and (
            not models or not match.models or any(_selects_model(world, match, m) for m in models)
        )
    return _selects_model(world, match, ModelName(target))


def _selects_model(world: World, match: Selector, name: ModelName) -> bool:
    spec = world.config.models.get(name)
    if spec is None or not (match.models or match.labels):
        return False
    if match.models and not any(fnmatchcase(name, glob) for glob in match.models):
        return False
    return all(spec.labels.get(label) in values for label, values in match.labels.items())


def specificity(match: Selector) -> int:
    """Named models before patterns, more labels before fewer."""
    exact = sum(1 for glob in match.models if not any(c in glob for c in "*?["))
    return 10 * min(exact, 1) + len(match.labels) + min(len(match.targets), 1)
