"""A process that does nothing but join labels: ``join_worker.py TELEMETRY_DB FIRST``; a line on its input lets it store a
batch, which it names then."""

from __future__ import annotations

import asyncio
import itertools
import sys
from pathlib import Path
from typing import Any

import orjson

from autoheal.clock import SystemClock
from autoheal.domain.names import ModelName, Task
from autoheal.domain.specs import ModelSpec
from autoheal.telemetry import Record, Telemetry, parse_body

SPEC = ModelSpec(ModelName("fraud"), Task.CLASSIFICATION)
T0 = 1_790_000_000.0


def batch(number: int) -> list[dict[str, Any]]:
    """Ten rows in four fates: every third batch is outcomes for the next predictions, some come twice or corrected;
    every fifth is long enough to be packed."""
    first, many = number * 100, 80 if number % 5 == 4 else 10
    if number % 3 == 0:
        early = [(first + 100 + i, "yes") for i in range(5)]
        late = [(first - 100 + i, "no") for i in range(5)]
        again = [(first - 100, "no"), (first - 99, "yes"), (first + 100, "yes"), (-1 - number, "yes")]
        return [
            {"kind": "outcome", "model": "fraud", "id": i, "time": T0 + number + n / 100, "label": label}
            for n, (i, label) in enumerate(early + late + again)
        ]
    return [
        {"kind": "prediction", "model": "fraud", "version": "v1", "id": first + i, "time": T0 + first + i,
         "features": {"x": 1.0}, "prediction": "yes"}
        for i in range(many)
    ]  # fmt: skip


def records(number: int) -> Any:
    body = b"\n".join(orjson.dumps(row) for row in batch(number))
    found: list[Record] | Any = parse_body(body, {SPEC.name: SPEC.task}, lines=True)
    return found


async def main(path: Path, first: int) -> None:
    async with await Telemetry.open(path, {SPEC.name: SPEC}, SystemClock()) as telemetry:
        for number in itertools.count(first):
            if not sys.stdin.readline():
                return
            await telemetry.ingest(records(number))
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
