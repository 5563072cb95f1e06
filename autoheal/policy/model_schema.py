"""``kind: model`` as YAML: the schema class and its way into ``domain.specs.ModelSpec``. Pure.

``ModelBody`` is also what policy tests write inline. Surprise: ``monitors`` may be a list of kinds or a mapping from
kind to options; ``every``, ``hold`` and ``clear`` belong to every monitor, all other options to the monitor's own
schema, which is checked in ``references`` because monitors are plug-ins.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from autoheal.domain.durations import Duration
from autoheal.domain.names import ModelName, Task
from autoheal.domain.reason import Position
from autoheal.domain.specs import FeatureSpec, ModelSpec, MonitorSpec
from autoheal.policy.fields import Name, Part, refuse
from autoheal.policy.slices_schema import SlicePart, slice_specs
from autoheal.policy.yaml_source import Document, Path


class FeaturePart(Part):
    type: Literal["numeric", "categorical"] = Field(description="type: numeric or categorical")
    upstream: str = ""
    sensitive: bool = Field(default=False, description="sensitive: true hides the raw values of the column")


def _monitors(value: object) -> object:
    if isinstance(value, list):
        for kind in value:
            if not isinstance(kind, str):
                refuse(
                    "a monitor in a list is named by one word",
                    "write a mapping to give options: performance: {...}",
                )
        if len(set(value)) != len(value):
            refuse("a monitor stands twice in the list", "one of each kind")
        return {kind: {} for kind in value}
    if isinstance(value, dict):
        return {kind: {} if options is None else options for kind, options in value.items()}
    return value


class TimingPart(Part, extra="allow"):
    """When a monitor looks, and how long a symptom must last or be gone."""

    every: Duration = timedelta(minutes=1)
    hold: Duration = timedelta(0)
    clear: Duration = timedelta(minutes=5)


class _MonitorsSchema:
    """For editors: a list of kinds is as good as a mapping from kind to options."""

    @staticmethod
    def __get_pydantic_json_schema__(schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        mapping = handler(schema)
        options = {"anyOf": [mapping["additionalProperties"], {"type": "null"}]}
        return {
            "anyOf": [
                {"type": "array", "items": {"type": "string"}},
                {**mapping, "additionalProperties": options},
            ]
        }


class ModelBody(Part):
    """A model without the document's head."""

    name: Name = Field(description="name: the model's name in telemetry and registry")
    task: Task = Field(description="task: classification or regression")
    owner: str = ""
    description: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    features: dict[str, FeaturePart] = Field(default_factory=dict)
    monitors: Annotated[dict[str, TimingPart], BeforeValidator(_monitors), _MonitorsSchema] = Field(
        default_factory=dict
    )
    pipeline: str = ""
    fallback: str = ""
    label_lag: Duration = timedelta(0)
    slices: list[SlicePart] = Field(
        default_factory=list, description="slices: features by whose values rows are told apart"
    )


class ModelPart(ModelBody):
    version: Literal[1] = Field(description="version: 1")
    kind: Literal["model"] = Field(description="kind: model")


def model_spec(part: ModelBody, document: Document, at: Path = ()) -> ModelSpec:
    """The checked model, with positions of it and its monitors."""
    return ModelSpec(
        name=ModelName(part.name),
        task=part.task,
        owner=part.owner,
        labels=dict(part.labels),
        features=tuple(
            FeatureSpec(name, f.type, f.upstream, f.sensitive) for name, f in part.features.items()
        ),
        monitors=tuple(_monitor_spec(kind, timing, document, at) for kind, timing in part.monitors.items()),
        pipeline=part.pipeline,
        fallback=part.fallback,
        label_lag=part.label_lag,
        position=document.at(*at),
        slices=slice_specs(part.slices, document, at),
    )


def _monitor_spec(kind: str, timing: TimingPart, document: Document, at: Path) -> MonitorSpec:
    return MonitorSpec(
        kind=kind,
        options=dict(timing.model_extra or {}),
        every=timing.every,
        hold=timing.hold,
        clear=timing.clear,
        position=monitor_position(document, kind, at),
    )


def monitor_position(document: Document, kind: str, at: Path = ()) -> Position:
    """Where a monitor is named, in either way of writing."""
    node = document.node((*at, "monitors"))
    if node is not None and isinstance(node.value, list):
        return next((item.position for item in node.value if item.value == kind), node.position)
    return document.key(*at, "monitors", kind)
