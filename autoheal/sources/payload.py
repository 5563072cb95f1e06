"""One message of a stream as checked records: JSON (a record, a list, ``{"records": [...]}``), NDJSON, MessagePack. Pure.

Used by ``mqtt``. The topic is the authority for model and kind, because that is what the broker's access list is
about: a record may leave them out, and one that claims others is refused. A sender cannot be told, so good records of
a message are kept and bad ones counted. MessagePack is known by its first byte, which no JSON can have, and read by an
extra that is loaded when the first such message comes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic_core import from_json

from autoheal.domain.names import ModelName, Task
from autoheal.sources.tally import Tally
from autoheal.telemetry import Record, Refusal, parse_rows
from autoheal.telemetry.pack import pack
from autoheal.telemetry.packed import Packed

Kind = Literal["prediction", "outcome", "metric", "features"]
#: A message may be this long; whoever has more sends several.
LARGEST = 1024 * 1024
#: JSON is UTF-8 and begins below this; the maps and lists of MessagePack begin above.
FIRST_OF_MSGPACK = 0x80


def records(
    payload: bytes, model: ModelName, kind: Kind | None, tasks: Mapping[ModelName, Task], tally: Tally
) -> list[Record]:
    """The usable records of one message; an empty one (a retained message that was cleared) has none."""
    if len(payload) > LARGEST:
        tally.refuse("too_large", f"a message of {len(payload)} bytes, {LARGEST} are read")
        return []
    if not payload.strip():
        return []
    if model not in tasks:
        tally.refuse("unknown_model", f"no model is called {model[:80]!r}")
        return []
    rows = [row for row in _rows(payload, tally) if _fits(row, model, kind, tally)]
    named = [{"model": model, **({"kind": kind} if kind else {}), **row} for row in rows]
    try:
        return parse_rows(named, tasks) if named else []
    except Refusal:
        return _one_by_one(named, tasks, tally)


def columns(
    payloads: Sequence[bytes], model: ModelName, kind: Kind | None, tasks: Mapping[ModelName, Task]
) -> Packed | None:
    """The records of several messages of one topic at once, when all are predictions and plainly in order; None when
    ``records`` has to look at each."""
    if kind not in {None, "prediction"} or any(
        len(payload) > LARGEST or b"\r" in payload for payload in payloads
    ):
        return None
    given = {"model": model, "kind": kind} if kind else {"model": model}
    found = pack(b"\n".join(payload.strip() for payload in payloads), tasks, given)
    return found if found is not None and found.model == model else None


def _rows(payload: bytes, tally: Tally) -> list[Any]:
    if payload[0] >= FIRST_OF_MSGPACK:
        return _listed(_unpacked(payload, tally), tally)
    try:
        document = from_json(payload)
    except ValueError:
        lines = payload.splitlines()
        if len(lines) == 1:
            tally.refuse("not_json", "a message is not JSON")
            return []
        return _lines(lines, tally)
    return _listed(document, tally)


def _unpacked(payload: bytes, tally: Tally) -> Any:
    """A MessagePack document, an empty list when it is none."""
    try:
        import msgpack  # noqa: PLC0415 - an extra, for those whose senders use it
    except ImportError:
        tally.refuse("msgpack", "messages in MessagePack need: pip install 'autoheal[msgpack]'")
        return []
    try:
        return msgpack.unpackb(payload, timestamp=0, strict_map_key=True)
    except (ValueError, msgpack.UnpackException) as error:
        tally.refuse("not_msgpack", f"a message is no MessagePack: {type(error).__name__}")
        return []


def _listed(document: Any, tally: Tally) -> list[Any]:
    if isinstance(document, dict):
        document = document.get("records", [document])
    if not isinstance(document, list):
        tally.refuse("not_a_record", "a message is no record, list of records or {records: [...]}")
        return []
    return document


def _lines(lines: Sequence[bytes], tally: Tally) -> list[Any]:
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found.append(from_json(line))
            except ValueError:
                tally.refuse("not_json", f"line {number} of a message is not JSON")
    return found


def _fits(row: object, model: ModelName, kind: Kind | None, tally: Tally) -> bool:
    if not isinstance(row, dict):
        tally.refuse("not_a_record", "a record must be an object")
    elif row.get("model", model) != model:
        tally.refuse("other_model", f"a record on {model}'s topic is about another model")
    elif kind and row.get("kind", kind) != kind:
        tally.refuse("other_kind", f"a record on a topic of {kind.removesuffix('s')}s is none")
    else:
        return True
    return False


def _one_by_one(rows: Sequence[object], tasks: Mapping[ModelName, Task], tally: Tally) -> list[Record]:
    good: list[Record] = []
    for row in rows:
        try:
            good += parse_rows([row], tasks)
        except Refusal as refusal:
            tally.refuse(refusal.field or refusal.reason, refusal.message)
    return good
