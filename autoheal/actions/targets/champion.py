"""Which version serves, since when, and all that served before: champion.json and history.jsonl of one model.

champion.json is the truth and is replaced at once; history.jsonl gets one line a move. A crash between the two leaves
a move without its line, which ``reconcile`` adds. Called by ``registry`` under its lock; reading needs none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError

from autoheal.durable import append_line, mend_tail, replace_file
from autoheal.errors import ActionError


@dataclass(frozen=True, slots=True)
class Champion:
    """champion.json: ``by`` is a step key or a word like ``ci``; ``key`` is the step key with its namespace, or empty."""

    version: str
    since: datetime
    by: str
    previous: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Moved:
    """A line of history: from then on ``version`` served instead of ``previous``; ``kept``: it was champion already."""

    at: datetime
    version: str
    previous: str
    by: str
    key: str = ""
    kind: Literal["moved", "kept"] = "moved"


@dataclass(frozen=True, slots=True)
class Good:
    """A line of history: by then ``version`` had served healthy for the stated time."""

    at: datetime
    version: str
    kind: Literal["good"] = "good"


Line = Annotated[Moved | Good, Field(discriminator="kind")]
_CHAMPION: Final = TypeAdapter(Champion)
_LINE: Final[TypeAdapter[Moved | Good]] = TypeAdapter(Line)


def read(folder: Path) -> Champion | None:
    """The present champion, or None when there never was one."""
    try:
        return _CHAMPION.validate_json((folder / "champion.json").read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise ActionError(f"{folder.name}: champion.json cannot be read: {error}") from error


def history(folder: Path) -> tuple[Moved | Good, ...]:
    """All whole lines, the oldest first; a line being written at this moment is not there yet."""
    try:
        data = (folder / "history.jsonl").read_bytes()
    except FileNotFoundError:
        return ()
    lines = data[: data.rfind(b"\n") + 1].splitlines()
    try:
        return tuple(_LINE.validate_json(line) for line in lines)
    except ValidationError as error:
        raise ActionError(f"{folder.name}: history.jsonl cannot be read: {error}") from error


def move(folder: Path, to: Champion) -> Moved:
    """Make ``to`` the champion, then write it into the history."""
    replace_file(folder / "champion.json", _CHAMPION.dump_json(to))
    return _remember(folder, to)


def keep(folder: Path, line: Moved) -> Moved:
    """Remember that a key asked for what was there already, so that it never moves anything later."""
    append_line(folder / "history.jsonl", _LINE.dump_json(line))
    return line


def mark_good(folder: Path, version: str, at: datetime) -> None:
    append_line(folder / "history.jsonl", _LINE.dump_json(Good(at, version)))


def reconcile(folder: Path) -> None:
    """Give the last move its line, if a crash took it, and cut half a line off."""
    mend_tail(folder / "history.jsonl")
    champion = read(folder)
    if champion is None:
        return
    last = next((line for line in reversed(history(folder)) if line.kind == "moved"), None)
    if last is None or (last.version, last.at, last.key) != (champion.version, champion.since, champion.key):
        _remember(folder, champion)


def moved_by(folder: Path, key: str) -> Moved | None:
    """The move that this key made, if it was made. champion.json counts, should its line be missing."""
    champion = read(folder)
    if champion and key and champion.key == key:
        return _as_move(champion)
    lines = (line for line in history(folder) if isinstance(line, Moved))
    return next((line for line in lines if key and line.key == key), None)


def _remember(folder: Path, champion: Champion) -> Moved:
    line = _as_move(champion)
    append_line(folder / "history.jsonl", _LINE.dump_json(line))
    return line


def _as_move(champion: Champion) -> Moved:
    return Moved(champion.since, champion.version, champion.previous, champion.by, champion.key)
