"""References from a CSV of rows: what ``register`` and ``reference`` share. Imports what is heavy when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import argparse
    from datetime import datetime
    from pathlib import Path

    from autoheal.domain.specs import ModelSpec


class AnswerColumns(NamedTuple):
    """Columns with the truth, the version's answers, and the probability of the positive class; None: not there."""

    label: str | None
    prediction: str | None
    score: str | None


def add_answer_columns(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--label", metavar="COLUMN", help="the column of the CSV with the truth")
    parser.add_argument("--prediction", metavar="COLUMN", help="the column with this version's answers")
    parser.add_argument("--score", metavar="COLUMN", help="the column with the positive class's probability")


def spec_of(models: Any, name: str) -> ModelSpec:
    """A model of the configuration; ActionRefused names those that there are."""
    from autoheal.errors import ActionRefused

    found: ModelSpec | None = models.get(name)
    if found is None:
        known = ", ".join(sorted(models)) or "none"
        raise ActionRefused(f"no model is called {name!r}; there are: {known}")
    return found


def moment(text: str) -> datetime:
    """An aware time as people write it; UsageError says what is wrong with it."""
    from datetime import datetime

    from autoheal.cli.door import UsageError

    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no time: write it like 2026-01-31T12:00:00Z") from error
    if found.tzinfo is None:
        raise UsageError(f"{text!r} has no zone: end it with Z")
    return found


def from_csv(spec: ModelSpec, path: Path, answers: AnswerColumns) -> dict[str, Any]:
    """reference.json of the file's rows; ActionRefused when a column is not there or cannot be read."""
    from autoheal.actions.dataset import read_columns
    from autoheal.errors import ActionRefused
    from autoheal.telemetry.reference import build_performance, build_reference

    head = _column_names(path)
    lacking = [f.name for f in spec.features if f.name not in head]
    lacking += [c for c in answers if c and c not in head]
    if lacking:
        raise ActionRefused(f"{path} lacks the columns {', '.join(lacking)}; it has: {', '.join(head)}")
    columns, performance = read_columns(spec, path), None
    if answers.label and answers.prediction:
        numbers = spec.task == "regression"
        labels, said = (_cells(path, c, numbers=numbers) for c in (answers.label, answers.prediction))
        scores = _cells(path, answers.score, numbers=True) if answers.score else None
        performance = build_performance(spec.task, labels, said, scores, slices=spec.slices, columns=columns)
    return build_reference(spec.features, columns, performance, slices=spec.slices)


def _column_names(path: Path) -> list[str]:
    import csv

    from autoheal.errors import ActionRefused

    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            return next(csv.reader(stream), [])
    except OSError as error:
        raise ActionRefused(f"the reference {path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ActionRefused(f"{path} is no CSV in UTF-8: {error}") from error


def _cells(path: Path, column: str, *, numbers: bool) -> list[Any]:
    import csv

    from autoheal.actions import dataset
    from autoheal.domain.specs import NOTHING
    from autoheal.errors import ActionRefused

    with path.open(newline="", encoding="utf-8-sig") as stream:
        cells = [row[column] for row in csv.DictReader(stream)]
    for row, cell in enumerate(cells, 1):
        if (cell or "").strip() in NOTHING:
            raise ActionRefused(
                f"{path}, row {row} of column {column}: nothing is there; leave such rows out"
            )
    return dataset.numbers(path, column, cells) if numbers else cells
