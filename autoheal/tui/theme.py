"""Colours: a palette gives each role of ``present.line`` a style. Pure data, with the contrast that a test asks for.

The default is safe for the colour-blind (blue, orange, vermilion; no pair of red and green carries a meaning), and
colour only repeats what glyph and word say. ``NO_COLOR`` and terminals of few colours are Textual's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ink:
    """How one role is written; an empty colour leaves the palette's own."""

    color: str = ""
    background: str = ""
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Palette:
    name: str
    dark: bool
    foreground: str
    background: str
    cursor: str
    roles: Mapping[str, Ink]


def _palette(name: str, dark: bool, base: tuple[str, str, str], colours: Mapping[str, str]) -> Palette:
    """``colours`` names the few hues; which role takes which is the same in every palette."""
    foreground, background, cursor = base
    hue = dict(colours)
    roles = {
        "brand": Ink(hue["accent"], bold=True),
        "strong": Ink(hue["strong"], bold=True),
        "head": Ink(hue["dim"], bold=True),
        "dim": Ink(hue["dim"]),
        "rule": Ink(hue["rule"]),
        "tab": Ink(background, hue["accent"], bold=True),
        "key": Ink(hue["accent"], bold=True),
        "accent": Ink(hue["accent"]),
        "place": Ink(hue["place"]),
        "spark": Ink(hue["spark"]),
        "good": Ink(hue["good"]),
        "healthy": Ink(hue["good"]),
        "pending": Ink(hue["warn"]),
        "firing": Ink(hue["bad"], bold=True),
        "nodata": Ink(hue["nodata"]),
        "paused": Ink(hue["dim"]),
        "healing": Ink(hue["heal"]),
        "needs": Ink(background, hue["warn"], bold=True),
        "ask": Ink(hue["warn"], bold=True),
        "cursor": Ink(hue["accent"], bold=True),
    }
    return Palette(name, dark, foreground, background, cursor, roles)


DARK = _palette(
    "autoheal-dark",
    True,
    ("#d5dbe1", "#11151a", "#1e2731"),
    {
        "accent": "#8ab8ff",
        "strong": "#ffffff",
        "dim": "#8b97a3",
        "rule": "#3d4854",
        "place": "#7f9ab8",
        "spark": "#64809c",
        "good": "#6cb2f5",
        "warn": "#f0a63a",
        "bad": "#ff7043",
        "nodata": "#d796c7",
        "heal": "#5ed4cf",
    },
)
LIGHT = _palette(
    "autoheal-light",
    False,
    ("#22282e", "#fbfbf8", "#e3ebf4"),
    {
        "accent": "#1c5fb0",
        "strong": "#000000",
        "dim": "#5c666f",
        "rule": "#b4bcc4",
        "place": "#4a6580",
        "spark": "#6f869d",
        "good": "#1467ac",
        "warn": "#8f5200",
        "bad": "#b53a00",
        "nodata": "#93387c",
        "heal": "#0b6b6b",
    },
)
CONTRAST = _palette(
    "autoheal-contrast",
    True,
    ("#ffffff", "#000000", "#333333"),
    {
        "accent": "#9cd0ff",
        "strong": "#ffffff",
        "dim": "#d0d0d0",
        "rule": "#909090",
        "place": "#d0d0d0",
        "spark": "#ffffff",
        "good": "#8fd0ff",
        "warn": "#ffc04d",
        "bad": "#ff9466",
        "nodata": "#ffb3e6",
        "heal": "#7ff5ee",
    },
)
PALETTES = {palette.name: palette for palette in (DARK, LIGHT, CONTRAST)}


def palette_named(name: str | None) -> Palette:
    """A palette by its name, with or without ``autoheal-``; ValueError names those that there are."""
    if not name:
        return DARK
    for palette in PALETTES.values():
        if name in {palette.name, palette.name.removeprefix("autoheal-")}:
            return palette
    known = ", ".join(p.removeprefix("autoheal-") for p in PALETTES)
    raise ValueError(f"no theme is called {name!r}; there are {known}")


def luminance(color: str) -> float:
    """Relative luminance of ``#rrggbb`` (WCAG 2.2)."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """The ratio of two colours' luminances, from 1 to 21 (WCAG 2.2)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
