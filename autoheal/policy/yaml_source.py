"""YAML text to a tree in which every key and every value knows its line and column. Pure.

All loaders start here. Built on the parser's *events*, below every constructor, so that nothing in a file can choose
a Python type, share a node, or stop the reading before all that is wrong was said: duplicate keys, YAML 1.1 booleans,
anchors and aliases, tags, merge keys, several documents. A syntax error ends the file, for what follows is a guess.
Surprise: ``off`` and friends are refused even where text is wanted (``country: no``), because half of all readers take
them for booleans; only the keys in ``PLAIN_WORDS`` have ``off`` among their own words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from autoheal.domain.reason import Position
from autoheal.errors import Problem
from autoheal.policy.scalars import is_yaml11_boolean, resolve

#: Deeper nesting than any configuration has; the limit keeps hostile files from exhausting the stack.
DEEPEST = 24
#: Characters. The scanner is quadratic on some hostile inputs.
LONGEST = 512 * 1024
#: In one file; nobody reads more.
MOST_PROBLEMS = 100
#: Keys whose own vocabulary has a bare ``off``.
PLAIN_WORDS = frozenset({"mode"})

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it stands. ``keys`` says where each key of a mapping stands; ``style`` is how a scalar was
    written (``'``, ``"``, ``|``, ``>`` or nothing)."""

    value: str | int | float | bool | dict[str, Node] | list[Node] | None
    position: Position
    keys: Mapping[str, Position] = field(default_factory=dict)
    style: str = ""

    def plain(self) -> object:
        """The value without its positions."""
        if isinstance(self.value, dict):
            return {k: v.plain() for k, v in self.value.items()}
        if isinstance(self.value, list):
            return [v.plain() for v in self.value]
        return self.value

    def child(self, step: str | int) -> Node | None:
        if isinstance(self.value, dict):
            return self.value.get(str(step))
        if isinstance(self.value, list) and isinstance(step, int) and 0 <= step < len(self.value):
            return self.value[step]
        return None


@dataclass(frozen=True, slots=True)
class Document:
    """One file: its tree, its text and what is wrong with it. ``root`` is None when there is nothing to go on with."""

    file: str
    text: str
    root: Node | None
    problems: tuple[Problem, ...] = ()

    def node(self, path: Iterable[str | int]) -> Node | None:
        """The node at ``path``; a step that leads nowhere is passed over (pydantic adds steps of its own)."""
        here = self.root
        for step in path:
            here = (here.child(step) or here) if here else None
        return here

    def at(self, *path: str | int) -> Position:
        """Where the value at ``path`` stands, or the nearest value around it."""
        node = self.node(path)
        return node.position if node else Position(self.file, 1, 1)

    def key(self, *path: str | int) -> Position:
        """Where the last key of ``path`` stands."""
        parent = self.node(path[:-1])
        return parent.keys.get(str(path[-1]), self.at(*path)) if parent else self.at(*path)

    def has(self, *path: str | int) -> bool:
        here = self.root
        for step in path:
            here = here.child(step) if here else None
        return here is not None

    def inside(self, path: Iterable[str | int], line: int, column: int) -> Position:
        """Where the character at ``line``, ``column`` (from 1) of the text *in* the value at ``path`` stands."""
        node = self.node(path)
        if node is None:
            return Position(self.file, 1, 1)
        start = node.position
        if node.style == "|":
            indent = _indent_after(self.text, start.line)
            return Position(self.file, start.line + line, indent + column)
        if line > 1 or node.style == ">":
            return start
        return Position(self.file, start.line, start.column + column - 1 + (1 if node.style else 0))


def read(file: str, text: str) -> Document:
    """The tree of one YAML document, with every problem that can be told without a schema. Never raises."""
    reader = _Reader(file)
    root: Node | None = None
    if len(text) > LONGEST:
        reader.problem(1, 1, f"the file has {len(text)} characters, more than {LONGEST}", "split it")
        return Document(file, "", None, tuple(reader.problems))
    try:
        root = reader.document(YAML(typ="safe", pure=True).parse(text))
    except _TooDeep as error:
        reader.problem(error.line, error.column, f"nested deeper than {DEEPEST} levels", "")
    except MarkedYAMLError as error:
        reader.problems.append(_syntax_problem(file, text, error))
    except YAMLError as error:
        reader.problems.append(_character_problem(file, text, error))
    except (ValueError, RecursionError) as error:
        reader.problem(1, 1, f"cannot be read as YAML: {error}", "")
    if root is not None and not isinstance(root.value, dict):
        reader.problem(root.position.line, root.position.column, *_NOT_A_MAPPING)
        root = None
    return Document(file, text, root, tuple(reader.problems))


_NOT_A_MAPPING = ("the document is not a mapping", "a file begins with `version: 1` and `kind: ...`")


class _TooDeep(Exception):
    def __init__(self, line: int, column: int) -> None:
        self.line, self.column = line, column
        super().__init__()


class _Reader:
    """Builds the tree from parser events and collects problems on the way."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def problem(self, line: int, column: int, message: str, hint: str) -> None:
        if len(self.problems) >= MOST_PROBLEMS:
            return
        self.problems.append(Problem(self.file, line, column, message, hint))

    def at(self, event: Event) -> Position:
        return Position(self.file, event.start_mark.line + 1, event.start_mark.column + 1)

    def complain(self, event: Event, message: str, hint: str) -> None:
        where = self.at(event)
        self.problem(where.line, where.column, message, hint)

    def document(self, events: Iterable[Event]) -> Node | None:
        """The first document's root; later documents are a problem, an absent one too."""
        stream = iter(events)
        root: Node | None = None
        seen = 0
        for event in stream:
            if isinstance(event, DocumentStartEvent):
                seen += 1
                if seen > 1:
                    self.complain(
                        event, "a second document in one file", "one document a file: move it to its own"
                    )
                    break
                root = self.node(next(stream), stream, 0, "")
        if seen == 0 or (root is not None and root.value is None and seen == 1):
            self.problem(1, 1, "the file is empty", "write a document, or remove the file")
            return None
        return root

    def node(self, event: Event, stream: Iterator[Event], depth: int, key: str) -> Node:
        """One value with all below it; ``key`` is the mapping key it belongs to."""
        if depth > DEEPEST:
            raise _TooDeep(self.at(event).line, self.at(event).column)
        self._refuse_sharing(event)
        if isinstance(event, MappingStartEvent):
            return self._mapping(event, stream, depth)
        if isinstance(event, SequenceStartEvent):
            items = []
            while not isinstance(inner := next(stream), SequenceEndEvent):
                items.append(self.node(inner, stream, depth + 1, key))
            return Node(items, self.at(event))
        if isinstance(event, ScalarEvent):
            return self._scalar(event, key)
        return Node(None, self.at(event))

    def _refuse_sharing(self, event: Event) -> None:
        if isinstance(event, AliasEvent):
            self.complain(event, f"the alias *{event.anchor} is not allowed", "write the value out")
        elif anchor := getattr(event, "anchor", None):
            self.complain(
                event, f"the anchor &{anchor} is not allowed", "write each value out where it is used"
            )
        if tag := getattr(event, "tag", None):
            self.complain(event, f"the tag {tag} is not allowed", "write a plain value")

    def _mapping(self, event: Event, stream: Iterator[Event], depth: int) -> Node:
        entries: dict[str, Node] = {}
        keys: dict[str, Position] = {}
        while not isinstance(inner := next(stream), MappingEndEvent):
            name = self._key(inner, stream, depth)
            value = self.node(next(stream), stream, depth + 1, name)
            if name in keys:
                first = keys[name]
                self.complain(
                    inner,
                    f'the key "{name}" stands twice',
                    f"it was first written in line {first.line}: keep one",
                )
            else:
                entries[name], keys[name] = value, self.at(inner)
        return Node(entries, self.at(event), keys)

    def _key(self, event: Event, stream: Iterator[Event], depth: int) -> str:
        node = self.node(event, stream, depth + 1, "")
        if isinstance(event, ScalarEvent):
            if event.value == "<<" and not event.style:
                self.complain(event, "the merge key << is not allowed", "write the entries out")
            return str(event.value)
        self.complain(event, "a key must be one word", "quote it if it has special characters")
        return f"?{node.position.line}:{node.position.column}"

    def _scalar(self, event: ScalarEvent, key: str) -> Node:
        text, style = str(event.value), event.style or ""
        if style:
            if any(0xD800 <= ord(c) <= 0xDFFF for c in text):
                self.complain(
                    event, "half of a surrogate pair is not a character", "write the character itself"
                )
                text = ""
            return Node(text, self.at(event), style=style)
        if is_yaml11_boolean(text) and not (key in PLAIN_WORDS and text == "off"):
            self.complain(
                event,
                f"{text} is a boolean to some readers of YAML and a word to others",
                f'write true or false, or quote it: "{text}"',
            )
        return Node(resolve(text), self.at(event))


def _syntax_problem(file: str, text: str, error: MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    message = " ".join(str(part) for part in (error.context, error.problem) if part)
    lines = text.splitlines()
    row = lines[line - 1] if line <= len(lines) else ""
    if "\t" in row[: column + 1]:
        where = row.index("\t") + 1
        return Problem(file, line, where, "a tab where YAML allows only spaces", "indent with spaces")
    return Problem(file, line, column, f"not YAML: {message}", _syntax_hint(message, row))


def _syntax_hint(message: str, row: str) -> str:
    if "mapping values are not allowed" in message:
        return "a colon followed by a space begins a value: quote text that has one"
    if "quoted scalar" in message:
        return "a quote is not closed"
    if "flow" in message:
        return "a [ or { is not closed, or a comma is missing"
    if "cannot start any token" in message:
        return "quote a value that begins with % or @ or `"
    if "%" in row[:1]:
        return "directives (%YAML, %TAG) are not needed"
    return "look at the indentation of this line and the one above"


def _character_problem(file: str, text: str, error: YAMLError) -> Problem:
    at = getattr(error, "position", 0)
    at = at if isinstance(at, int) else 0
    before = text[:at]
    line, column = before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1
    return Problem(
        file, line, column, "a character that YAML does not allow", "remove it, or write it as an escape"
    )


def _indent_after(text: str, line: int) -> int:
    """The indentation of the first line with text after ``line``."""
    for row in text.splitlines()[line:]:
        if row.strip():
            return len(row) - len(row.lstrip(" "))
    return 0
