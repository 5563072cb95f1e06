"""Whole screens as text, at 80 and 100 columns: a reviewer reads the change in the diff.

After a wanted change: ``AUTOHEAL_GOLDENS=write python -m pytest tests/tui/test_pictures_in_text.py``.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from autoheal.domain.past import SampledRow, Samples
from tests.tui.sight import dashboard, screen_text

HERE = Path(__file__).parent / "goldens"
CASES = [
    ("fleet-80x24", (80, 24), (), False),
    ("fleet-100x30", (100, 30), (), False),
    ("fleet-ascii-80x24", (80, 24), (), True),
    ("second-model-100x30", (100, 30), ("j",), False),
    ("model-100x30", (100, 30), ("enter",), False),
    ("incidents-80x24", (80, 24), ("2",), False),
    ("run-100x30", (100, 30), ("3", "enter"), False),
    ("events-80x24", (80, 24), ("4",), False),
    ("policies-100x30", (100, 30), ("5",), False),
    ("sources-80x24", (80, 24), ("6",), False),
    ("rows-100x30", (100, 30), ("enter", "s"), False),
]


async def sampled(model: str) -> Samples:
    """Rows as a daemon gives them."""
    at = datetime(2026, 3, 7, 3, tzinfo=UTC)
    features = {"amount": 41.25, "country": "NL", "items": 3, "note": None, "x" * 30: "long " * 12}
    rows = tuple(
        SampledRow(
            f"req-{i:04d}", "v41", at + timedelta(minutes=i), features, i % 2, 0.125 * i, (None, 1)[i % 2]
        )
        for i in range(5)
    )
    return Samples(model, at, at + timedelta(hours=1), rows, ("iban", "name"))


@pytest.mark.parametrize(("name", "size", "keys", "ascii_only"), CASES, ids=[c[0] for c in CASES])
async def test_screen(name: str, size: tuple[int, int], keys: tuple[str, ...], ascii_only: bool):
    app = dashboard(ascii=ascii_only, sampler=sampled)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        for key in keys:
            await pilot.press(key)
        await pilot.pause()
        shown = screen_text(app) + "\n"
    file = HERE / f"{name}.txt"
    if os.environ.get("AUTOHEAL_GOLDENS") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(shown)
    assert shown == file.read_text()
    if ascii_only:
        assert shown.isascii()
