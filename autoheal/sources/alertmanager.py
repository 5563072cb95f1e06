"""``alertmanager``: alerts that Alertmanager POSTs to ``/v1/alertmanager`` become findings of models, by their labels.

``alertmanager_router`` makes the route, the API mounts it beside the push door; it answers 200 when the findings are in
the event log, so a daemon that dies before gets the message again. What fires is kept in a small state file, so that a
word that one alert is resolved does not clear its siblings after a restart. What surprises: Alertmanager repeats what
fires only every few hours, so an alert of which nothing was heard for ``forget`` becomes ``no_data``, never ``ok``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from autoheal.clock import Clock
from autoheal.domain.names import Severity
from autoheal.durable import replace_file
from autoheal.errors import StoreError
from autoheal.sources.alerts import Alert, AlertError, Alerts, Firing, Mapped, left_away, parse
from autoheal.sources.contract import Pulse, Sink
from autoheal.sources.tally import Tally

_LOG = logging.getLogger(__name__)
LARGEST: Final = 4 * 1024 * 1024
#: Real seconds between two looks at what was not heard of.
BEAT: Final = 15.0
#: Real seconds in which a message must have come.
PATIENCE: Final = 30.0


class Alertmanager:
    """The source; ``take`` is called by the route. ``models`` and ``sources`` are the names that alerts may be about."""

    def __init__(
        self,
        name: str,
        *,
        models: Collection[str],
        sources: Collection[str],
        state_file: Path,
        mapped: Mapped | None = None,
        forget: float = 12 * 3600.0,
        beat: float = BEAT,
    ) -> None:
        self.name = name
        self.models = models
        self.sources = sources
        self.forget = forget
        self.beat = beat
        self.tally = Tally(name)
        self._alerts = Alerts(mapped or Mapped(), _load(state_file))
        self._state_file = state_file
        self._turn = asyncio.Lock()

    async def run(self, sink: Sink, clock: Clock) -> None:
        """Look for alerts of which nothing is heard any more, until cancelled; the rest is done by the route."""
        pulse = Pulse(self.name)
        while True:
            async with self._turn:
                gone = list(self._alerts.forget(clock.now(), self.forget))
                if gone:
                    await self._save()
            for finding in gone:
                await sink.report(finding)
            if self.tally.taken:
                await pulse.up(sink, clock.now())
            await self.tally.report(sink, clock.now())
            await clock.sleep(self.beat)

    async def take(self, alerts: Collection[Alert], sink: Sink, now: datetime) -> tuple[int, int]:
        """Report what a message changes; how many alerts were about somebody we know, and how many were not."""
        async with self._turn:
            unknown, keys = 0, dict[tuple[str, str], None]()
            for alert in alerts:
                target = self._alerts.about(alert, self.models, self.sources)
                if target in {"unknown_model", "unknown_source", "unknown_labels"}:
                    unknown += 1
                    self.tally.refuse(target, f"an alert {alert.labels.get('alertname', '')[:80]!r}")
                    continue
                key = self._alerts.key(target, alert)
                if self._alerts.take(key, alert, now):
                    keys[key] = None
                self.tally.taken += 1
            for key in keys:
                await sink.report(self._alerts.finding(key, now))
            await self._save()
            return len(alerts) - unknown, unknown

    async def _save(self) -> None:
        known = [
            {"target": target, "subject": subject, "fingerprint": f, **asdict(one)}
            for (target, subject), fires in self._alerts.firing.items()
            for f, one in fires.items()
        ]
        await asyncio.to_thread(replace_file, self._state_file, orjson.dumps(known))


def alertmanager_router(find: Callable[[], Alertmanager | None], sink: Sink, clock: Clock) -> APIRouter:
    """The router of ``POST /v1/alertmanager``; ``find`` gives the source that is in force now."""
    router = APIRouter()

    @router.post(
        "/v1/alertmanager", tags=["telemetry"], summary="Alertmanager's webhook: alerts become findings"
    )
    async def push(request: Request) -> Response:
        """A message of version 4; answered when what it says is durable. Alerts about nobody we know are counted."""
        source = find()
        if source is None:
            return _refused(404, "the settings name no source of kind alertmanager")
        try:
            async with asyncio.timeout(PATIENCE):
                body = await _body(request)
            document = orjson.loads(body)
            alerts = parse(document)
            if left := left_away(document):
                source.tally.refuse("truncated", "Alertmanager left alerts away: raise its max_alerts", left)
            accepted, unknown = await source.take(alerts, sink, clock.now())
        except AlertError as error:
            source.tally.refuse("bad_message", f"{error}")
            return _refused(422, f"{error}", error.row)
        except ValueError as error:
            source.tally.refuse("not_json", "a message is not JSON")
            return _refused(400, f"not JSON: {error}"[:200])
        except TimeoutError:
            return _refused(408, f"the message did not come within {PATIENCE:g}s")
        except (StoreError, OSError) as error:
            return _refused(503, f"{error}"[:300])
        except ClientDisconnect:
            return Response(status_code=400)
        return JSONResponse({"accepted": accepted, "unknown": unknown})

    return router


def _refused(status: int, why: str, row: int | None = None) -> Response:
    """As every refusal of the doors; Alertmanager comes again after a 5xx."""
    where = {} if row is None else {"row": row}
    return JSONResponse(
        {"error": why, "problems": [], **where}, status, {"Retry-After": "5"} if status == 503 else None
    )


async def _body(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST:
            raise AlertError(f"a message may have {LARGEST >> 20} MiB: set max_alerts")
        parts.append(part)
    return b"".join(parts)


def _load(path: Path) -> dict[tuple[str, str], dict[str, Firing]]:
    """What fired when we stopped; an unusable file is forgotten, Alertmanager repeats what still fires."""
    found: dict[tuple[str, str], dict[str, Firing]] = {}
    try:
        kept: list[dict[str, Any]] = orjson.loads(path.read_bytes())
        for one in kept:
            started = datetime.fromisoformat(one["started"])
            firing = Firing(started, Severity(one["severity"]), str(one["detail"]), float(one["heard"]))
            found.setdefault((one["target"], one["subject"]), {})[one["fingerprint"]] = firing
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError) as error:
        _LOG.warning("%s is not usable, what fired is not remembered: %s", path, error)
        return {}
    return found
