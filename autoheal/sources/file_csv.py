"""CSV as records: which lines are one record, what tells fields apart, and the rows. Pure; used by ``file_lines``.

A field in quotes may hold ends of lines. The surprising part: a quote that is never closed would take the rest of the
file for one field, so after ``MOST_LINES`` its line is counted as bad and reading goes on behind it. Fields are told apart
by whichever of comma, semicolon, tab and bar the header has most of.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

#: Lines that one record may have.
MOST_LINES = 100
_DELIMITERS = ",;\t|"


def delimiter(header: str) -> str:
    """What tells the fields of a header apart, not counting what stands in quotes.

    >>> delimiter("id;label"), delimiter('"a;b",c'), delimiter("id")
    (';', ',', ',')
    """
    plain = "".join(header.split('"')[::2])
    return max(_DELIMITERS, key=plain.count)


def records(lines: Sequence[bytes], apart: str, bad: Counter[str]) -> tuple[list[bytes], int]:
    """Lines as records, and how many of the last lines are a record that has no end yet."""
    found: list[bytes] = []
    at = 0
    while at < len(lines):
        most = min(len(lines), at + MOST_LINES)
        end = next((end for end in range(at + 1, most + 1) if _closed(lines[at:end], apart)), None)
        if end is not None:
            found.append(b"\n".join(lines[at:end]))
            at = end
        elif most < at + MOST_LINES:
            return found, len(lines) - at
        else:
            bad["not_csv"] += 1
            at += 1
    return found, 0


def _closed(lines: Sequence[bytes], apart: str) -> bool:
    """Whether these lines end outside of quotes."""
    if sum(line.count(b'"') for line in lines) % 2 == 0:
        return True
    try:
        list(csv.reader([b"\n".join(lines).decode("latin-1")], delimiter=apart, strict=True))
    except csv.Error as error:
        return "unexpected end" not in str(error)
    return True


def rows(texts: Sequence[str], header: str, bad: Counter[str]) -> list[Mapping[str, Any]]:
    """Records as rows by the header's names; empty ones aside."""
    apart = delimiter(header)
    names = next(csv.reader([header], delimiter=apart), [])
    try:
        found = list(csv.DictReader(texts, fieldnames=names, restval="", delimiter=apart))
    except csv.Error:
        found = []
        for text in texts:
            try:
                found += csv.DictReader([text], fieldnames=names, restval="", delimiter=apart)
            except csv.Error:
                bad["not_csv"] += 1
    return [row for row in found if any(row.values())]
