"""Domain values to canonical JSON and back: the only place that knows how an entry looks on disk.

Called by the log, the snapshots and the kernel. What surprises:

* Canonical means *as pydantic writes it*: fields in the order of the dataclass, mappings in their own order, no
  spaces. Keys are not sorted, because a rebuilt world must iterate over its mappings as the live one did; the hash
  chain covers the very bytes that are stored.
* Infinities and NaN are strings (``"Infinity"``): as ``null`` they could not be read back. The setting does not reach
  dataclasses from their own adapter, hence the one-element tuple around every value.
* Loose values (``Mapping[str, object]``: a step's outputs, inputs) come back as JSON knows them. ``canonical`` does
  that at the door, so that the kernel decides on exactly what a restart would read.
"""

from __future__ import annotations

import functools
import hashlib
import logging
from typing import Final, Generic, TypeVar

import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from autoheal import __version__
from autoheal.domain.events import Entry, Event
from autoheal.domain.world import World
from autoheal.errors import StoreError

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
_CONFIG: Final = ConfigDict(ser_json_inf_nan="strings")


class UnrecordableError(StoreError):
    """A value has no faithful form on disk; whoever made it is told, and nothing is recorded."""


class _Codec(Generic[T]):
    def __init__(self, adapter: TypeAdapter[tuple[T]]) -> None:
        self.adapter = adapter

    def encode(self, value: T) -> str:
        """JSON text, not yet known to be readable."""
        try:
            return self.adapter.dump_json((value,), warnings="none")[1:-1].decode()
        except (PydanticSerializationError, RecursionError) as error:
            raise UnrecordableError(f"cannot be recorded: {_brief(error)}") from error

    def decode(self, text: str | bytes) -> T:
        """Raises pydantic's ValidationError; callers know which entry they read and say so."""
        raw = text.encode() if isinstance(text, str) else text
        return self.adapter.validate_json(b"[" + raw + b"]")[0]


@functools.cache
def _entries() -> _Codec[Entry]:
    return _Codec(TypeAdapter(tuple[Entry], config=_CONFIG))


@functools.cache
def _events() -> _Codec[Event]:
    return _Codec(TypeAdapter(tuple[Event], config=_CONFIG))


@functools.cache
def _worlds() -> _Codec[World]:
    return _Codec(TypeAdapter(tuple[World], config=_CONFIG))


def encode_entry(entry: Entry) -> str:
    """Text that is known to be readable: it was read. One value of the wrong type would close the log for ever, and
    pydantic writes some of them (a None where a number belongs) without a word."""
    text = _entries().encode(entry)
    try:
        same = _entries().decode(text) == entry
    except ValidationError as error:
        raise UnrecordableError(f"cannot be recorded: {_brief(error)}") from error
    if not same:
        _LOG.warning("entry %s (%s) reads back differently than it was", entry.seq, entry.event.kind)
    return text


def decode_entry(text: str | bytes, *, seq: int) -> Entry:
    """The entry stored at ``seq``; StoreError names it when it cannot be understood or claims another place."""
    try:
        entry = _entries().decode(text)
    except ValidationError as error:
        raise StoreError(f"log entry {seq} cannot be read: {_brief(error)}") from error
    if entry.seq != seq:
        raise StoreError(f"log entry {seq} cannot be read: it claims to be entry {entry.seq}")
    return entry


def canonical(event: Event) -> Event:
    """The event as a restart would read it; UnrecordableError when it would not."""
    codec = _events()
    try:
        return codec.decode(codec.encode(event))
    except ValidationError as error:
        raise UnrecordableError(f"cannot be recorded: {_brief(error)}") from error


def encode_world(world: World) -> str:
    return _worlds().encode(world)


def decode_world(text: str | bytes) -> World:
    try:
        return _worlds().decode(text)
    except ValidationError as error:
        raise StoreError(f"snapshot cannot be read: {_brief(error)}") from error


@functools.cache
def world_digest() -> str:
    """Names the shape of a snapshot: it changes with the world's schema and with the program's version, because a
    newer ``apply`` may keep other books."""
    schema = orjson.dumps(_worlds().adapter.json_schema(), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(__version__.encode() + b"\n" + schema).hexdigest()


def chain(previous: str, body: str) -> str:
    """The hash of an entry: sha256 over the hash before it (hex) and its own text."""
    return hashlib.sha256(previous.encode() + body.encode()).hexdigest()


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
