"""The telemetry records and how they are checked: bytes or dicts in, frozen records or one exact refusal out. Pure.

Sources call ``parse_body`` (JSON or NDJSON bytes) or ``parse_rows`` (dicts). A batch is taken whole or not at all;
the refusal names row, field and defect and never repeats the input. The surprising part: NaN and infinity are
accepted *in features only*, where they mean missing, because data-frame exporters write them for null.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from autoheal.domain.names import ModelName, Task
from autoheal.telemetry.refusal import Refusal
from autoheal.telemetry.values import parse_time

#: Longest id and the other limits of one record; a door adds its own limit of the whole body.
MAX_ID = 200
MAX_TEXT = 1000
MAX_FEATURES = 2000
MAX_ROWS = 200_000

Scalar = float | str | bool | None


def _id_text(value: object) -> object:
    """Ids may be whole numbers; they are texts from here on."""
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return str(value) if whole else value


def _label(value: object) -> object:
    """A label or prediction: a number, a text or a boolean, never NaN."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be a finite number, a text or a boolean")
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise ValueError(f"must have at most {MAX_TEXT} characters")
    if isinstance(value, int) and abs(value) > 2**63:
        raise ValueError("is too large")
    if not isinstance(value, str | bool | int | float):
        raise ValueError("must be a finite number, a text or a boolean")  # noqa: TRY004 - pydantic maps ValueError
    return value


def _answer(value: object) -> object:
    return None if value is None else _label(value)


def _perhaps(value: object) -> float | None:
    return None if value is None else parse_time(value)


Name = Annotated[str, Field(min_length=1, max_length=MAX_ID)]
Id = Annotated[str, BeforeValidator(_id_text), Field(min_length=1, max_length=MAX_ID)]
Unix = Annotated[float, BeforeValidator(parse_time)]
Finite = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Feature = (
    Annotated[float, Field(strict=True)]
    | Annotated[bool, Field(strict=True)]
    | Annotated[str, Field(strict=True, max_length=MAX_TEXT)]
    | None
)


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer of a model. ``time`` is unix seconds of the data's own clock; ``prediction`` is None only with an
    ``error``; ``score`` is the probability of the positive class; ``by`` tells a stand-in's answers apart."""

    model: ModelName
    version: Name
    id: Id
    time: Unix
    features: Annotated[dict[str, Feature], Field(max_length=MAX_FEATURES)] = field(default_factory=dict)
    prediction: Annotated[Scalar, BeforeValidator(_answer)] = None
    score: Annotated[Finite, Field(ge=0, le=1)] | None = None
    latency_ms: Annotated[Finite, Field(ge=0)] | None = None
    error: Annotated[str, Field(max_length=MAX_TEXT)] | None = None
    by: Literal["champion", "fallback"] = "champion"
    kind: Literal["prediction"] = "prediction"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The truth about one prediction, often late. ``time`` is when the truth was known to the producer."""

    model: ModelName
    id: Id
    time: Unix
    label: Annotated[Scalar, BeforeValidator(_label)]
    kind: Literal["outcome"] = "outcome"


@dataclass(frozen=True, slots=True)
class Metric:
    """One sample of a service metric, such as ``latency_p95_ms``, ``error_rate``, ``requests_per_s``."""

    model: ModelName
    name: Name
    value: Finite
    time: Unix
    kind: Literal["metric"] = "metric"


@dataclass(frozen=True, slots=True)
class Features:
    """What the training pipeline computes for the entity and time of one prediction. Only features that it names are
    compared; null says that it finds none. ``time`` is when it computed them: of two for one id the later one stands,
    without a time the one that came last."""

    model: ModelName
    id: Id
    features: Annotated[dict[str, Feature], Field(max_length=MAX_FEATURES)]
    time: Annotated[float | None, BeforeValidator(_perhaps)] = None
    kind: Literal["features"] = "features"


Record = Prediction | Outcome | Metric | Features
_Rows = TypeAdapter(list[Annotated[Record, Field(discriminator="kind")]])


def parse_rows(rows: Sequence[object], tasks: Mapping[ModelName, Task]) -> list[Record]:
    """Check a whole batch; raises ``Refusal`` for the first defect. ``tasks`` are the models that exist."""
    if len(rows) > MAX_ROWS:
        raise Refusal("too_large", f"a batch has at most {MAX_ROWS} records")
    try:
        records = _Rows.validate_python(rows)
    except ValidationError as error:
        raise _refusal(error) from None
    for index, record in enumerate(records):
        _check(index, record, tasks)
    return records


def parse_body(body: bytes, tasks: Mapping[ModelName, Task], *, lines: bool = False) -> Sequence[Record]:
    """Records of a JSON document (one record, a list, or ``{"records": [...]}``) or of NDJSON ``lines``."""
    if lines:
        from autoheal.telemetry.pack import pack  # noqa: PLC0415 - it gives records, and needs their limits

        packed = pack(body, tasks)
        if packed is not None:
            return packed
    return parse_rows(_ndjson(body) if lines else _json(body), tasks)


def _json(body: bytes) -> list[Any]:
    try:
        document = from_json(body)
    except ValueError as error:
        raise Refusal("not_json", f"not JSON: {str(error)[:200]}") from None
    if isinstance(document, dict):
        document = document.get("records", [document])
    if not isinstance(document, list):
        raise Refusal("bad_row", "want a record, a list of records, or {records: [...]}", field="records")
    return document


def _ndjson(body: bytes) -> list[Any]:
    rows: list[Any] = []
    for line in body.split(b"\n"):
        if text := line.strip():
            try:
                rows.append(from_json(text))
            except ValueError as error:
                raise Refusal("not_json", f"not JSON: {str(error)[:200]}", row=len(rows)) from None
    return rows


def _refusal(error: ValidationError) -> Refusal:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    row, *path = first["loc"] or (None,)
    if path and path[0] in {"prediction", "outcome", "metric", "features"}:
        path = path[1:]
    if path and path[0] == "features" and len(path) > 1:
        where, message = f"features.{str(path[1])[:MAX_ID]}", _FEATURE
    else:
        where = str(path[0]) if path else "kind" if first["type"].startswith("union_tag") else ""
        message = _MESSAGES.get(first["type"], first["msg"].removeprefix("Value error, "))
    return Refusal("bad_row", message, row=row if isinstance(row, int) else None, field=where)


_FEATURE = f"must be a number, a text of at most {MAX_TEXT} characters, a boolean or null"
_MESSAGES = {
    "union_tag_not_found": "is missing: prediction, outcome, metric or features",
    "union_tag_invalid": "must be prediction, outcome, metric or features",
    "too_long": f"must have at most {MAX_ID} characters",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "string_too_long": "is too long",
    "missing": "is missing",
    "dataclass_type": "a record must be an object",
    "dict_type": "must be an object",
    "model_attributes_type": "a record must be an object",
}


def _check(index: int, record: Record, tasks: Mapping[ModelName, Task]) -> None:
    """What depends on the model: that it exists, and that a regression gives and gets numbers."""
    task = tasks.get(record.model)
    if task is None:
        raise Refusal("unknown_model", f"no model is called {record.model[:80]!r}", row=index, field="model")
    if isinstance(record, Metric | Features):
        return
    name, value = (
        ("label", record.label) if isinstance(record, Outcome) else ("prediction", record.prediction)
    )
    if value is None:
        if isinstance(record, Prediction) and record.error is None:
            raise Refusal("bad_row", "is missing and no error says why", row=index, field="prediction")
    elif task is Task.REGRESSION and (isinstance(value, str | bool)):
        raise Refusal("bad_row", f"must be a number: {record.model} is a regression", row=index, field=name)
