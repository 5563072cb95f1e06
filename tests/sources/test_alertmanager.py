"""Alertmanager's webhook over real HTTP: alerts become findings of whom their labels name, once, in whatever order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from autoheal.clock import VirtualClock
from autoheal.domain.names import Severity, Verdict
from autoheal.net import client
from autoheal.sources.alertmanager import Alertmanager, alertmanager_router
from autoheal.sources.alerts import AlertError, Alerts, parse

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def alert(
    status: str = "firing", *, start: int = 0, fingerprint: str = "f1", **labels: str
) -> dict[str, Any]:
    return {
        "status": status,
        "labels": {"alertname": "ModelSlow", "severity": "warning", "model": "fraud"} | labels,
        "annotations": {"summary": "p99 is high"},
        "startsAt": (T0 + timedelta(seconds=start)).isoformat().replace("+00:00", "Z"),
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prom/graph",
        "fingerprint": fingerprint,
    }


def message(*alerts: dict[str, Any]) -> dict[str, Any]:
    """What the webhook receiver sends, of one group."""
    return {"version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": "firing", "receiver": "heal", "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://am", "alerts": list(alerts)}  # fmt: skip


def source(folder: Path, **rest: Any) -> Alertmanager:
    given: dict[str, Any] = {"models": {"fraud", "bike"}, "sources": {"prom"}, "beat": 0.01} | rest
    return Alertmanager("alerts", state_file=folder / "s.json", **given)


@pytest.fixture
def post(
    serve: Callable[[FastAPI], Awaitable[str]], sink: Any
) -> Callable[[Alertmanager | None, Any], Awaitable[tuple[int, Any]]]:
    async def send(one: Alertmanager | None, document: Any) -> tuple[int, Any]:
        app = FastAPI()
        app.include_router(alertmanager_router(lambda: one, sink, VirtualClock(T0 + timedelta(hours=1))))
        async with client(base_url=await serve(app)) as http:
            content = {"content": document} if isinstance(document, bytes) else {"json": document}
            answer = await http.post("/v1/alertmanager", **content)
            return answer.status_code, answer.json()

    return send


async def test_alerts_of_a_group_become_one_finding_each_way(tmp_path: Path, post: Any, sink: Any) -> None:
    one = source(tmp_path)
    first = message(
        alert(fingerprint="a"), alert(fingerprint="b", start=5, severity="critical"), alert(model="bike", alertname="Odd name|x")
    )  # fmt: skip
    assert await post(one, first) == (200, {"accepted": 3, "unknown": 0})
    slow, odd = sink.findings
    assert (slow.key, slow.verdict, slow.severity, slow.n) == ("fraud|alertmanager|ModelSlow", Verdict.BREACH, Severity.CRITICAL, 2)  # fmt: skip
    assert (slow.started_at, slow.detail) == (T0, "p99 is high")
    assert (odd.key, odd.severity) == ("bike|alertmanager|Odd_name_x", Severity.WARNING)
    await post(one, message(alert("resolved", fingerprint="b", start=5)))
    assert (sink.findings[-1].verdict, sink.findings[-1].severity) == (Verdict.BREACH, Severity.WARNING)
    again = source(tmp_path)  # after a restart the other one still fires
    await post(again, message(alert("resolved", fingerprint="b", start=5)))
    assert sink.findings[-1].verdict is Verdict.BREACH
    await post(again, message(alert("resolved", fingerprint="a")))
    assert (sink.findings[-1].verdict, sink.findings[-1].value) == (Verdict.OK, 0.0)
    assert (tmp_path / "s.json").stat().st_mode & 0o777 == 0o600


async def test_an_earlier_episode_says_nothing_about_the_present_one(
    tmp_path: Path, post: Any, sink: Any
) -> None:
    one = source(tmp_path)
    await post(one, message(alert(start=100)))
    await post(one, message(alert("resolved", start=5)))
    assert [f.verdict for f in sink.findings] == [Verdict.BREACH]
    future = T0 + timedelta(days=1)
    await post(one, message(alert(start=86_400, model="bike")))
    assert sink.findings[-1].started_at < future, "their clock may be ahead of ours"


async def test_upstreams_sources_and_nobody(tmp_path: Path, post: Any, sink: Any) -> None:
    one = source(tmp_path)
    about = [
        alert(model="", upstream="feature store"),
        alert(model="", autoheal_source="prom"),
        alert(model="nobody"),
        alert(model="", autoheal_source="other"),
        alert(model=""),
    ]
    assert await post(one, message(*about)) == (200, {"accepted": 2, "unknown": 3})
    assert [f.target for f in sink.findings] == ["upstream:feature_store", "source:prom"]
    assert one.tally.refused == {"unknown_model": 1, "unknown_source": 1, "unknown_labels": 1}


async def test_what_is_no_webhook_is_refused_with_its_place(tmp_path: Path, post: Any, sink: Any) -> None:
    one = source(tmp_path)
    assert (await post(one, b"{"))[0] == 400
    for bad, row in (([], None), ({"version": "5", "alerts": []}, None), (message(alert(), alert("odd")), 1)):
        status, said = await post(one, bad)
        assert (status, said.get("row")) == (422, row)
    assert (await post(one, b" " * (5 << 20)))[0] == 422
    assert (await post(None, message(alert())))[0] == 404
    assert not sink.findings


async def test_what_is_not_heard_of_any_more_is_no_data(tmp_path: Path, post: Any, sink: Any) -> None:
    one = source(tmp_path)
    await post(one, message(alert()))
    later = VirtualClock(T0 + timedelta(hours=14))
    quick = source(tmp_path)

    class Real(VirtualClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(seconds)

    task = asyncio.create_task(quick.run(sink, Real(later.now())))
    await sink.until(lambda: len(sink.findings) > 1)
    task.cancel()
    await asyncio.wait({task})
    assert (sink.findings[-1].verdict, sink.findings[-1].value) == (Verdict.NO_DATA, None)
    assert "12 h" in sink.findings[-1].detail


episode = st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.booleans())


@given(st.lists(episode, max_size=12), st.randoms(use_true_random=False))
def test_the_last_word_about_the_last_episode_counts(words: list[tuple[str, int, bool]], chance: Any) -> None:
    """Firing and resolved of each episode come in order; messages may be doubled."""
    ordered = sorted(words, key=lambda w: (w[1], not w[2]))
    doubled = [w for w in ordered for _ in range(chance.randint(1, 2))]
    alerts, key, last = Alerts(), ("fraud", "ModelSlow"), {}
    for name, start, firing in doubled:
        (one,) = parse(message(alert("firing" if firing else "resolved", start=start, fingerprint=name)))
        alerts.take(key, one, T0)
        last[name] = firing
    finding = alerts.finding(key, T0)
    assert finding.n == sum(last.values())
    assert (finding.verdict is Verdict.BREACH) == any(last.values())


@given(st.recursive(st.none() | st.text(max_size=3) | st.integers(), lambda i: st.lists(i, max_size=3) | st.dictionaries(st.sampled_from(["alerts", "status", "labels", "startsAt", "version"]), i, max_size=4), max_leaves=10))  # fmt: skip
def test_any_document_is_read_or_refused(document: Any) -> None:
    with contextlib.suppress(AlertError):
        assert isinstance(parse(document), list)
