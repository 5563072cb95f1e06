"""``${{ CEL }}`` inside the values of a runbook. Pure.

``resolve`` is called by the engine when a step falls due, with the context ``{model, reason, incident, inputs,
steps: {id: outputs}}``; ``placeholders`` and ``step_references`` by the loaders. A value that is one placeholder and
nothing else keeps the type that the expression gives; inside text it is formatted. There is no logic but CEL's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from autoheal.errors import AutohealError
from autoheal.policy.expression import ExpressionError, compute

_STEP = re.compile(r"\bsteps\s*\.\s*([A-Za-z_]\w*)(?:\s*\.\s*([A-Za-z_]\w*))?")
_INPUT = re.compile(r"\binputs\s*\.\s*([A-Za-z_]\w*)")
_OPEN, _CLOSE = "${{", "}}"


class TemplateError(AutohealError):
    """A placeholder has no value here: a step that gave no such output, or a wrong type."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One ``${{ }}``: its expression, where the whole begins and ends, where the expression begins. Offsets from 0."""

    source: str
    start: int
    end: int
    inner: int


@dataclass(frozen=True, slots=True)
class Found:
    """A placeholder in a nested value: the way to the text, the text, and the placeholder (None: never closed)."""

    path: tuple[str | int, ...]
    text: str
    placeholder: Placeholder | None


def resolve(value: object, context: Mapping[str, object]) -> object:
    """``value`` with all placeholders filled in; TemplateError when one has no value."""
    if isinstance(value, str):
        return _resolve_text(value, context)
    if isinstance(value, Mapping):
        return {str(key): resolve(inner, context) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [resolve(inner, context) for inner in value]
    return value


def references(value: object) -> tuple[str, ...]:
    """The expressions in a value, in order."""
    return tuple(f.placeholder.source for f in find(value) if f.placeholder)


def find(value: object, path: tuple[str | int, ...] = ()) -> Iterator[Found]:
    """Every placeholder in a nested value."""
    if isinstance(value, str):
        placeholders, closed = scan(value)
        yield from (Found(path, value, p) for p in placeholders)
        if not closed:
            yield Found(path, value, None)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from find(inner, (*path, str(key)))
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from find(inner, (*path, index))


def step_references(source: str) -> tuple[tuple[str, str], ...]:
    """``(step, output)`` for each ``steps.step.output`` of an expression; the output may be empty."""
    return tuple((m[1], m[2] or "") for m in _STEP.finditer(source))


def input_references(source: str) -> tuple[str, ...]:
    """The names after ``inputs.`` in an expression."""
    return tuple(m[1] for m in _INPUT.finditer(source))


def scan(text: str) -> tuple[tuple[Placeholder, ...], bool]:
    """The placeholders of a text, and whether the last one is closed."""
    found: list[Placeholder] = []
    at = text.find(_OPEN)
    while at >= 0:
        inner = at + len(_OPEN)
        end = _closing(text, inner)
        if end < 0:
            return tuple(found), False
        raw = text[inner:end]
        lead = len(raw) - len(raw.lstrip())
        found.append(Placeholder(raw.strip(), at, end + len(_CLOSE), inner + lead))
        at = text.find(_OPEN, end + len(_CLOSE))
    return tuple(found), True


def _closing(text: str, at: int) -> int:
    """Where the ``}}`` stands that closes the placeholder; quotes and CEL's own braces are passed over."""
    depth, quote = 0, ""
    while at < len(text):
        char = text[at]
        if quote:
            at += 1 if char == "\\" else 0
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char == "{":
            depth += 1
        elif char == "}" and depth:
            depth -= 1
        elif text.startswith(_CLOSE, at):
            return at
        at += 1
    return -1


def _resolve_text(text: str, context: Mapping[str, object]) -> object:
    placeholders, closed = scan(text)
    if not closed:
        raise TemplateError(f"a placeholder is not closed in {text!r}")
    if (
        len(placeholders) == 1
        and not text[: placeholders[0].start].strip()
        and not text[placeholders[0].end :].strip()
    ):
        return _value(placeholders[0], context)
    parts, at = [], 0
    for placeholder in placeholders:
        parts.append(text[at : placeholder.start])
        parts.append(_format(_value(placeholder, context)))
        at = placeholder.end
    return "".join((*parts, text[at:]))


def _value(placeholder: Placeholder, context: Mapping[str, object]) -> object:
    try:
        return compute(placeholder.source, context)
    except ExpressionError as error:
        raise TemplateError(f"${{{{ {placeholder.source} }}}} has no value: {error}") from error


def _format(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_format(v) for v in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {_format(v)}" for k, v in value.items())
    return str(value)
