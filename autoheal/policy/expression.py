"""CEL expressions (``expr:`` and ``${{ }}``): checked once at load, evaluated often, never raising. Pure.

The one place that imports ``cel``, and late, because it costs a tenth of a second. ``check`` serves the loaders,
``evaluate`` the engine's conditions (True, False, or None for unknown), ``compute`` the templates. The language is
small on purpose: text up to 1,000 characters and at most two macros, because nested ones multiply.

CEL's package has no static types. So ``check`` evaluates the expression on a sample of what it will see: a wrong type
or an unknown name on the sample is refused at load. What the sample cannot reach is unknown at run time, never wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from autoheal.errors import AutohealError

if TYPE_CHECKING:
    from cel import Program

LONGEST = 1000
MOST_MACROS = 2
_MACRO = re.compile(r"\b(?:map|filter|all|exists|exists_one)\b")
_AT = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
#: Functions that the evaluator knows; anything else is a name that will never have a value.
FUNCTIONS = frozenset(
    {
        "bool", "bytes", "contains", "double", "duration", "endsWith", "has", "int", "matches", "max", "min", "size",
        "startsWith", "string", "timestamp", "uint",
        "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours", "getMilliseconds",
        "getMinutes", "getMonth", "getSeconds",
    }
)  # fmt: skip


class ExpressionError(AutohealError):
    """An expression cannot be evaluated; ``line`` and ``column`` count from 1 in its own text."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        self.line, self.column = line, column
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an expression, and where in its text (from 1)."""

    line: int
    column: int
    message: str
    name: str = ""


def check(source: str, names: frozenset[str], sample: Mapping[str, object], *, boolean: bool) -> Fault | None:
    """What is wrong with ``source``, or None. ``names`` are the variables it may use, ``sample`` a value of each."""
    try:
        program = compiled(source)
    except ExpressionError as error:
        return Fault(error.line, error.column, str(error))
    # What the sample cannot decide (a division, a bad pattern) is left to the run time.
    unknown = _unknown(program, source, names)
    if unknown:
        return unknown
    try:
        value = _execute(program, sample)
    except ExpressionError as error:
        cause = error.__cause__
        if isinstance(cause, KeyError):
            name = str(cause.args[0]).strip("'") if cause.args else ""
            return Fault(*_place(source, name), f'unknown name "{name}"', name)
        return (
            Fault(1, 1, f"does not type-check: {_first_line(error)}")
            if isinstance(cause, TypeError)
            else None
        )
    if boolean and not isinstance(value, bool):
        return Fault(1, 1, f"gives {_kind(value)}, not true or false")
    return None


def evaluate(source: str, context: Mapping[str, object]) -> bool | None:
    """The truth of a condition: None when a name is missing, a type is wrong, or it is no boolean. Never raises."""
    try:
        value = compute(source, context)
    except ExpressionError:
        return None
    return value if isinstance(value, bool) else None


def compute(source: str, context: Mapping[str, object]) -> object:
    """The value of an expression; ExpressionError when it has none."""
    return _execute(compiled(source), context)


@lru_cache(maxsize=1024)
def compiled(source: str) -> Program:
    """The parsed expression; ExpressionError with its place when it is none."""
    if len(source) > LONGEST:
        raise ExpressionError(f"the expression has {len(source)} characters, more than {LONGEST}")
    if len(_MACRO.findall(source)) > MOST_MACROS:
        raise ExpressionError(f"the expression has more than {MOST_MACROS} macros (map, filter, all, exists)")
    import cel  # noqa: PLC0415  late: a tenth of a second that most commands do not need

    try:
        return cel.compile(source)
    except Exception as error:
        found = _AT.search(str(error))
        line, column = (int(found[1]), int(found[2])) if found else (1, 1)
        message = _plain(found[3]) if found else _first_line(error)
        raise ExpressionError(f"not an expression: {message}", line, column) from error
    except BaseException as error:  # the Rust side panics with a BaseException of its own
        raise _unless_ours(error) from error


def _execute(program: Program, context: Mapping[str, object]) -> object:
    try:
        return program.execute(dict(context))
    except Exception as error:
        raise ExpressionError(_first_line(error)) from error
    except BaseException as error:  # see compiled
        raise _unless_ours(error) from error


def _unless_ours(error: BaseException) -> BaseException:
    """The process's own ends (interrupt, exit, cancellation) pass; a panic becomes an ExpressionError."""
    panic = type(error).__name__ == "PanicException"
    return ExpressionError(f"cannot be evaluated: {_first_line(error)}") if panic else error


def _unknown(program: Program, source: str, names: frozenset[str]) -> Fault | None:
    bound = set(re.findall(r"\b(?:map|filter|all|exists|exists_one)\s*\(\s*([A-Za-z_]\w*)", source))
    for name in program.variables():
        if name not in names and name not in bound and not name.startswith("@"):
            return Fault(*_place(source, name), f'unknown name "{name}"', name)
    for name in program.functions():
        if name[:1].isalpha() and name not in FUNCTIONS:
            return Fault(*_place(source, name), f'unknown function "{name}"', name)
    return None


def _place(source: str, name: str) -> tuple[int, int]:
    """Line and column (from 1) of the first use of ``name``."""
    found = re.search(rf"(?<![\w.'\"]){re.escape(name)}\b", source) or re.search(re.escape(name), source)
    at = found.start() if found else 0
    before = source[:at]
    return before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1


def _plain(message: str) -> str:
    """The parser's list of everything it would have liked is of no use to an operator."""
    short = message.removeprefix("Syntax error: ").split(" expecting ")[0].replace("'<EOF>'", "the end")
    return short.replace("mismatched input the end", "it ends too early").replace(
        "mismatched input", "unexpected"
    )


def _first_line(error: BaseException) -> str:
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return line.split(". ")[0][:200]


def _kind(value: Any) -> str:
    kinds = {
        str: "text",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a mapping",
        type(None): "nothing",
    }
    return kinds.get(type(value), type(value).__name__)
