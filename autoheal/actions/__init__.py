"""All actions by name: ``ACTIONS`` for the executor, ``known_actions()`` for whoever checks runbooks.

Shipped ones are loaded when first asked for; others come from packages through entry points of the group
``autoheal.actions``, whose name is the action's. Surprise: a plug-in that cannot be loaded, or takes a shipped name, is
left out with a warning in the log, so that it fails the runbooks that use it and not the daemon.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic import BaseModel

    from autoheal.actions.contract import Action

__all__ = ["ACTIONS", "known_actions"]

GROUP: Final = "autoheal.actions"
_LOG = logging.getLogger(__name__)
_SHIPPED: Final = {
    "data.validate": ("data_validate", "Validate"),
    "evaluate.candidate": ("evaluate_candidate", "EvaluateCandidate"),
    "evaluate.gate": ("evaluate_gate", "EvaluateGate"),
    "notify": ("notify", "Notify"),
    "pipeline.train": ("pipeline_train", "Train"),
    "reference.anchor": ("reference_anchor", "ReferenceAnchor"),
    "reference.restore": ("reference_anchor", "ReferenceRestore"),
    "registry.known_good": ("registry_known_good", "KnownGood"),
    "registry.register": ("registry_register", "Register"),
    "registry.set_champion": ("registry_set_champion", "SetChampion"),
    "traffic.fallback": ("traffic", "Fallback"),
    "traffic.restore": ("traffic", "Restore"),
    "traffic.shift": ("traffic", "Shift"),
    "wait": ("wait", "Wait"),
}


class _Actions(Mapping[str, "Action"]):
    """Actions by name, each made when first used."""

    def __getitem__(self, name: str) -> Action:
        if name in _SHIPPED:
            return _shipped(name)
        return _plugged()[name]

    def __iter__(self) -> Iterator[str]:
        yield from _SHIPPED
        yield from _plugged()

    def __len__(self) -> int:
        return len(_SHIPPED) + len(_plugged())


ACTIONS: Final[Mapping[str, Action]] = _Actions()


def known_actions() -> Mapping[str, type[BaseModel]]:
    """The parameters of every action, by name."""
    return {name: action.Params for name, action in ACTIONS.items()}


@cache
def _shipped(name: str) -> Action:
    module, kind = _SHIPPED[name]
    made: Action = getattr(import_module(f"{__name__}.{module}"), kind)()
    return made


@cache
def _plugged() -> Mapping[str, Action]:
    """Actions of other packages."""
    found: dict[str, Action] = {}
    for point in entry_points(group=GROUP):
        if point.name in _SHIPPED or point.name in found:
            _LOG.warning("action %s of %s is left out: the name is taken", point.name, point.value)
            continue
        try:
            found[point.name] = point.load()()
        except Exception:  # noqa: BLE001 - third-party code may raise anything at import
            _LOG.exception("action %s of %s cannot be loaded", point.name, point.value)
    return found
