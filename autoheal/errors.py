"""Every error that autoheal raises on purpose.

    AutohealError
    ├── ConfigError            what an operator wrote is wrong: carries problems with file, line, column, hint
    ├── ExpressionError        a CEL expression cannot be read or has no value here (policy.expression)
    ├── TemplateError          a ``${{ }}`` has no value here (runbook.template)
    ├── TelemetryError         one telemetry record or batch is unusable
    ├── StoreError             the event log or the telemetry tables cannot be read or written
    ├── ActionError            an effect on the outside world failed: retryable or not
    │   └── ActionRefused      the action looked and declined (a gate, a contested target): never retried
    │       └── ActionNotYet   ... for want of rows: the same question may be answered otherwise later
    └── DoorError              the daemon could not be reached, or refused a request

Only a supervisor catches everything else, and it shows it on the dashboard.
"""

from __future__ import annotations

from dataclasses import dataclass


class AutohealError(Exception):
    """Base of all errors raised on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file: where (1-based line and column), what, and what to do next."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    severity: str = "error"

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}:{self.column}: {self.severity}: {self.message}"
        return f"{text}\n    hint: {self.hint}" if self.hint else text


class ConfigError(AutohealError):
    """The configuration is refused; ``problems`` says each defect and its place."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(p) for p in problems))


class TelemetryError(AutohealError):
    """A telemetry record is refused; ``row`` is its 0-based place in the batch, or None."""

    def __init__(self, message: str, *, row: int | None = None, field: str = "") -> None:
        self.row = row
        self.field = field
        where = "" if row is None else f"row {row}: "
        super().__init__(f"{where}{field + ': ' if field else ''}{message}")


class StoreError(AutohealError):
    """The store cannot do what it was asked."""


class ActionError(AutohealError):
    """An action failed. ``retryable`` says whether the same call may succeed later."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        self.retryable = retryable
        super().__init__(message)


class ActionRefused(ActionError):
    """The action examined the situation and declined; retrying changes nothing."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=False)


class ActionNotYet(ActionRefused):
    """The action declined on the rows that are in; more of them may change the answer."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.retryable = True


class DoorError(AutohealError):
    """The daemon's door is shut or said no; ``status`` is the HTTP status, 0 when nothing answered."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        self.status = status
        super().__init__(message)
