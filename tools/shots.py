"""Make pictures of the dashboard: SVG by Textual, cleaned, and PNG by resvg. ``make shots`` runs this.

    tools/shots.py                        all pictures of the built-in night into docs/pictures
    tools/shots.py --recording FILE       of a recording (see tools/scenario.py), or of a saved /v1/snapshot
    tools/shots.py --only fleet-100x30 --out /tmp/look

The clock stands still at the recording's time, so that the same recording gives the same bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.pop("NO_COLOR", None)

from autoheal.client.state import ClientState, Link  # noqa: E402  the path comes first
from autoheal.clock import VirtualClock  # noqa: E402
from autoheal.tui.app import DashboardApp  # noqa: E402
from autoheal.tui.connection import Feed  # noqa: E402
from tools.scenario import Recording, load, night, save  # noqa: E402

FONT = "DejaVu Sans Mono"


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: its size, the keys pressed first, and what is different about it."""

    name: str
    size: tuple[int, int]
    keys: tuple[str, ...] = ()
    theme: str | None = None
    ascii: bool = False
    link: str = "live"
    kept: bool = True


SMALL, USUAL, LARGE = (80, 24), (100, 30), (140, 40)
SHOTS = (
    Shot("fleet-80x24", SMALL),
    Shot("fleet-100x30", USUAL),
    Shot("fleet-140x40", LARGE, kept=False),
    Shot("fleet-light-100x30", USUAL, theme="light", kept=False),
    Shot("fleet-contrast-100x30", USUAL, theme="contrast", kept=False),
    Shot("fleet-ascii-80x24", SMALL, ascii=True, kept=False),
    Shot("fleet-stale-100x30", USUAL, link="retrying", kept=False),
    Shot("model-100x30", USUAL, ("enter",)),
    Shot("model-80x24", SMALL, ("enter",), kept=False),
    Shot("why-100x30", USUAL, ("w",)),
    Shot("why-80x24", SMALL, ("w",), kept=False),
    Shot("incidents-100x30", USUAL, ("2",), kept=False),
    Shot("incidents-80x24", SMALL, ("2",), kept=False),
    Shot("runs-100x30", USUAL, ("3",), kept=False),
    Shot("run-100x30", USUAL, ("3", "enter")),
    Shot("events-100x30", USUAL, ("4",), kept=False),
    Shot("policies-100x30", USUAL, ("5",), kept=False),
    Shot("sources-100x30", USUAL, ("6",), kept=False),
    Shot("help-100x30", USUAL, ("question_mark",), kept=False),
    Shot("filter-80x24", SMALL, ("slash", *"state:firing"), kept=False),
)


def feed_of(recording: Recording, link: str = "live") -> Feed:
    """A feed that says everything at once and then nothing more."""
    at = recording.snapshot.now.timestamp()

    async def states() -> AsyncGenerator[ClientState, None]:
        state = recording.client_state(at)
        if link == "retrying":
            state = replace(state, link=Link("retrying", "the connection broke", 4, at + 3, at - 42))
        yield state

    return states


async def shoot(shot: Shot, recording: Recording) -> str:
    """The SVG of one picture."""
    app = DashboardApp(
        "",
        ascii=shot.ascii,
        theme=shot.theme,
        clock=VirtualClock(recording.snapshot.now),
        feed=feed_of(recording, shot.link),
    )
    async with app.run_test(size=shot.size) as pilot:
        await pilot.pause()
        for key in shot.keys:
            await pilot.press(key)
        await pilot.pause()
        app.paint()
        await pilot.pause()
        return clean(app.export_screenshot(title="autoheal dashboard", simplify=True))


def clean(svg: str) -> str:
    """Without foreign fonts: the face must be one that the rasteriser has, or columns overlap."""
    svg = re.sub(r"@font-face\s*\{.*?\}", "", svg, flags=re.DOTALL)
    svg = re.sub(r"terminal-\d+", "terminal", svg)
    return svg.replace("Fira Code, monospace", FONT).replace("font-family: arial", f"font-family: {FONT}")


def png(svg: str) -> bytes:
    import resvg_py  # noqa: PLC0415  only pictures need it

    return bytes(resvg_py.svg_to_bytes(svg_string=svg))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--recording", type=Path, help="a recording instead of the built-in night")
    parser.add_argument("--save-recording", type=Path, help="write the recording that is shown, and end")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures")
    parser.add_argument(
        "--only", action="append", default=[], help="names of pictures; all of them may be named"
    )
    parser.add_argument("--svg", action="store_true", help="keep the SVG beside the PNG")
    args = parser.parse_args()
    recording = load(args.recording) if args.recording else night()
    if args.save_recording:
        save(recording, args.save_recording)
        return 0
    args.out.mkdir(parents=True, exist_ok=True)
    for shot in SHOTS:
        if not (shot.name in args.only if args.only else shot.kept):
            continue
        svg = asyncio.run(shoot(shot, recording))
        if args.svg:
            (args.out / f"{shot.name}.svg").write_text(svg)
        (args.out / f"{shot.name}.png").write_bytes(png(svg))
        sys.stdout.write(f"{args.out / shot.name}.png\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
