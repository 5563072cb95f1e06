"""Does it heal? Labelled streams played through autoheal's engine, monitors, actions and real trainings.

On each stream a random forest learns the first fifth; the rest is served, a row in half an hour, labels at once. What
happens then is decided by the engine on the policies in ``healing/`` (the shipped ones, but for patience and a first
look at versions that served before), trained by processes, judged by the gate. Figures are errors in per cent, less is
better (but for "points a retrain", where more is). Peers on the same forest: frozen (never trained again), clock-4 and clock-16, ADWIN with its usual default and
500 rows, and as many trainings at random rows as autoheal promoted.

Goals: on no stream more than half a point above frozen; below random on each; no promotion after which the next 1,000
rows are answered worse than the version before would have answered them. The streams are not part of the package:
``--data DIR`` or AUTOHEAL_DATA names the folder that holds ``streams/*.csv.gz``. ``_healing_place`` says what is real.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import _healing_peers as peers
from _healing_place import Place, heal
from _healing_streams import NAMES, Stream, load
from _shape import Row, main

#: By how many points autoheal may be above frozen.
SLACK = 0.5
#: Rows after a promotion that are looked at.
NEXT = 1_000
COMMAND = "python benchmarks/healing.py"


@dataclass(frozen=True, slots=True)
class Promotion:
    """A champion's move before ``row``: accuracy in per cent of both versions on the next rows."""

    row: int
    old: str
    new: str
    before: float
    after: float

    def __str__(self) -> str:
        return f"row {self.row}: {self.old} to {self.new}, the next {NEXT}: {self.before:.1f} to {self.after:.1f} %"


def measure(quick: bool) -> Sequence[Row]:
    logging.disable(logging.CRITICAL)
    rows: list[Row] = []
    for stream in _streams(quick):
        with tempfile.TemporaryDirectory() as folder:
            place = asyncio.run(heal(stream, Path(folder), (Path(__file__).parent / "healing",)))
            promotions = [_promotion(place, *moved) for moved in place.promoted]
        rows += _rows(stream, place, promotions, 2 if quick else 5)
        for promotion in promotions:
            print(f"  {stream.name} {promotion}", flush=True)
    return rows


def _streams(quick: bool) -> list[Stream]:
    if quick:
        return [load("keystroke", DATA), load("harvard_sine_0123_abrupto", DATA).first(20_000)]
    return [load(name, DATA) for name in NAMES]


def _promotion(place: Place, row: int, old: str, new: str) -> Promotion:
    models = [place.shelf.forest(old), place.shelf.forest(new)]
    return Promotion(row, old, new, *peers.next_rows(place.stream, row, models, NEXT))


def _rows(stream: Stream, place: Place, promotions: Sequence[Promotion], seeds: int) -> list[Row]:
    retrained = len({p.new for p in promotions} - {"v1"})
    ours = 100.0 - peers.accuracy(place.served)
    frozen = 100.0 - peers.accuracy(peers.at_rows(stream, []))
    by_chance = 100.0 - peers.chance(stream, retrained, seeds) if retrained else frozen
    at_alarm, alarms = peers.adwin(stream)
    adwin = 100.0 - peers.accuracy(at_alarm)
    harmful = [p for p in promotions if p.after < p.before]
    name = stream.name.removeprefix("harvard_")
    rows = [
        _row(f"{name}: frozen", ours, frozen, (frozen + SLACK) / frozen),
        _row(f"{name}: random, {retrained} retrains", ours, by_chance, 1.0),
        *(
            _row(f"{name}: clock-{n}", ours, 100.0 - peers.accuracy(peers.clock(stream, n)), None)
            for n in (4, 16)
        ),
        _row(f"{name}: ADWIN, {alarms} retrains", ours, adwin, None),
        Row(
            f"{name}: harmful of {len(promotions)} moves",
            len(harmful),
            len(promotions),
            _share(len(harmful), len(promotions)),
            0.0,
            not harmful,
            COMMAND,
        ),
    ]
    if retrained and alarms:
        lift, theirs = (frozen - ours) / retrained, (frozen - adwin) / alarms
        rows.append(Row(f"{name}: points a retrain", lift, theirs, _share(theirs, lift), None, True, COMMAND))
    return rows


def _row(name: str, ours: float, peer: float, goal: float | None) -> Row:
    ratio = _share(ours, peer)
    return Row(name, ours, peer, ratio, goal, goal is None or ratio <= goal, COMMAND)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float(part > 0)


def _folder() -> Path:
    """``--data DIR`` (taken out of the command line) or AUTOHEAL_DATA."""
    given = os.environ.get("AUTOHEAL_DATA", "")
    if "--data" in sys.argv[:-1]:
        place = sys.argv.index("--data")
        given = sys.argv[place + 1]
        del sys.argv[place : place + 2]
    if not (Path(given) / "streams").is_dir() and not {"-h", "--help"} & set(sys.argv):
        raise SystemExit("healing: no folder with streams/*.csv.gz: name it by --data DIR or AUTOHEAL_DATA")
    return Path(given)


DATA = Path()

if __name__ == "__main__":
    DATA = _folder()
    sys.exit(main(measure, __doc__ or ""))
