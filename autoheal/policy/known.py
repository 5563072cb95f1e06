"""What a configuration may refer to: actions with their inputs, monitors with their options, pipelines, notifiers.

Pure. The callers of ``load`` fill it: the daemon from its plug-ins and settings, ``autoheal check`` from the plug-ins
it finds, tests with ``Known.standard()``. Plug-ins come in as pydantic classes, so this package imports none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class ActionInputs:
    """What an action takes and gives. ``outputs`` is None when nobody said; ``model`` checks literal values."""

    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    outputs: frozenset[str] | None = None
    model: type[BaseModel] | None = None

    @property
    def names(self) -> frozenset[str]:
        return self.required | self.optional


@dataclass(frozen=True, slots=True)
class Known:
    """None for a set means that it is not known here, so references to it are not checked."""

    actions: Mapping[str, ActionInputs] = field(default_factory=dict)
    monitors: Mapping[str, type[BaseModel] | None] = field(default_factory=dict)
    pipelines: frozenset[str] | None = None
    notifiers: frozenset[str] | None = None

    @staticmethod
    def standard(
        *, pipelines: frozenset[str] | None = None, notifiers: frozenset[str] | None = None
    ) -> Known:
        """The shipped actions and monitors, without their own schemas."""
        return Known(STANDARD_ACTIONS, dict.fromkeys(STANDARD_MONITORS), pipelines, notifiers)

    @staticmethod
    def of(
        actions: Mapping[str, type[BaseModel]],
        monitors: Mapping[str, type[BaseModel]],
        *,
        pipelines: frozenset[str] | None = None,
        notifiers: frozenset[str] | None = None,
    ) -> Known:
        """From plug-ins: action name to its ``Params``, monitor kind to its ``Options``."""
        inputs = {name: action_inputs(name, params) for name, params in actions.items()}
        return Known(inputs, dict(monitors), pipelines, notifiers)


def action_inputs(name: str, params: type[BaseModel]) -> ActionInputs:
    """What an action's ``Params`` says that it takes; what a shipped one gives is in ``STANDARD_ACTIONS``."""
    fields = {f.alias or key: f for key, f in params.model_fields.items()}
    required = frozenset(key for key, f in fields.items() if f.is_required())
    shipped = STANDARD_ACTIONS.get(name)
    outputs = shipped.outputs if shipped else _declared_outputs(params)
    return ActionInputs(required, frozenset(fields) - required, outputs, params)


def _declared_outputs(params: Any) -> frozenset[str] | None:
    """A third-party action may list what it gives as ``OUTPUTS`` on its ``Params``."""
    names = getattr(params, "OUTPUTS", None)
    return None if names is None else frozenset(str(n) for n in names)


def _takes(required: str, optional: str = "", gives: str = "") -> ActionInputs:
    return ActionInputs(frozenset(required.split()), frozenset(optional.split()), frozenset(gives.split()))


STANDARD_MONITORS = (
    "performance", "data_drift", "concept_drift", "serving", "data_quality",
    "score_drift", "multivariate", "estimated_performance", "familiar", "slices",
)  # fmt: skip
_COMPARED = "gain n evidence champion_loss candidate_loss champion"
#: For tests and for documents; whoever has the plug-ins at hand uses ``Known.of``.
STANDARD_ACTIONS: Mapping[str, ActionInputs] = {
    "registry.known_good": _takes("model", "", "version champion candidates"),
    "reference.anchor": _takes("model version", "anew", "version how detail"),
    "reference.restore": _takes("model version", "", "version"),
    "registry.set_champion": _takes("model version", "previous", "version previous"),
    "registry.register": _takes("model candidate", "", "version"),
    "evaluate.candidate": _takes(
        "model version",
        "also min_rows max_rows since at_least evidence timing release_within",
        f"{_COMPARED} version on candidates began blame",
    ),
    "evaluate.gate": _takes("model candidate", "min_rows at_least evidence max_latency", _COMPARED),
    "data.validate": _takes(
        "model",
        "min_rows max_rows since window holdout held",
        "dataset holdout rows held_back held from to began dropped drift blame",
    ),
    "pipeline.train": _takes("model dataset holdout", "pipeline", "candidate metrics"),
    "traffic.shift": _takes("model version", "percent", "version percent previous"),
    "traffic.fallback": _takes("model", "", "version previous"),
    "traffic.restore": _takes("model", "", "version previous"),
    "notify": _takes("to text", "model"),
    "wait": _takes("for"),
}
