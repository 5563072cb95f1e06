"""A process that does nothing but receive: ``mqtt_worker.py PORT TELEMETRY_DB``; says ``up`` once it is connected."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from autoheal.clock import SystemClock
from autoheal.domain.finding import Finding
from autoheal.domain.names import ModelName, Task, Verdict
from autoheal.domain.specs import ModelSpec
from autoheal.sources.contract import Intake
from autoheal.sources.mqtt import Mqtt
from autoheal.sources.mqtt_link import Broker
from autoheal.telemetry import Telemetry

SPEC = ModelSpec(ModelName("fraud"), Task.CLASSIFICATION)


async def report(finding: Finding) -> None:
    if finding.subject == "up" and finding.verdict is Verdict.OK:
        sys.stdout.write("up\n")
        sys.stdout.flush()


async def main(port: int, path: Path) -> None:
    clock = SystemClock()
    async with await Telemetry.open(path, {SPEC.name: SPEC}, clock) as telemetry:
        source = Mqtt("mq", broker=Broker("127.0.0.1", port, "autoheal-mq"), tasks={SPEC.name: SPEC.task})
        await source.run(Intake(telemetry.ingest, report), clock)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
