"""Commands: what each does to the world, what is refused and how, once per key."""

from __future__ import annotations

import asyncio
import getpass
from datetime import timedelta

import pytest

from autoheal import net
from autoheal.api.wire import Accepted
from autoheal.client.connection import Connection
from autoheal.clock import SystemClock
from autoheal.domain.events import ApprovalAnswered, PauseSet
from autoheal.errors import DoorError
from tests.api.house import House

ME = getpass.getuser()


async def test_an_approval_is_bound_to_the_plan_that_was_shown(home: House) -> None:
    await home.breach()
    asked = next(iter(home.kernel.world.approvals.values()))
    async with Connection(home.control) as daemon:
        with pytest.raises(DoorError, match="another plan") as caught:
            await daemon.answer(asked.id, "given", "0000", "sure")
        assert caught.value.status == 409
        assert home.kernel.world.approvals[asked.id].state == "open"
        await daemon.answer(asked.id, "given", asked.plan_hash, "go on")
        answered = home.kernel.world.approvals[asked.id]
        assert (answered.state, answered.actor, answered.note) == ("given", ME, "go on")
        with pytest.raises(DoorError, match=f"given already by {ME}"):
            await daemon.answer(asked.id, "refused", asked.plan_hash)
        with pytest.raises(DoorError, match="no approval") as missing:
            await daemon.answer("A-99", "given", asked.plan_hash)
        assert missing.value.status == 404


async def test_a_given_approval_starts_the_run_and_a_run_can_be_cancelled(home: House) -> None:
    await home.breach()
    asked = next(iter(home.kernel.world.approvals.values()))
    async with Connection(home.control) as daemon:
        await daemon.answer(asked.id, "given", asked.plan_hash)
        run = next(iter(home.kernel.world.runs.values()))
        with pytest.raises(DoorError, match="one run per model"):
            await daemon.start_run("tell", "fraud", {"reason": "by hand"})
        await daemon.cancel_run(run.id, "not now")
        with pytest.raises(DoorError, match="no run"):
            await daemon.cancel_run("R-99")


async def test_a_run_by_hand(home: House) -> None:
    async with Connection(home.control) as daemon:
        accepted = await daemon.start_run("tell", "eta", {"reason": "drill"})
        assert accepted.run in home.kernel.world.runs
        assert home.kernel.world.runs[accepted.run].actor == ME
        for runbook, model, inputs, status in (
            ("tall", "eta", {}, 404),
            ("tell", "nobody", {}, 404),
            ("tell", "fraud", {"raeson": "x"}, 422),
        ):
            with pytest.raises(DoorError) as caught:
                await daemon.start_run(runbook, model, inputs)
            assert caught.value.status == status


async def test_pause_and_resume(home: House) -> None:
    async with Connection(home.control) as daemon:
        await daemon.pause("fraud", "db upgrade")
        pause = home.kernel.world.pauses["fraud"]
        assert (pause.actor, pause.reason, pause.until) == (ME, "db upgrade", None)
        await daemon.resume("fraud")
        assert not home.kernel.world.pauses
        with pytest.raises(DoorError, match="not paused") as caught:
            await daemon.resume("fraud")
        assert caught.value.status == 409
        with pytest.raises(DoorError, match="no model"):
            await daemon.pause("frad", "x")
        with pytest.raises(DoorError, match="in the past"):
            await daemon.pause("fleet", "x", SystemClock().now() - timedelta(minutes=1))


async def test_silences_have_numbers_of_their_own_and_can_end_early(home: House) -> None:
    until = SystemClock().now() + timedelta(hours=1)
    async with Connection(home.control) as daemon:
        await asyncio.gather(*(daemon.silence(f"m{i}", "*", "drill", until) for i in range(5)))
        assert len(home.kernel.world.silences) == 5
        name = next(iter(home.kernel.world.silences))
        await daemon.expire_silence(name)
        assert all(s.id != name or s.until < until for s in home.kernel.world.silences.values())
        with pytest.raises(DoorError, match="no silence"):
            await daemon.expire_silence("S-0")
        with pytest.raises(DoorError, match="in the past"):
            await daemon.silence("x", "*", "r", SystemClock().now())


async def test_an_incident_is_closed_by_hand_once(home: House) -> None:
    await home.breach()
    name = next(iter(home.kernel.world.incidents))
    async with Connection(home.control) as daemon:
        await daemon.close_incident(name, "false alarm")
        assert not home.kernel.world.incidents[name].open
        with pytest.raises(DoorError, match="closed already"):
            await daemon.close_incident(name)
        with pytest.raises(DoorError, match="no incident"):
            await daemon.close_incident("INC-99")


async def test_reload_tells_the_actor_and_hands_back_the_problems(home: House) -> None:
    async with Connection(home.control) as daemon:
        assert (await daemon.reload()).ok
        home.reload_problems.append("conf/a.yaml:3:1: error: no such action")
        answer = await daemon.reload()
    assert not answer.ok
    assert answer.problems == ("conf/a.yaml:3:1: error: no such action",)
    assert home.reloads == [ME, ME]


async def test_a_key_makes_a_command_act_once(home: House) -> None:
    body = {"scope": "fraud", "reason": "x"}
    async with net.client(socket=str(home.control)) as client:
        answers = await asyncio.gather(
            *(client.post("/v1/pause", json=body, headers={"Idempotency-Key": "k1"}) for _ in range(4))
        )
        assert {a.text for a in answers} == {answers[0].text}
        other = await client.post("/v1/pause", json=body | {"reason": "y"}, headers={"Idempotency-Key": "k1"})
        assert other.status_code == 422
        assert "Idempotency-Key" in other.json()["error"]
        unknown = {"scope": "later", "reason": "x"}
        for _ in range(2):  # what failed may be tried again
            failed = await client.post("/v1/pause", json=unknown, headers={"Idempotency-Key": "k2"})
            assert failed.status_code == 404
        await client.post("/v1/resume", json={"scope": "fraud"}, headers={"Idempotency-Key": "k1"})
    paused = [e for e in home.log.read(0) if isinstance(e.event, PauseSet)]
    assert len(paused) == 1
    assert not home.kernel.world.pauses


async def test_the_memory_of_keys_is_bounded(home: House) -> None:
    remembered = home.doors.doors[0].app.state.remembered
    async with net.client(socket=str(home.control)) as client:
        for i in range(3):
            await client.post("/v1/reload", headers={"Idempotency-Key": f"r{i}"})
        remembered.size = 2
        await client.post("/v1/reload", headers={"Idempotency-Key": "r9"})
    assert len(remembered._seen) == 2


MALFORMED = {
    "not JSON": (b"{nope", 400),
    "nothing": (b"", 422),
    "a list": (b"[]", 422),
    "null": (b"null", 422),
    "not UTF-8": (b'{"reason": "\xff\xfe"}', 400),
    "unknown field": (b'{"reason": "x", "scop": "fleet"}', 422),
    "wrong type": (b'{"reason": 7}', 422),
    "empty reason": (b'{"reason": ""}', 422),
    "a naive time": (b'{"reason": "x", "until": "2030-01-01T00:00:00"}', 422),
    "half a character": (b'{"reason": "\\ud800"}', 422),
    "endless nesting": (b"[" * 100_000, 400),
    "too large": (b'{"reason": "' + b"x" * (1 << 20) + b'"}', 413),
    "a million characters": (b'{"reason": "' + b"x" * 1_000_000 + b'"}', 422),
}


@pytest.mark.parametrize("case", MALFORMED)
async def test_malformed_bodies_are_refused_and_disturb_nothing(home: House, case: str) -> None:
    body, status = MALFORMED[case]
    before = home.kernel.world
    async with net.client(socket=str(home.control)) as client:
        answer = await client.post("/v1/pause", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == status, answer.text
        assert answer.json()["error"]
        assert (await client.get("/healthz")).status_code == 200
    assert home.kernel.world == before


@pytest.mark.parametrize(
    "value", ["NaN", "1e999", "123456789012345678901234567890", '"\\ud800"', '{"a": [Infinity]}']
)
async def test_inputs_that_the_log_cannot_hold_are_refused(home: House, value: str) -> None:
    body = f'{{"runbook": "tell", "model": "eta", "inputs": {{"reason": {value}}}}}'
    async with net.client(socket=str(home.control)) as client:
        answer = await client.post("/v1/runs", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert not home.kernel.world.runs


async def test_answers_race_and_the_log_has_one_winner(home: House) -> None:
    """Ten people answer at once: whatever the order, the approval ends in one state, and the log says who asked."""
    await home.breach()
    asked = next(iter(home.kernel.world.approvals.values()))
    async with Connection(home.control) as daemon:
        words = ["given", "refused"] * 5
        results = await asyncio.gather(
            *(daemon.answer(asked.id, w, asked.plan_hash) for w in words), return_exceptions=True
        )
    accepted = [r for r in results if isinstance(r, Accepted)]
    assert accepted
    first = next(e.event for e in home.log.read(0) if isinstance(e.event, ApprovalAnswered))
    assert home.kernel.world.approvals[asked.id].state == first.answer
