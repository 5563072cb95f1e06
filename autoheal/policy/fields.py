"""The small types that all YAML kinds are built from: names, globs, bounds, shares, one-or-many. Pure.

``Part`` is the base of every schema class: unknown keys are refused, types are not guessed (``"3"`` is no number).
Used by the schemas of policies, models, guards, runbooks and tests. Messages are for operators, so each validator
raises a sentence, and ``refuse`` lets it carry a hint as well.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from autoheal.domain.specs import Bound

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_BOUND = re.compile(r"\s*(>=|<=|==|!=|>|<)\s*(-?\d+(?:\.\d+)?(?:e[-+]?\d{1,2})?)\s*(%?)\s*", re.ASCII)
_SHARE = re.compile(r"\s*(\d{1,3}(?:\.\d+)?)\s*%\s*", re.ASCII)
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00", re.ASCII)
_PATH = re.compile(r"[^/\s]+/[^/\s]+")

T = TypeVar("T")


class Part(BaseModel):
    """A mapping of the configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


def refuse(message: str, hint: str = "") -> NoReturn:
    """Raise what pydantic collects, with a hint for the operator."""
    raise PydanticCustomError("autoheal", "{message}", {"message": message, "hint": hint})


def parse_bound(text: str) -> Bound:
    """``">= 2000"``, ``"< 5%"``."""
    found = _BOUND.fullmatch(text)
    if not found:
        refuse(f'"{text}" is not a bound', 'write a comparison and a number, like ">= 2000" or "< 5%"')
    op: Any = found[1]
    return Bound(op, float(found[2]) / (100.0 if found[3] else 1.0))


def _bound(value: object) -> Bound:
    if isinstance(value, Bound):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        refuse(f"{value} is a number, not a bound", f'write a comparison in quotes, like ">= {value}"')
    if not isinstance(value, str):
        refuse("expected a bound", 'write a comparison and a number in quotes, like ">= 2000"')
    return parse_bound(value)


def _share(value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        shown = value * 100 if 0 < value < 1 else value
        refuse(f"{value} is not a percentage", f'write it in quotes with its sign: "{shown:g}%"')
    found = _SHARE.fullmatch(value) if isinstance(value, str) else None
    share = float(found[1]) / 100.0 if found else -1.0
    if not 0.0 <= share <= 1.0:
        refuse(f'"{value}" is not a percentage', 'write a number from 0 to 100 with its sign: "20%"')
    return share


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        refuse(
            f'"{value[:60]}" is not a name',
            "use letters, digits, dot, dash and underscore, at most 100 of them",
        )
    return value


def _glob(value: str) -> str:
    if not value or value != value.strip() or len(value) > 200:
        refuse(f'"{value[:60]}" is not a pattern', 'write a name, or a pattern like "fraud-*"')
    return value


def _path(value: str) -> str:
    if not _PATH.fullmatch(value) or len(value) > 200:
        refuse(
            f'"{value[:60]}" is not a monitor path',
            "write monitor/subject, like performance/accuracy or data_drift/*",
        )
    return value


def _clock(value: str) -> str:
    if not _CLOCK.fullmatch(value):
        refuse(f'"{value[:60]}" is not a time of day', 'write hours and minutes, like "22:00"')
    return value


def _many(value: object) -> object:
    return value if isinstance(value, list) else [value]


class _OneOrMany:
    """For editors: the value alone is as good as a list of it."""

    @staticmethod
    def __get_pydantic_json_schema__(schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        listed = handler(schema)
        return {"anyOf": [listed["items"], listed]}


_BOUND_SCHEMA = {"type": "string", "examples": [">= 2000", "< 0.85", ">= 20%"]}
Name = Annotated[str, AfterValidator(_name)]
Glob = Annotated[str, AfterValidator(_glob)]
MonitorPath = Annotated[str, AfterValidator(_path)]
TimeOfDay = Annotated[str, AfterValidator(_clock)]
Comparison = Annotated[Bound, BeforeValidator(_bound), WithJsonSchema(_BOUND_SCHEMA)]
Share = Annotated[
    float, BeforeValidator(_share), WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?%$"})
]
#: One value or a list of them; always a list in code.
OneOrMany = Annotated[list[T], BeforeValidator(_many), _OneOrMany]
