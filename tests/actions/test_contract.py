"""What every action must do, whoever wrote it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from autoheal.actions import ACTIONS, known_actions
from autoheal.actions.contract import NotDone
from autoheal.domain.names import StepKey
from tests.actions.house import house

EXAMPLES = {
    "data.validate": {"model": "m"},
    "evaluate.candidate": {"model": "m", "version": "v0"},
    "evaluate.gate": {"model": "m", "candidate": "c-1"},
    "notify": {"to": "oncall", "text": "hello"},
    "pipeline.train": {"model": "m", "dataset": "d.csv", "holdout": "h.csv"},
    "reference.anchor": {"model": "m", "version": "v0"},
    "reference.restore": {"model": "m", "version": "v0"},
    "registry.known_good": {"model": "m"},
    "registry.register": {"model": "m", "candidate": "c-1"},
    "registry.set_champion": {"model": "m", "version": "v0"},
    "traffic.fallback": {"model": "m"},
    "traffic.restore": {"model": "m"},
    "traffic.shift": {"model": "m", "version": "v0"},
    "wait": {"for": "1h"},
}


def test_all_actions_are_known_by_name_and_parameters():
    assert sorted(known_actions()) == sorted(ACTIONS) == sorted(EXAMPLES)
    assert len(ACTIONS) == len(EXAMPLES)
    for name, action in ACTIONS.items():
        assert action.name == name
        assert isinstance(action.idempotent, bool)
        assert known_actions()[name] is action.Params
        assert isinstance(action.Params.OUTPUTS, tuple)
    with pytest.raises(KeyError):
        ACTIONS["registry.nothing"]


def test_knowing_the_actions_loads_nothing_heavy():
    script = (
        "import sys; from autoheal.actions import known_actions; known_actions();"
        "print([m for m in ('numpy', 'scipy', 'httpx', 'sqlite_utils') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_unknown_parameters_are_refused(name):
    params = known_actions()[name]
    params.model_validate(EXAMPLES[name])
    with pytest.raises(ValidationError, match="surprise"):
        params.model_validate({**EXAMPLES[name], "surprise": 1})


async def test_a_key_that_never_was_applied_has_had_no_effect(tmp_path):
    async with house(tmp_path, routed=True) as home:
        home.registry.stage  # noqa: B018 - the registry is there
        for name, params in EXAMPLES.items():
            assert await home.probe(name, f"R9/{name}", **params) == NotDone(), name


def test_job_folders_keep_keys_and_logs_apart(tmp_path):
    from dataclasses import replace

    async def folders():
        async with house(tmp_path, served=False) as home:
            other = replace(home.ctx, namespace="log2")
            keys = [StepKey(k) for k in ("R1/a", "R1_a", "R1/../../a", "R1/" + "long" * 100)]
            return [ctx.job(k) for ctx in (home.ctx, other) for k in keys]

    import asyncio

    found = asyncio.run(folders())
    assert len(set(found)) == len(found)
    assert {f.parent for f in found} == {tmp_path / "state" / "jobs"}
