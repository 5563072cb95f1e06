"""What the loader's tests load, and how: the good files as surroundings, the shipped set behind them."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from autoheal.errors import ConfigError, Problem
from autoheal.monitors import MONITORS
from autoheal.policy.files import shipped_texts
from autoheal.policy.known import STANDARD_ACTIONS, Known, action_inputs
from autoheal.policy.load import Loaded, load_config

DATA = Path(__file__).parent / "testdata"
GOOD = {f"good/{file.name}": file.read_text() for file in sorted((DATA / "good").glob("*.yaml"))}


class ShiftParams(BaseModel):
    """As the action's own, so that these tests do not change when an action does."""

    model_config = ConfigDict(extra="forbid")
    model: str
    version: str
    percent: float = Field(default=100.0, ge=0.0, le=100.0)


KNOWN = Known(
    {**STANDARD_ACTIONS, "traffic.shift": action_inputs("traffic.shift", ShiftParams)},
    {kind: monitor.Options for kind, monitor in MONITORS.items()},
    pipelines=frozenset({"fraud-train"}),
    notifiers=frozenset({"oncall", "log"}),
)


def load(**texts: str) -> Loaded:
    """The good files and these (``name="text"``), with the shipped set behind them."""
    return load_files({f"{name}.yaml": text for name, text in texts.items()})


def load_files(texts: dict[str, str]) -> Loaded:
    shipped = shipped_texts()
    alone = "\nkind: guards" in "".join(texts.values())  # there may be one of this kind
    good = {file: text for file, text in GOOD.items() if not (alone and "kind: guards" in text)}
    return load_config({**shipped, **good, **texts}, KNOWN, defaults=frozenset(shipped))


def load_bad(file: str, text: str) -> tuple[Problem, ...]:
    """The problems that one file brings into good surroundings; nothing else may become a problem by it."""
    try:
        return load_files({file: text}).warnings
    except ConfigError as error:
        problems = error.problems
    others = [p for p in problems if p.severity == "error" and p.file != file]
    assert not others, others
    return tuple(p for p in problems if p.file == file)


def errors(file: str, text: str) -> list[str]:
    """As written in the head of a bad file: ``line:column message | hint``."""
    found = [p for p in load_bad(file, text) if p.severity == "error"]
    return [f"{p.line}:{p.column} {p.message}{' | ' + p.hint if p.hint else ''}" for p in found]
