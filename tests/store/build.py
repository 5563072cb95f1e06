"""Strategies for any value of the domain, read off its types; so a new event is covered on the day it is written."""

from __future__ import annotations

import enum
import functools
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal

from hypothesis import strategies as st

from autoheal.domain import events as ev
from autoheal.domain.reason import Reason
from autoheal.domain.world import World

START = datetime(2026, 1, 1, tzinfo=UTC)
EVENTS: tuple[type, ...] = typing.get_args(typing.get_args(ev.Event)[0])

_zones = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-3))])
_plain: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=12),
    int: st.integers(-(2**40), 2**40),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    type(None): st.none(),
    datetime: st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=_zones),  # noqa: DTZ001 - zones are drawn
    timedelta: st.timedeltas(timedelta(days=-5000), timedelta(days=5000)),
    object: st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(-1e300, 1e300) | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=6,
    ),
}


def value_of(kind: Any) -> st.SearchStrategy[Any]:
    """A strategy for one type annotation of the domain."""
    if kind in _plain:
        return _plain[kind]
    if isinstance(kind, typing.NewType):
        return value_of(kind.__supertype__)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return st.sampled_from(list(kind))
    if is_dataclass(kind):
        return instance_of(kind)
    return _generic(typing.get_origin(kind), typing.get_args(kind))


def _generic(origin: Any, args: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([value_of(a) for a in args])
    if origin is tuple and args[-1] is Ellipsis:
        return st.lists(value_of(args[0]), max_size=2).map(tuple)
    if origin is Mapping:
        return st.dictionaries(value_of(args[0]), value_of(args[1]), max_size=2)
    raise NotImplementedError(f"no strategy for {origin} of {args}")


@functools.cache
def instance_of(kind: type) -> st.SearchStrategy[Any]:
    """A frozen dataclass with every field drawn, also those that have a default."""
    hints = typing.get_type_hints(kind)
    names = [f.name for f in fields(kind) if f.name != "kind" or kind not in EVENTS]
    if kind is Reason:
        names.remove("children")
        leaf = st.builds(kind, **{n: value_of(hints[n]) for n in names})
        child = st.lists(leaf, max_size=2).map(tuple)
        return st.builds(kind, **{n: value_of(hints[n]) for n in names}, children=child)
    return st.builds(kind, **{n: value_of(hints[n]) for n in names})


anything = st.sampled_from(EVENTS).flatmap(instance_of)
worlds = instance_of(World)


def ticks(first: int, last: int) -> list[ev.Entry]:
    """Numbered entries with a text of their own."""
    return [
        ev.Entry(n, START + timedelta(seconds=n), ev.TaskStateChanged("t", "running", f"entry {n} ✓"))
        for n in range(first, last + 1)
    ]
