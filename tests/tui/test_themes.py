"""Colours can be read, and keys and glyphs are complete."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len

from autoheal.tui import glyphs
from autoheal.tui.keys import KEYS
from autoheal.tui.present.text import ASCII
from autoheal.tui.theme import PALETTES, Palette, contrast, palette_named

#: Lines between things and bars are no text; they need to be seen, not read.
DRAWN = {"rule": 1.5, "spark": 3.0}


@pytest.mark.parametrize("palette", PALETTES.values(), ids=list(PALETTES))
def test_text_has_contrast(palette: Palette):
    for role, ink in palette.roles.items():
        ground = ink.background or palette.background
        assert contrast(ink.color, ground) >= DRAWN.get(role, 4.5), role
        if not ink.background and role not in DRAWN:
            assert contrast(ink.color, palette.cursor) >= 4.0, f"{role} under the cursor"
    assert contrast(palette.foreground, palette.background) >= 7


def test_themes_by_name():
    assert palette_named(None).name == "autoheal-dark"
    assert palette_named("light") is palette_named("autoheal-light")
    with pytest.raises(ValueError, match="there are dark, light, contrast"):
        palette_named("neon")


def test_every_glyph_is_one_column_wide_and_has_a_stand_in():
    looks = [look for name in dir(glyphs) if name.isupper() for look in getattr(glyphs, name).values()]
    assert len(looks) > 30
    for look in looks:
        assert cell_len(look.glyph) == 1
        assert look.glyph.isascii() or look.glyph in ASCII
        assert look.role in palette_named(None).roles
    assert all(len(stand_in) == 1 and stand_in.isascii() for stand_in in ASCII.values())


def test_no_two_states_of_a_kind_share_glyph_and_word():
    for table in (glyphs.MODEL, glyphs.INCIDENT, glyphs.RUN, glyphs.STEP, glyphs.TASK, glyphs.MODE):
        assert len({look.text for look in table.values()}) == len(table)


def test_no_key_is_bound_twice_in_one_place():
    ids = [key.id for key in KEYS]
    assert len(set(ids)) == len(ids)
    for groups in (("lists", "everywhere", "events"), ("pages", "everywhere", "why")):
        bound = [k for key in KEYS if key.group in groups for k in key.keys.split(",")]
        assert len(set(bound)) == len(bound)


def test_every_key_is_documented():
    text = (Path(__file__).parents[2] / "docs" / "dashboard.md").read_text()
    for key in KEYS:
        assert f"`{key.shown}`" in text, key.id
        assert key.help in text, key.id
