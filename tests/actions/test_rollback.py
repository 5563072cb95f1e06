"""The proof of a rollback: candidates on rows from after the change, and what timing may allow."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from autoheal.actions.targets.versions import Lineage, NewVersion
from autoheal.domain.names import ModelName
from autoheal.errors import ActionNotYet, ActionRefused
from tests.actions.house import SPEC, START, TRAINED, house, put_model, row, serve_rows

#: An error of 5 counts as quite wrong; healthy is a mean loss of 0.05, and v1 has about 0.1 where the slope is 1.
REFERENCE = {
    "rows": 100,
    "features": {},
    "performance": {},
    "loss": {"mean": 0.05, "n": 1_000, "scale": 5.0, "alike": 1.0},
}


def hour(n: int):
    return START + timedelta(hours=n)


def served(n: int, slope: float, version: str = "v1", answer: float = 1.0):
    """The n-th hour as ``version`` answered it (``answer`` times x), in a world of this slope."""
    made, outcome = row(n, slope=slope)
    made = replace(made, version=version, prediction=answer * made.features["x"])
    return made, replace(outcome, label=slope * made.features["x"])


def with_reference(home, version: str, **loss) -> None:
    path = home.registry.root / "m" / "versions" / version / "reference.json"
    path.write_bytes(orjson.dumps(REFERENCE | {"loss": REFERENCE["loss"] | loss}))


def release(home, version: str, at, **model) -> None:
    """A version that CI puts in place, made of older data."""
    lineage = Lineage(START - timedelta(days=9), TRAINED, 100)
    source = put_model(home.folder / f"model-{version}", **model)
    home.registry.register("m", source, NewVersion(version=version, lineage=lineage), at=at)
    with_reference(home, version)
    home.registry.set_champion("m", version, by="ci", at=at)


async def prove(home, **params):
    return await home.apply("evaluate.candidate", "R1/prove", model="m", **{"version": "v0"} | params)


async def test_only_rows_from_after_the_change_prove_anything(tmp_path):
    async with house(tmp_path) as home:
        with_reference(home, "v1")
        home.add("twice", slope=2.0, bias=0.0)
        # The champion (1 x) is right until row 700, then the world is 2 x.
        world = [served(n, 1.0 if n < 700 else 2.0) for n in range(1000)]
        await serve_rows(home.telemetry, world)
        done = await prove(home, version="twice", since=hour(720))
        assert done["on"] == "labels"
        assert 200 <= done["n"] <= 290
        assert done["version"] == "twice"
        assert "over by" in done["began"]
        # On all rows the champion would have won.
        with pytest.raises(ActionRefused, match="is refused"):
            await prove(home, version="twice")


async def test_too_few_rows_since_the_change_are_said_so(tmp_path):
    async with house(tmp_path) as home:
        with_reference(home, "v1")
        await serve_rows(home.telemetry, (served(n, 1.0 if n < 900 else 2.0) for n in range(1000)))
        with pytest.raises(
            ActionNotYet,
            match=r"\d+ labelled rows of m since the change .* 200 are needed; nor by timing: v1 replaced nothing",
        ):
            await prove(home, since=hour(905))
        with pytest.raises(ActionNotYet, match=r"200 are needed$"):
            await prove(home, since=hour(905), timing=False)


async def test_a_gain_must_be_a_third_of_what_was_lost_unless_somebody_says_otherwise(tmp_path):
    async with house(tmp_path) as home:
        with_reference(home, "v1")
        home.add("slightly", slope=1.1, bias=0.0)
        await serve_rows(home.telemetry, (served(n, 1.0 if n < 500 else 2.5) for n in range(1000)))
        with pytest.raises(ActionNotYet, match="less than a third of the rise"):
            await prove(home, version="slightly", since=hour(505))
        done = await prove(home, version="slightly", since=hour(505), at_least=0.01)
        assert 0.01 < done["gain"] < 0.2


async def test_several_candidates_the_first_that_may_else_the_best(tmp_path):
    async with house(tmp_path) as home:
        with_reference(home, "v1")
        home.add("bad", slope=-3.0, bias=0.0)
        home.add("good", slope=1.9, bias=0.0)
        home.add("broken", status=500)
        await serve_rows(home.telemetry, (served(n, 1.0 if n < 300 else 2.0) for n in range(1000)))
        done = await prove(home, version="bad", also=["good", "v0", "broken", "v1"], since=hour(305))
        assert done["version"] == "good"  # v0 has a bias of 3
        assert set(done["candidates"]) == {"bad", "good", "v0", "broken", "base"}  # the stand-in for people
        assert "does not work" in done["candidates"]["broken"]
        first = await prove(home, version="good", also=["v0"], since=hour(305))
        assert first["version"] == "good"
        with pytest.raises(
            ActionNotYet, match=r"bad is refused: it is not better.*; broken: .*does not work"
        ):
            await prove(home, version="bad", also=["broken"], since=hour(305))


async def test_a_release_may_be_undone_on_timing_while_labels_are_to_come(tmp_path):
    async with house(tmp_path) as home:
        await serve_rows(home.telemetry, (served(n, 1.0) for n in range(400)))
        release(home, "v2", hour(400), slope=-1.0, bias=0.0)
        fresh = [served(n, 1.0, "v2", -1.0) for n in range(400, 520)]
        await serve_rows(home.telemetry, [(made, made) for made, _ in fresh])  # no labels yet
        done = await prove(home, version="v1", since=hour(400))
        assert done["on"].startswith("timing: 0 labelled rows of m since the change (2026-01-17 16:00)")
        assert "v2 was put in place at 2026-01-17 16:00" in done["on"]
        assert (done["version"], done["champion"], done["n"]) == ("v1", "v2", 0)
        with pytest.raises(ActionNotYet, match="nor by timing: the release at 2026-01-17 16:00 is outside"):
            await prove(home, version="v1", since=hour(404))
        allowed = await prove(home, version="v1", since=hour(404), release_within="5h")
        assert allowed["on"].startswith("timing")


async def test_moved_inputs_speak_against_timing(tmp_path):
    async with house(tmp_path) as home:
        await serve_rows(home.telemetry, (served(n, 1.0) for n in range(400)))
        release(home, "v2", hour(400), slope=-1.0, bias=0.0)
        for n in range(400, 520):
            made, _ = served(n, 1.0, "v2", -1.0)
            moved = replace(made, features={**made.features, "x": made.features["x"] + 6.0})
            await home.telemetry.ingest([moved])
        with pytest.raises(ActionNotYet, match=r"nor by timing: the inputs moved: x \(PSI "):
            await prove(home, version="v1", since=hour(400))


async def test_few_labels_of_a_bad_release_place_its_start_at_the_release(tmp_path):
    async with house(tmp_path) as home:
        await serve_rows(home.telemetry, (served(n, 1.0) for n in range(400)))
        release(home, "v2", hour(400), slope=-1.0, bias=0.0)
        await serve_rows(home.telemetry, (served(n, 1.0, "v2", -1.0) for n in range(400, 520)))
        done = await prove(home, version="v1", since=hour(470))
        assert done["on"].startswith("timing: 1")
        rows = home.telemetry.served(ModelName("m"), since=hour(399), until=hour(401), limit=10)
        assert [r["time"] for r in rows] == [hour(401), hour(400)]
        assert set(rows[0]) == {"time", "features"}


async def test_the_loss_that_rose_is_explained(tmp_path):
    async with house(tmp_path) as home:
        with_reference(home, "v1")
        world = []
        for n in range(1200):
            made, outcome = served(n, 1.0)
            if n >= 600 and made.features["x"] > 2.5:
                outcome = replace(outcome, label=outcome.label + 10.0)
            world.append((made, outcome))
        await serve_rows(home.telemetry, world)
        done = await home.apply("data.validate", "R1/data", model="m", min_rows=200, since=hour(620))
        assert done["blame"]["segments"][0].startswith("x > 2.")
        assert SPEC.features[0].name == "x"


async def test_the_gate_wants_more_than_the_best_constant_answer(tmp_path):
    async with house(tmp_path) as home:
        await serve_rows(home.telemetry, (row(n, slope=0.0) for n in range(400)))
        data = await home.apply("data.validate", "R1/data", model="m", min_rows=100)
        made = await home.apply(
            "pipeline.train",
            "R1/train",
            home.pipeline("worse"),
            model="m",
            dataset=data["dataset"],
            holdout=data["holdout"],
        )
        home.registry.set_champion("m", "v0", by="ci", at=START)
        home.add("wild", slope=9.0, bias=50.0)
        home.registry.set_champion("m", "wild", by="ci", at=START)
        with pytest.raises(ActionNotYet, match="no better than nothing"):
            await home.apply("evaluate.gate", "R1/gate", model="m", candidate=made["candidate"])
