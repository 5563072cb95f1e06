"""JSON Schemas of the YAML kinds, for editors: ``autoheal check --schema policy``. Pure.

They say which keys there are and of what type. What needs other documents (names) or more than one key stays with
``autoheal check``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from autoheal.domain.durations import format_duration
from autoheal.domain.specs import Bound
from autoheal.policy.guards_schema import FleetPart
from autoheal.policy.model_schema import ModelPart
from autoheal.policy.policy_schema import PolicyPart
from autoheal.policy.testfile_schema import PolicyTestPart
from autoheal.runbook.schema import RunbookPart

SCHEMAS: dict[str, type[BaseModel]] = {
    "model": ModelPart,
    "policy": PolicyPart,
    "runbook": RunbookPart,
    "guards": FleetPart,
    "policy-test": PolicyTestPart,
}


class _AsWritten(GenerateJsonSchema):
    """Defaults as an operator would write them."""

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, timedelta):
            return format_duration(dft)
        return str(dft) if isinstance(dft, Bound) else super().encode_default(dft)


def json_schema(kind: str) -> dict[str, Any]:
    """The JSON Schema of one kind; KeyError when there is no such kind."""
    schema = SCHEMAS[kind].model_json_schema(by_alias=True, schema_generator=_AsWritten)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": f"autoheal {kind}",
    }
