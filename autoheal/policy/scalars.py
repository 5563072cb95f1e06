"""What a bare word of YAML means: the core schema of YAML 1.2, made strict. Pure; called by ``yaml_source``.

Surprise: dates, infinities and not-a-number stay text, and so does a number with a leading zero (``012`` is 10 to
old readers and 12 to new ones), so that whoever wants a number there is told. ``y`` and ``n``, booleans by the letter
of YAML 1.1, are words to all readers in use, and so they are here.
"""

from __future__ import annotations

import re
from math import isfinite

_YAML11_BOOLEANS = frozenset(
    spelling for word in ("on", "off", "yes", "no") for spelling in (word, word.upper(), word.capitalize())
)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUES = frozenset({"true", "True", "TRUE"})
_FALSES = frozenset({"false", "False", "FALSE"})
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})", re.ASCII)
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})?(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?", re.ASCII)


def is_yaml11_boolean(text: str) -> bool:
    """Whether old readers of YAML take this bare word for a boolean and new ones for text."""
    return text in _YAML11_BOOLEANS


def resolve(text: str) -> str | int | float | bool | None:
    """The value of a bare scalar."""
    if text in _NULLS:
        return None
    if text in _TRUES:
        return True
    if text in _FALSES:
        return False
    if _INT.fullmatch(text):
        return int(text)
    if any(c.isdigit() for c in text) and _FLOAT.fullmatch(text):
        number = float(text)
        return number if isfinite(number) else text
    return text
