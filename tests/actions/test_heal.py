"""Rollback and retrain, step by step, with every step done twice under its key."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from autoheal.actions.contract import Done
from autoheal.errors import ActionError, ActionRefused
from autoheal.telemetry.reference import load_reference
from tests.actions.house import START, house, row, serve_rows


async def validated(home, **params):
    return await home.apply("data.validate", "R1/data", model="m", min_rows=100, **params)


async def trained(home, mode="good", key="R1/train", **more):
    data = await validated(home)
    ctx = home.pipeline(mode, **more)
    return await home.apply(
        "pipeline.train", key, ctx, model="m", dataset=data["dataset"], holdout=data["holdout"]
    )


async def test_a_retrain_from_labelled_rows_to_traffic(tmp_path):
    async with house(tmp_path, routed=True) as home:
        await serve_rows(home.telemetry, (row(n) for n in range(400)))
        made = await trained(home)
        assert made["metrics"] == {"mae": 1.0, "rmse": 2.5}
        gate = await home.apply("evaluate.gate", "R1/gate", model="m", candidate=made["candidate"])
        assert gate["n"] == 80
        assert gate["gain"] > 0.9
        version = await home.apply("registry.register", "R1/register", model="m", candidate=made["candidate"])
        assert version == {"version": "v2"}
        moved = await home.apply("registry.set_champion", "R1/pin", model="m", version="v2", previous="v1")
        assert moved == {"version": "v2", "previous": "v1"}
        shifted = await home.apply("traffic.shift", "R1/shift", model="m", version="v2", percent=25)
        assert shifted == {"version": "v2", "percent": 25.0, "previous": {"v1": 100.0}}
        assert (await home.ctx.gateway.route("m")).weights == {"v1": 75.0, "v2": 25.0}
        restored = await home.apply("traffic.restore", "R1/restore", model="m")
        assert restored["version"] == "v2"
        assert (await home.ctx.gateway.route("m")).weights == {"v2": 100.0}

        assert [v.version for v in home.registry.versions("m")] == ["base", "v0", "v1", "v2"]
        info = home.registry.info("m", "v2")
        assert (info.parent, info.code_revision, info.lineage.rows) == ("v1", "abc123", 320)
        assert info.lineage.data_to == START + timedelta(hours=399)
        assert info.gate["gain"] == gate["gain"]
        reference = load_reference(home.registry.reference_path("m", "v2").read_bytes())
        assert reference.rows == 320
        assert reference.performance["mae"].n == 80
        assert reference.performance["mae"].value < 0.5
        assert reference.latency_p95_ms > 0
        most = reference.slices["x"].parts["x<=2.5"]
        assert most.loss.n == most.performance["mae"].n > 50
        assert set(most.features) == {"city"}
        assert sum(part.rows for part in reference.slices["city"].parts.values()) == 320


async def test_a_rollback_proves_itself_first_and_is_refused_where_it_would_not_help(tmp_path):
    async with house(tmp_path) as home:
        await serve_rows(home.telemetry, (row(n) for n in range(300)))
        home.add("v2", slope=-1.0, bias=0.0)
        done = await home.apply("evaluate.candidate", "R1/prove", model="m", version="v0")
        assert done["n"] == 300
        assert done["evidence"] > 20
        with pytest.raises(ActionRefused, match="v2 is refused: it is not better: on 300 rows"):
            await home.apply("evaluate.candidate", "R2/prove", model="m", version="v2")
        with pytest.raises(ActionRefused, match=r"gains less than 0\.99"):
            await home.apply("evaluate.candidate", "R3/prove", model="m", version="v0", at_least=0.99)
        with pytest.raises(ActionRefused, match="champion of m already"):
            await home.apply("evaluate.candidate", "R4/prove", model="m", version="v1")


async def test_after_concept_drift_the_old_version_is_no_remedy(tmp_path):
    async with house(tmp_path) as home:
        await serve_rows(home.telemetry, (row(n, slope=-4.0) for n in range(300)))
        with pytest.raises(ActionRefused, match="is refused"):
            await home.apply("evaluate.candidate", "R1/prove", model="m", version="v0")


async def test_rows_that_a_version_was_trained_on_do_not_speak_for_it(tmp_path):
    async with house(tmp_path) as home:
        await serve_rows(home.telemetry, (row(n) for n in range(300)))
        home.registry.set_champion("m", "v0", by="ci", at=START)
        from autoheal.actions.targets.versions import Lineage, NewVersion
        from tests.actions.house import put_model

        seen = Lineage(START, START + timedelta(hours=250), 250)
        source = put_model(tmp_path / "new", slope=2.0, bias=3.0)
        home.registry.register("m", source, NewVersion(version="v5", lineage=seen), at=START)
        with pytest.raises(
            ActionError, match=r"49 labelled rows of m that v5 was not trained on, 200"
        ) as caught:
            await home.apply("evaluate.candidate", "R1/prove", model="m", version="v5")
        assert caught.value.retryable  # labels may still come


async def test_a_champion_that_does_not_answer_is_replaced_by_what_beats_a_constant(tmp_path):
    async with house(tmp_path) as home:
        await serve_rows(home.telemetry, (row(n) for n in range(300)))
        home.add("broken", status=500)
        home.add("silly", slope=-2.0, bias=0.0)
        home.registry.set_champion("m", "broken", by="ci", at=START)
        done = await home.apply("evaluate.candidate", "R1/prove", model="m", version="v0")
        assert done["gain"] > 0.5
        with pytest.raises(
            ActionRefused, match=r"best constant answer.*the champion fails: version broken answers 500"
        ):
            await home.apply("evaluate.candidate", "R2/prove", model="m", version="silly")


async def test_a_model_server_that_is_away_is_worth_a_retry(tmp_path):
    async with house(tmp_path, served=False) as home:
        await serve_rows(home.telemetry, (row(n) for n in range(300)))
        with pytest.raises(ActionError, match="does not answer") as caught:
            await home.apply("evaluate.candidate", "R1/prove", model="m", version="v0")
        assert caught.value.retryable


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        ("worse", "it is not better"),
        ("nan_model", "gives no usable answer to 80 of 80 rows"),
        ("slow_model", "p95 latency"),
    ],
)
async def test_the_gate_refuses_and_the_champion_stays(tmp_path, mode, why):
    async with house(tmp_path) as home:
        await serve_rows(home.telemetry, (row(n) for n in range(400)))
        made = await trained(home, mode)
        with pytest.raises(ActionRefused, match=why):
            await home.apply("evaluate.gate", "R1/gate", model="m", candidate=made["candidate"])
        with pytest.raises(ActionRefused, match="has not passed its gate"):
            await home.apply("registry.register", "R1/register", model="m", candidate=made["candidate"])
        assert home.registry.champion("m").version == "v1"


async def test_known_good_and_the_whole_way_back(tmp_path):
    async with house(tmp_path, routed=True) as home:
        with pytest.raises(ActionRefused, match="no known good version"):
            await home.apply("registry.known_good", "R1/target", model="m")
        home.registry.set_champion("m", "v0", by="ci", at=START)
        home.registry.mark_good("m", "v0", START)
        home.registry.set_champion("m", "v1", by="ci", at=START)
        found = await home.apply("registry.known_good", "R1/target", model="m")
        assert found == {"version": "v0", "champion": "v1", "candidates": []}
        home.registry.set_champion("m", "v0", by="a third party", at=START)
        with pytest.raises(
            ActionRefused, match="contested: the champion of m is v0 by a third party, not v1"
        ):
            await home.apply("registry.set_champion", "R1/pin", model="m", version="v0", previous="v1")
        fallen = await home.apply("traffic.fallback", "R1/fall", model="m")
        assert fallen == {"version": "base", "previous": {"v1": 100.0}}
        assert (await home.ctx.gateway.route("m")).on_fallback
        back = await home.apply("traffic.restore", "R2/restore", model="m")
        assert back == {"version": "v0", "previous": {"base": 100.0}}


async def test_traffic_that_a_third_party_moved_meanwhile_is_not_overwritten(tmp_path):
    async with house(tmp_path, routed=True) as home:
        gateway = home.ctx.gateway
        route = await gateway.route("m")
        await gateway.put("m", {"v0": 100.0})
        with pytest.raises(ActionError, match="contested") as caught:
            await gateway.put("m", {"v1": 100.0}, key="k", if_revision=route.revision)
        assert caught.value.retryable
        with pytest.raises(ActionRefused, match="no version v77"):
            await home.apply("traffic.shift", "R1/shift", model="m", version="v77")
        with pytest.raises(ActionRefused, match="no gateway is configured"):
            await home.apply(
                "traffic.shift", "R1/shift", replace(home.ctx, gateway=None), model="m", version="v0"
            )


async def test_wait_counts_from_its_first_start(tmp_path):
    from autoheal.clock import ScaledClock, SystemClock

    async with house(tmp_path, served=False) as home:
        fast = ScaledClock(START, SystemClock().now(), 36_000)
        ctx = replace(home.ctx, clock=fast)
        await home.apply("wait", "R1/wait", ctx, **{"for": "1h"})
        assert await home.probe("wait", "R1/wait", ctx, **{"for": "1h"}) == Done()
        assert not isinstance(await home.probe("wait", "R1/wait", ctx, **{"for": "900d"}), Done)


async def test_notify_is_done_when_the_message_is_safe(tmp_path):
    async with house(tmp_path, served=False) as home:
        await home.apply("notify", "R1/tell", to="oncall", text="rolled back", model="m")
        assert home.outbox.waiting == 1
        with pytest.raises(ActionRefused, match="no notifier is called 'oncal'; there are: oncall"):
            await home.apply("notify", "R2/tell", to="oncal", text="x")
