"""What the rows of one batch look like, and decoders made for just that: JSON straight to typed fields. Pure.

Used by ``pack``. A shape is taken from a batch's first row; its decoder accepts rows of the same model and version with
the same features and no other keys, in any order, and refuses everything else, so that what it takes needs no second
look. msgspec does that in half the time that orjson needs to make dictionaries. The surprising part: numbers and texts
are told apart by the first row, because a truth value would otherwise pass for a number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import attrgetter
from typing import Annotated, Any, Literal

import msgspec

from autoheal.telemetry.records import MAX_FEATURES, MAX_ID, MAX_TEXT

#: Keys that a record may have; others are looked at no further, but must not be objects or lists.
KNOWN = frozenset(
    ("kind", "model", "version", "id", "time", "features", "prediction", "score", "latency_ms", "error", "by")
)
#: Further keys of a record that are let pass, and shapes whose decoders are kept.
MOST_MORE, SHAPES = 20, 1024
Kind = Literal["number", "text", "any"]
_Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID)]
_More = float | str | bool | None
_FEATURE: Mapping[Kind, Any] = {
    "number": float | None,
    "text": _Text | None,
    "any": float | _Text | bool | None,
}
_TIME: Mapping[Kind, Any] = {"number": float, "text": _Text, "any": msgspec.UnsetType}
_ANSWER: Mapping[Kind, Any] = {
    "number": float,
    "text": int | float | bool | _Text,
    "any": int | float | bool | _Text,
}
#: Why a row is not of the shape: wrong type, value or syntax, bytes that are no UTF-8.
ODD = (msgspec.MsgspecError, UnicodeDecodeError)
#: Of a decoded row, what differs from row to row; features as ``values`` takes them.
fields = attrgetter("id", "features", "time", "prediction", "score", "latency_ms")
#: The values of decoded features, in the order of the shape.
values = msgspec.structs.astuple


@dataclass(frozen=True, slots=True)
class Shape:
    """Model and version, the names of the features, what each is in the first row, likewise time and answer, and
    further keys of the records; ``given`` names those of kind and model that a row may leave out."""

    model: str
    version: str
    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    time: Kind
    answer: Kind
    more: tuple[str, ...] = ()
    given: tuple[str, ...] = ()

    @classmethod
    def of(cls, row: Mapping[str, Any], given: Mapping[str, str]) -> Shape | None:
        """The shape of this row, None when it is not a usual one; KeyError when something is missing. ``given`` is what
        rows need not say."""
        first = {**given, **row}
        model, version, features = first["model"], first["version"], first["features"]
        more = tuple(sorted(first.keys() - KNOWN))
        if not isinstance(model, str) or not isinstance(version, str) or not 0 < len(version) <= MAX_ID:
            return None
        if not isinstance(features, dict) or not 0 < len(features) <= MAX_FEATURES or len(more) > MOST_MORE:
            return None
        if "records" in more:  # perhaps not a record at all
            return None
        kinds = tuple(map(_kind, features.values()))
        time, answer = _kind(first["time"]), _kind(first["prediction"])
        return cls(model, version, tuple(features), kinds, time, answer, more, tuple(given))

    def loose(self) -> Shape:
        """The same for features and answers of any kind."""
        return replace(self, kinds=tuple(_kind(None) for _ in self.names), answer=_kind(None))


@lru_cache(maxsize=SHAPES)
def decoder(shape: Shape) -> Callable[[bytes], list[Any]]:
    """Decodes rows, one after the other with white space between; raises one of ``ODD``, ValueError for names that
    it cannot have."""
    inner = _struct(
        "Features", [(n, _FEATURE[kind]) for n, kind in zip(shape.names, shape.kinds, strict=True)]
    )
    wanted = [
        ("kind", Literal["prediction"], *(("prediction",) if "kind" in shape.given else ())),
        ("model", _only(shape.model), *((shape.model,) if "model" in shape.given else ())), ("version", _only(shape.version)), ("id", _Id),
        ("time", _TIME[shape.time]), ("features", inner), ("prediction", _ANSWER[shape.answer]),
        ("score", float | None, None), ("latency_ms", float | None, None), ("error", None, None),
        ("by", Literal["champion"], "champion"),
    ]  # fmt: skip
    row = _struct("Row", [*wanted, *((name, _More, None) for name in shape.more)])
    return msgspec.json.Decoder(row).decode_lines


def _struct(name: str, keys: Sequence[tuple[Any, ...]]) -> Any:
    """A type for an object with these keys (name, type and perhaps a default) and no others."""
    ours = [key if key in KNOWN else f"_{place}" for place, (key, *_) in enumerate(keys)]
    rename = {mine: key for mine, (key, *_) in zip(ours, keys, strict=True)}
    made = [(mine, *rest) for mine, (_, *rest) in zip(ours, keys, strict=True)]
    return msgspec.defstruct(name, made, rename=rename, forbid_unknown_fields=True, gc=False, kw_only=True)


def _only(text: str) -> Any:
    return Literal[text]


def _kind(value: object) -> Kind:
    if isinstance(value, str):
        return "text"
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else "any"
