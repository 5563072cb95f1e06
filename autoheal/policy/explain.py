"""Pydantic's errors turned into problems that an operator can act on: file, line, column, sentence, hint. Pure.

``check(document, model)`` is the one door from a tree to a schema class; the loaders call it. An error's place is
pydantic's ``loc`` walked down the tree: an unknown key points to the key, a wrong value to the value, a missing key
to the mapping that lacks it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from autoheal.domain.reason import Position
from autoheal.errors import Problem
from autoheal.policy.yaml_source import Document, Path

M = TypeVar("M", bound=BaseModel)

_EXPECTED = {
    "string_type": "text",
    "path_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def problem(where: Position, message: str, hint: str = "") -> Problem:
    """An error at a place in the operator's YAML."""
    return Problem(where.file, where.line, where.column, message, hint)


def warning(where: Position, message: str, hint: str = "") -> Problem:
    """Something legal that is probably not meant."""
    return Problem(where.file, where.line, where.column, message, hint, severity="warning")


def did_you_mean(wrong: str, known: Iterable[str], otherwise: str = "") -> str:
    """A hint that names the nearest known word, or lists what there is."""
    words = sorted(known)
    near = get_close_matches(wrong, words, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{near[0]}`?"
    if otherwise or not words:
        return otherwise
    return f"known here: {', '.join(words[:20])}{', ...' if len(words) > 20 else ''}"


def check(document: Document, model: type[M]) -> tuple[M | None, tuple[Problem, ...]]:
    """The document as ``model``, or the problems that keep it from being one."""
    if document.root is None:
        return None, ()
    try:
        return model.model_validate_json(json.dumps(document.root.plain())), ()
    except ValidationError as error:
        return None, explain(document, model, error)


def check_options(
    document: Document, model: type[BaseModel], values: Mapping[str, object], at: Path
) -> tuple[Problem, ...]:
    """Whether a plug-in's own model takes ``values``, which stand at ``at`` in the document."""
    try:
        model.model_validate(dict(values))
    except ValidationError as error:
        return explain(document, model, error, at)
    return ()


def explain(
    document: Document, model: type[BaseModel], error: ValidationError, at: Path = ()
) -> tuple[Problem, ...]:
    """One problem for each error, in the order of the file; several about one place are told once."""
    found = [_explain_one(document, model, dict(entry), at) for entry in error.errors(include_url=False)]
    unique = {(p.line, p.column): p for p in reversed(found)}
    return tuple(sorted(unique.values(), key=lambda p: (p.line, p.column)))


def _explain_one(document: Document, model: type[BaseModel], entry: dict[str, Any], at: Path) -> Problem:
    loc: Path = tuple(entry["loc"])
    path = at + loc
    kind, context = entry["type"], entry.get("ctx") or {}
    if kind == "extra_forbidden":
        known = _keys_at(model, loc[:-1])
        return problem(document.key(*path), f'unknown key "{loc[-1]}"', did_you_mean(str(loc[-1]), known))
    if kind == "missing":
        return problem(document.at(*path[:-1]), f'the key "{loc[-1]}" is missing', _example(model, loc))
    if kind in {"union_tag_not_found", "union_tag_invalid"}:
        return _which_kind(document, path, context)
    if kind == "autoheal":
        return problem(document.at(*path), context["message"], context.get("hint", ""))
    if kind == "value_error":
        return problem(document.at(*path), str(context.get("error", entry["msg"])))
    message, hint = _sentence(kind, entry.get("input"), context, entry["msg"])
    return problem(document.at(*path), message, hint or (_example(model, loc) if kind == "too_short" else ""))


def _which_kind(document: Document, path: Path, context: Mapping[str, Any]) -> Problem:
    """One of several schema classes is meant, and the key that says which is absent or says none of them."""
    key, words = context["discriminator"].strip("'"), _words(context.get("expected_tags", ""))
    if "tag" not in context:
        return problem(document.at(*path), f'the key "{key}" is missing', f"write {key}: and what it is")
    said = f"{_show(context['tag'])} is not one of {', '.join(words)}"
    return problem(document.at(*path, key), said, _near(context["tag"], words))


def _sentence(kind: str, value: object, context: Mapping[str, Any], said: str) -> tuple[str, str]:
    """What is wrong with a value, and what to write instead, in an operator's words."""
    if kind in {"literal_error", "enum"}:
        words = _words(str(context.get("expected", "")))
        known = f"is not one of {', '.join(words)}" if len(words) > 1 else f"is not {words[0]}"
        return f"{_show(value)} {known}", _near(value, words)
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, found {_show(value)}", _type_hint(kind, value)
    if kind == "too_short":
        return "nothing in it", ""
    if kind in {"greater_than_equal", "less_than_equal"}:
        least = kind == "greater_than_equal"
        return f"{_show(value)} is too {'small' if least else 'large'}", (
            f"at {'least' if least else 'most'} {context.get('ge' if least else 'le')}"
        )
    if kind == "greater_than":
        return f"{_show(value)} is too small", f"more than {context.get('gt')}"
    return f"{_show(value)}: {said[:1].lower()}{said[1:]}", ""


def _words(expected: str) -> list[str]:
    """The words in pydantic's list of them, of enums by their values."""
    found = re.findall(r"<[^:>]*: '([^']*)'>|'([^']*)'|\b(?!or\b)(\w+)", expected)
    return [enum or quoted or bare for enum, quoted, bare in found] or [expected]


def _near(value: object, words: list[str]) -> str:
    near = get_close_matches(str(value), words, n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else ""


def _show(value: object) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _type_hint(kind: str, value: object) -> str:
    if kind == "string_type" and isinstance(value, (int, float, bool)):
        return f'quote it: "{json.dumps(value)}"'
    if kind in ("list_type", "tuple_type") and isinstance(value, Mapping):
        return "begin each entry with a dash"
    if kind in ("int_type", "float_type", "int_parsing", "float_parsing") and isinstance(value, str):
        if re.fullmatch(r"0\d+", value):
            return f"write it without the leading zero: {int(value)}"
        return "write it without quotes, in digits"
    if kind in ("list_type", "tuple_type") and isinstance(value, str):
        return f"write [{value}]"
    return ""


def _example(model: type[BaseModel], loc: Path) -> str:
    owner = _model_at(model, loc[:-1])
    for name, field in (owner.model_fields if owner else {}).items():
        if loc[-1] in (name, field.alias):
            return field.description or ""
    return ""


def _keys_at(model: type[BaseModel], loc: Path) -> list[str]:
    """The keys that the mapping at ``loc`` may have."""
    owner = _model_at(model, loc)
    return [field.alias or name for name, field in owner.model_fields.items()] if owner else []


def _model_at(model: type[BaseModel], loc: Path) -> type[BaseModel] | None:
    """The schema class of the mapping at ``loc``, found by walking the annotations."""
    here: Any = model
    for step in loc:
        here = _step_into(here, step)
    return _model_in(here)


def _step_into(annotation: Any, step: str | int) -> Any:
    """The annotation below ``step``; unchanged when pydantic added the step itself (members of a union)."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.items()
        return next((f.annotation for name, f in fields if step in (name, f.alias)), annotation)
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _step_into(inner[0], step)
    if origin is dict:
        return inner[1]
    if origin in (list, tuple):
        return inner[0]
    if origin in (Union, UnionType):
        if tagged := next((one for one in inner if step in _tags(one)), None):
            return tagged
        return next((below for one in inner if (below := _step_into(one, step)) is not one), annotation)
    return annotation


def _tags(annotation: Any) -> tuple[object, ...]:
    """The kinds that a member of a union of schema classes stands for."""
    kind = getattr(annotation, "model_fields", {}).get("kind")
    return get_args(kind.annotation) if kind else ()


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The schema class that an annotation stands for, alone or in a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Annotated, Union, UnionType):
        return next((m for one in get_args(annotation) if (m := _model_in(one))), None)
    return None
