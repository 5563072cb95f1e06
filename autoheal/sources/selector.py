"""Which series of a metrics page are meant: a name and matchers of labels, written as in PromQL. Pure.

``requests_total{code=~"5..", path!="/health"}``. Used by ``page`` and ``scrape``. What surprises: every matcher is
understood or refused, for one that was skipped would pick more series than were asked for and pass them off as these;
regular expressions match the whole value, and a label that is not there is the empty text, both as in Prometheus.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_SELECTOR = re.compile(r"\s*([a-zA-Z_:][\w:]*)\s*(?:\{(.*)\})?\s*", re.ASCII | re.DOTALL)
_MATCHER = re.compile(
    r"""\s*([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s"',{}~!=]+))\s*(?:,\s*|$)""",
    re.ASCII | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_EXAMPLE = 'write name or name{label="value"}; =, !=, =~ and !~ are known'

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Matcher:
    """``label`` must, or with ``negated`` must not, match the whole of ``pattern``."""

    label: str
    pattern: re.Pattern[str]
    negated: bool

    def picks(self, labels: Mapping[str, str]) -> bool:
        return (self.pattern.fullmatch(labels.get(self.label, "")) is not None) is not self.negated


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric's name, the labels it must have, and other ``matchers``."""

    name: str
    labels: Labels = frozenset()
    matchers: tuple[Matcher, ...] = field(default=())

    @classmethod
    def parse(cls, text: str) -> Selector:
        """Raises ``ValueError`` for anything that is not wholly understood.

        >>> Selector.parse('queue{zone="eu"}').labels
        frozenset({('zone', 'eu')})
        """
        found = _SELECTOR.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no metric: {_EXAMPLE}")
        labels, matchers, rest = set[tuple[str, str]](), [], found[2] or ""
        while rest.strip():
            one = _MATCHER.match(rest)
            if one is None:
                raise ValueError(
                    f"{text!r} is no metric: {rest.strip()[:80]!r} is not understood; {_EXAMPLE}"
                )
            name, how, quoted, single, bare = one.groups()
            value = bare or _ESCAPE.sub(_meant, quoted if quoted is not None else single)
            if how == "=" and value:
                labels.add((name, value))
            else:
                matchers.append(_matcher(text, name, how, value))
            rest = rest[one.end() :]
        return cls(found[1], frozenset(labels), tuple(matchers))

    def picks(self, labels: Labels) -> bool:
        """Whether a series with these labels is meant."""
        if not self.labels <= labels:
            return False
        plain = dict(labels) if self.matchers else {}
        return all(matcher.picks(plain) for matcher in self.matchers)


def _meant(escape: re.Match[str]) -> str:
    return "\n" if escape[1] == "n" else escape[1] if escape[1] in "\\\"'" else escape[0]


def _matcher(text: str, name: str, how: str, value: str) -> Matcher:
    try:
        pattern = re.compile(value if how.endswith("~") else re.escape(value), re.DOTALL)
    except re.error as error:
        raise ValueError(f"{text!r} is no metric: {value!r} is no regular expression: {error}") from None
    return Matcher(name, pattern, how.startswith("!"))
