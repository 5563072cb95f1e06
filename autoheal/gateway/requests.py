"""What callers send and get, and the telemetry records made of it. Pure.

A request has one row or many; ids may be left out, and then follow from the request's. What surprises: rows that no
version answered are recorded as well, with the error and no prediction, because a row that fails is a fact about the
model and its inputs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from autoheal.errors import AutohealError
from autoheal.gateway.upstream import Answer

MAX_ROWS: Final = 1000
MAX_BODY: Final = 8 << 20
_LATEST: Final = 4102444800.0


class BadRequestError(AutohealError):
    """The caller's request is refused; ``status`` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


def _text_id(value: object) -> object:
    return (
        str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else value
    )


Id = Annotated[str, BeforeValidator(_text_id), Field(min_length=1, max_length=200)]
Unix = Annotated[float, Field(strict=True, ge=0.0, lt=_LATEST)]
Value = (
    Annotated[bool, Field(strict=True)]
    | Annotated[int, Field(strict=True)]
    | Annotated[float, Field(strict=True)]
    | Annotated[str, Field(max_length=1000)]
    | None
)
Features = Annotated[dict[str, Value], Field(max_length=2000)]


class Row(BaseModel):
    """``time`` is the row's own; by default the request's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Id | None = None
    time: Unix | AwareDatetime | None = None
    features: Features


class Request(BaseModel):
    """Either ``rows``, or ``features`` of the only one. ``time`` is the data's own: ISO 8601 with an offset, or unix."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Id | None = None
    time: Unix | AwareDatetime | None = None
    rows: Annotated[list[Row], Field(min_length=1, max_length=MAX_ROWS)] | None = None
    features: Features | None = None

    @model_validator(mode="after")
    def _either(self) -> Request:
        if (self.rows is None) == (self.features is None):
            raise ValueError("write either rows or features")
        return self


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the gateway works with it: an id for it, an id and a time (unix seconds) for each row."""

    id: str
    times: tuple[float, ...]
    ids: tuple[str, ...]
    features: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Served:
    """Who answered what; ``error`` says in a word why the version that was meant to did not."""

    version: str
    by: str
    answer: Answer | None
    error: str | None
    latency_ms: float


def parse(body: bytes, *, fresh_id: str, now: float) -> Asked:
    """Check a request; BadRequestError names the first defect."""
    try:
        request = Request.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        status = 400 if first["type"] == "json_invalid" else 422
        where = ".".join(str(part) for part in first["loc"])
        raise BadRequestError(status, f"{where}: {first['msg']}" if where else first["msg"]) from error
    whole = request.id or fresh_id
    whole_time = _seconds(request.time, now)
    if request.rows is None:
        return Asked(whole, (whole_time,), (whole,), (_plain(request.features or {}),))
    ids = tuple(row.id or f"{whole[:190]}:{place}" for place, row in enumerate(request.rows))
    if len(set(ids)) < len(ids):
        raise BadRequestError(422, "rows: two rows have the same id")
    times = tuple(_seconds(row.time, whole_time) for row in request.rows)
    return Asked(whole, times, ids, tuple(_plain(row.features) for row in request.rows))


def _seconds(time: float | datetime | None, default: float) -> float:
    if time is None:
        return default
    return time.timestamp() if isinstance(time, datetime) else time


def response(asked: Asked, served: Served) -> dict[str, Any]:
    """What the caller gets."""
    assert served.answer is not None
    values = zip(asked.ids, served.answer.predictions, served.answer.scores, strict=True)
    return {
        "id": asked.id,
        "version": served.version,
        "by": served.by,
        "predictions": [{"id": row, "prediction": p, "score": s} for row, p, s in values],
    }


def records(model: str, asked: Asked, served: Served) -> list[dict[str, Any]]:
    """One telemetry record a row."""
    nothing: Sequence[None] = [None] * len(asked.ids)
    predictions = served.answer.predictions if served.answer else nothing
    scores = served.answer.scores if served.answer else nothing
    return [
        {
            "kind": "prediction",
            "model": model,
            "version": served.version,
            "id": row,
            "time": time,
            "features": features,
            "prediction": prediction,
            "score": score,
            "latency_ms": served.latency_ms,
            "error": served.error,
            "by": served.by,
        }
        for row, time, features, prediction, score in zip(
            asked.ids, asked.times, asked.features, predictions, scores, strict=True
        )
    ]


def _plain(features: Mapping[str, Any]) -> dict[str, Any]:
    """NaN and infinity mean missing; JSON towards the versions has neither."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in features.items()
    }
