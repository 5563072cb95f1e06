"""What goes to disk comes back as it was: the promise under every restart."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings

from autoheal.domain import events as ev
from autoheal.domain.names import RunId, StepKey
from autoheal.errors import StoreError
from autoheal.store.codec import (
    UnrecordableError,
    canonical,
    chain,
    decode_entry,
    decode_world,
    encode_entry,
    encode_world,
    world_digest,
)
from tests.store.build import EVENTS, START, anything, instance_of, worlds

SLOW = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=60)


@settings(SLOW, max_examples=300)
@given(anything)
def test_any_event_round_trips(event: ev.Event) -> None:
    entry = ev.Entry(7, START, event)
    text = encode_entry(entry)
    back = decode_entry(text, seq=7)
    assert back == entry
    assert type(back.event) is type(event)
    assert encode_entry(back) == text  # one value, one text: the hash chain depends on it


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_every_kind_of_event_round_trips(kind: type) -> None:
    @settings(SLOW, max_examples=5)
    @given(instance_of(kind))
    def check(event: ev.Event) -> None:
        assert decode_entry(encode_entry(ev.Entry(1, START, event)), seq=1).event == event

    check()


@settings(SLOW, max_examples=25)
@given(worlds)
def test_any_world_round_trips(world: object) -> None:
    text = encode_world(world)  # type: ignore[arg-type]
    assert decode_world(text) == world
    assert encode_world(decode_world(text)) == text


@settings(SLOW)
@given(anything)
def test_canonical_changes_nothing_that_is_canonical(event: ev.Event) -> None:
    assert canonical(event) == event


def step(outputs: dict[str, object]) -> ev.StepFinished:
    return ev.StepFinished(RunId("r"), "s", StepKey("r/s"), "done", outputs)


def test_loose_values_become_what_a_restart_would_read() -> None:
    event = canonical(step({"pair": (1, 2), "at": datetime(2026, 1, 1, tzinfo=UTC), "inf": math.inf}))
    assert event == step({"pair": [1, 2], "at": "2026-01-01T00:00:00Z", "inf": "Infinity"})
    assert canonical(event) == event


@pytest.mark.parametrize("value", [object(), "\ud800", b"\xff"], ids=["object", "surrogate", "bytes"])
def test_what_cannot_be_read_back_is_refused(value: object) -> None:
    with pytest.raises(UnrecordableError):
        canonical(step({"x": value}))


def test_a_value_of_the_wrong_type_is_refused_before_it_makes_the_log_illegible() -> None:
    with pytest.raises(UnrecordableError):
        encode_entry(ev.Entry(1, START, ev.StepStarted(RunId("r"), "s", StepKey("r/s"), None)))  # type: ignore[arg-type]


def test_nesting_without_end_is_refused() -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(UnrecordableError):
        canonical(step({"x": deep}))


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"seq":3}', '{"seq":3,"at":"2026-01-01T00:00:00Z","event":{"kind":"nonsense"}}'],
)
def test_an_odd_row_is_named(text: str) -> None:
    with pytest.raises(StoreError, match="log entry 3"):
        decode_entry(text, seq=3)


def test_an_entry_in_the_wrong_place_is_named() -> None:
    with pytest.raises(StoreError, match=r"log entry 3 .* claims to be entry 2"):
        decode_entry(encode_entry(ev.Entry(2, START, ev.Ticked())), seq=3)


def test_the_chain_covers_what_came_before() -> None:
    assert chain("a", "x") != chain("b", "x")
    assert len(chain("", "")) == 64


def test_the_digest_is_stable() -> None:
    assert world_digest() == world_digest()
    assert len(world_digest()) == 64
