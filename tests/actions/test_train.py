"""Trainers that fail, hang, lie or outlive the daemon: real processes, killed for real."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from autoheal.actions.contract import CommandPipeline, NotDone, Running
from autoheal.actions.targets import job_runner, jobs
from autoheal.domain.names import StepKey
from autoheal.durable import locked
from autoheal.errors import ActionError, ActionRefused
from tests.actions.house import House, house, row, serve_rows
from tests.gateway.house import until

KEY = StepKey("R1/train")


@pytest.fixture
async def home(tmp_path):
    async with house(tmp_path, served=False) as one:
        await serve_rows(one.telemetry, (row(n) for n in range(150)))
        yield one


async def train(home: House, mode: str, key: str = KEY, **more):
    data = await home.apply("data.validate", "R1/data", model="m", min_rows=100)
    ctx = home.pipeline(mode, **more)
    paths = {"dataset": data["dataset"], "holdout": data["holdout"]}
    return await home.apply("pipeline.train", key, ctx, model="m", **paths)


def marks(home: House, key: str = KEY) -> list[int]:
    """The process numbers of all trainers that began under this key."""
    path = home.ctx.job(StepKey(key)) / "marks"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def gone(pid: int) -> None:
    end = time.monotonic() + 10
    while alive(pid):
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("mode", "why", "retryable"),
    [
        ("fail", r"ended with status 3 \(no convergence after 10 rounds\)", True),
        ("nothing", r"left no result\.json", False),
        ("garbage", r"result\.json is not sound", False),
        ("list", r"result\.json is not sound", False),
        ("nan", r"metrics\.mae: Input should be a finite number", False),
        ("words", r"metrics\.mae", False),
        ("no_artefact", "there is no artefact", False),
        ("link", "not a plain file", False),
    ],
)
async def test_a_trainer_that_fails_or_lies_leaves_the_registry_alone(home, mode, why, retryable):
    with pytest.raises(ActionError, match=why) as caught:
        await train(home, mode)
    assert caught.value.retryable is retryable
    assert [v.version for v in home.registry.versions("m")] == ["base", "v0", "v1"]
    assert not list(home.registry.root.glob("m/candidates/*"))
    assert len(marks(home)) == 1


async def test_a_retry_of_the_same_key_starts_anew_after_an_end_that_was_passed_on(home):
    with pytest.raises(ActionError, match="status 3"):
        await train(home, "fail_once")
    assert (await train(home, "fail_once"))["metrics"]["mae"] == 1.0
    assert len(marks(home)) == 2


async def test_a_trainer_that_hangs_is_ended_with_all_its_children_at_its_deadline(home):
    begun = time.monotonic()
    with pytest.raises(ActionError, match="did not end by its deadline") as caught:
        await train(home, "hang", deadline=timedelta(seconds=1))
    assert not caught.value.retryable
    assert time.monotonic() - begun < 30
    await gone(marks(home)[0])


async def test_a_trainer_that_ignores_term_is_killed(home):
    with pytest.raises(ActionError, match="deadline"):
        await train(home, "deaf", deadline=timedelta(seconds=1), grace=timedelta(seconds=0.5))
    pid = marks(home)[0]
    await gone(pid)
    assert group_of(pid) == []


def group_of(pid: int) -> list[Path]:
    return [p for p in Path("/proc").glob("[0-9]*") if in_group(p, pid)]


def in_group(path: Path, group: int) -> bool:
    try:
        fields = (path / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return int(fields[2]) == group and fields[0] != "Z"


async def test_a_loud_trainer_fills_no_disk_and_keeps_its_last_words(home):
    await train(home, "loud")
    log = (home.ctx.job(KEY) / "log.txt").read_bytes()
    assert len(log) < jobs.LOG_CAP + 20_000
    assert log.startswith(b"line 0 ")
    assert b"bytes left out" in log
    assert b"line 39999 " in log


async def test_a_command_that_is_not_there_or_a_pipeline_without_a_name(home):
    missing = CommandPipeline("train", ("/nowhere/python", "x"), home.folder)
    data = await home.apply("data.validate", "R1/data", model="m", min_rows=100)
    paths = {"dataset": data["dataset"], "holdout": data["holdout"]}
    ctx = replace(home.ctx, pipelines={"train": missing})
    with pytest.raises(ActionError, match="cannot start /nowhere/python") as caught:
        await home.apply("pipeline.train", KEY, ctx, model="m", **paths)
    assert not caught.value.retryable
    with pytest.raises(ActionRefused, match="no pipeline is called 'train'"):
        await home.apply("pipeline.train", "R2/train", replace(home.ctx, pipelines={}), model="m", **paths)
    with pytest.raises(ActionRefused, match="there is no data set"):
        await home.apply("pipeline.train", "R3/train", model="m", dataset="/no/x.csv", holdout="/no/y.csv")


async def test_the_environment_is_fixed_and_the_daemons_secrets_stay_out(home, monkeypatch):
    monkeypatch.setenv("TOKEN_OF_THE_DAEMON", "secret")
    script = "import json, os, pathlib; pathlib.Path(os.environ['TMPDIR'], '..', 'env').write_text(json.dumps(dict(os.environ)))"
    data = await home.apply("data.validate", "R1/data", model="m", min_rows=100)
    pipe = CommandPipeline("train", ("python", "-c", script), home.folder, env={"EPOCHS": "3"})
    ctx = replace(home.ctx, pipelines={"train": pipe})
    with pytest.raises(ActionError, match=r"no result\.json"):
        await home.apply(
            "pipeline.train", KEY, ctx, model="m", dataset=data["dataset"], holdout=data["holdout"]
        )
    seen = json.loads((home.ctx.job(KEY) / "env").read_text())
    assert seen["EPOCHS"] == "3"
    assert seen["AUTOHEAL_JOB"].endswith("job.json")
    assert "TOKEN_OF_THE_DAEMON" not in seen


async def start_in_a_daemon_that_dies(home: House, mode: str) -> None:
    """A daemon of its own starts the training and is killed while it runs."""
    data = await home.apply("data.validate", "R1/data", model="m", min_rows=100)
    (home.folder / "data.json").write_text(json.dumps(data))
    await asyncio.to_thread(_daemon, home, mode)


def _daemon(home: House, mode: str) -> None:
    script = Path(__file__).with_name("daemon_that_dies.py")
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, str(script), str(home.folder), mode, KEY],
        stdout=subprocess.PIPE,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        start_new_session=True,
    )
    assert process.stdout.readline() == b"training\n"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


async def test_a_training_outlives_the_daemon_and_the_next_one_attaches(home):
    await start_in_a_daemon_that_dies(home, "slow")
    data = json.loads((home.folder / "data.json").read_text())
    params = {"model": "m", "dataset": data["dataset"], "holdout": data["holdout"]}
    assert isinstance(await home.probe("pipeline.train", KEY, **params), Running)
    made = await train(home, "slow")
    assert made["candidate"].startswith("c-")
    assert len(marks(home)) == 1  # it was never started a second time


async def test_a_training_that_ended_while_nobody_looked_is_taken_over(home):
    await start_in_a_daemon_that_dies(home, "slow")
    await gone(marks(home)[0])
    assert (await train(home, "slow"))["metrics"] == {"mae": 1.0, "rmse": 2.5}
    assert len(marks(home)) == 1


async def test_a_trainer_that_lost_its_runner_is_ended_and_the_job_starts_again(home):
    await start_in_a_daemon_that_dies(home, "slow")
    first = marks(home)[0]
    os.kill(runner_of(home), signal.SIGKILL)
    data = json.loads((home.folder / "data.json").read_text())
    params = {"model": "m", "dataset": data["dataset"], "holdout": data["holdout"]}
    await until(lambda: jobs.state(home.ctx.job(KEY)) != "running")
    assert await home.probe("pipeline.train", KEY, **params) == NotDone()
    await train(home, "slow")
    assert not alive(first)
    assert len(marks(home)) == 2


def runner_of(home: House) -> int:
    """The process that runs job_runner.py on this job."""
    folder = str(home.ctx.job(KEY)).encode()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            argv = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if folder in argv and any(a.endswith(b"job_runner.py") for a in argv):
            return int(path.name)
    raise AssertionError("no runner")


def test_a_recycled_process_number_is_left_alone(tmp_path):
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        known = {"pid": stranger.pid, "boot": job_runner.boot()}
        for started in ("1", ""):
            (tmp_path / "process.json").write_text(json.dumps(known | {"started": started}))
            job_runner.kill_left_over(tmp_path)
        other_boot = {"started": job_runner.started(stranger.pid), "boot": "another"}
        (tmp_path / "process.json").write_text(json.dumps(known | other_boot))
        job_runner.kill_left_over(tmp_path)
        assert jobs.state(tmp_path) == "lost"  # it is not taken for a running job either
        assert stranger.poll() is None
        (tmp_path / "process.json").write_text(
            json.dumps(known | {"started": job_runner.started(stranger.pid)})
        )
        job_runner.kill_left_over(tmp_path)
        assert stranger.wait(10) == -signal.SIGKILL
    finally:
        stranger.kill()
        stranger.wait()


async def test_two_runners_of_one_job_start_one_trainer(tmp_path):
    pipe = CommandPipeline("p", (sys.executable, "-c", "import time; time.sleep(1)"), tmp_path)
    folder = tmp_path / "job"
    jobs.start(folder, pipe, {})
    await until((folder / "process.json").exists)
    first = (folder / "process.json").read_bytes()
    jobs.start(folder, pipe, {})
    await until(lambda: jobs.state(folder) != "running")
    jobs.start(folder, pipe, {})  # a late runner finds the end and leaves
    assert jobs.state(folder) == "ended"
    assert jobs.read_exit(folder).good
    assert (folder / "process.json").read_bytes() == first
    with locked(folder / "runner.lock", wait=5):
        pass


def test_old_job_folders_go_and_running_ones_stay(tmp_path):
    for n in range(8):
        (tmp_path / f"job{n}").mkdir()
        os.utime(tmp_path / f"job{n}", (n, n))
    with locked(tmp_path / "job1" / "runner.lock"):
        os.utime(tmp_path / "job1", (1, 1))
        jobs.prune(tmp_path, keep=3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["job1", "job5", "job6", "job7"]
