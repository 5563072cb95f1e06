"""Run as a script: ``FOLDER MODE KEY`` starts ``pipeline.train`` as a daemon would, says so, and waits to be killed."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from autoheal.actions import ACTIONS
from autoheal.domain.names import StepKey
from tests.actions.house import House, house


async def main(folder: Path, mode: str, key: str) -> None:
    data = json.loads((folder / "data.json").read_text())
    async with house(folder / "daemon", served=False) as home:
        await train(home, mode, key, data, folder)


async def train(home: House, mode: str, key: str, data: dict[str, str], folder: Path) -> None:
    from dataclasses import replace

    action = ACTIONS["pipeline.train"]
    params = action.Params.model_validate(
        {"model": "m", "dataset": data["dataset"], "holdout": data["holdout"]}
    )
    ctx = replace(home.pipeline(mode), state_dir=folder / "state")
    task = asyncio.create_task(action.apply(StepKey(key), params, ctx))
    while not (ctx.job(StepKey(key)) / "marks").exists():
        await asyncio.sleep(0.02)
        if task.done():
            task.result()
    sys.stdout.write("training\n")
    sys.stdout.flush()
    await task


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
