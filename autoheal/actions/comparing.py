"""What ``evaluate.candidate`` and ``evaluate.gate`` share: two versions' answers to the same rows, judged soberly.

Reads only. The model server is asked for both; ``judgement`` compares. What surprises: a champion that does not answer
is no excuse for a bad candidate, which must then beat the best constant answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from autoheal.actions import baseline
from autoheal.actions.cleaning import Row
from autoheal.actions.contract import ActionContext
from autoheal.domain.specs import ModelSpec
from autoheal.errors import ActionNotYet, ActionRefused

if TYPE_CHECKING:
    from autoheal.actions.judgement import Comparison
    from autoheal.actions.targets.champion import Champion
    from autoheal.actions.targets.model_server import ModelServer

#: ln 20: a wrong "better" at most once in twenty.
EVIDENCE: Final = 2.995732
#: What both actions give.
OUTPUTS: Final = ("gain", "n", "evidence", "champion_loss", "candidate_loss", "champion")


@dataclass(frozen=True, slots=True)
class Answers:
    """Both sides' predictions; the champion's are None when it fails, and ``failure`` says how."""

    champion: list[Any] | None
    candidate: list[Any]
    scores: list[float] | None
    failure: str = ""


async def champion_of(ctx: ActionContext, model: str) -> Champion:
    """The champion; ActionRefused when there is none."""
    champion = await asyncio.to_thread(ctx.registry.champion, model)
    if champion is None:
        raise ActionRefused(f"{model} has no champion to compare with")
    return champion


def seen_until(ctx: ActionContext, model: str, version: str) -> datetime | None:
    """The end of the data that a version was made of."""
    return ctx.registry.info(model, version).lineage.data_to


async def old_answers(
    server: ModelServer, champion: str, rows: Sequence[Row]
) -> tuple[list[Any] | None, str]:
    """The champion's predictions, or None and how it failed."""
    from autoheal.actions.targets.model_server import VersionFailedError  # noqa: PLC0415 - httpx, only here

    try:
        return (await server.predict(champion, _features(rows))).predictions, ""
    except VersionFailedError as error:
        return None, str(error)


async def new_answers(
    server: ModelServer, spec: ModelSpec, candidate: str, rows: Sequence[Row]
) -> tuple[list[Any], list[float] | None]:
    """The candidate's predictions and scores. One that fails or gives anything unusable is refused."""
    from autoheal.actions.judgement import usable  # noqa: PLC0415 - numpy and scipy, only here
    from autoheal.actions.targets.model_server import VersionFailedError  # noqa: PLC0415 - httpx, only here

    try:
        new = await server.predict(candidate, _features(rows))
    except VersionFailedError as error:
        raise ActionRefused(f"{candidate} of {spec.name} does not work: {error}") from error
    bad = int((~usable(spec.task, new.predictions)).sum())
    if bad:
        raise ActionRefused(
            f"{candidate} of {spec.name} gives no usable answer to {bad} of {len(rows)} rows (NaN or null)"
        )
    return new.predictions, new.scores


def compared(ctx: ActionContext, spec: ModelSpec, rows: Sequence[Row], answers: Answers) -> Comparison:
    """Candidate against champion, with evidence that allows for rows that are alike."""
    from autoheal.actions.judgement import compare  # noqa: PLC0415 - numpy and scipy, only here

    labels = [row["label"] for row in rows]
    scale = baseline.loss_scale(ctx.registry, spec.name)
    return compare(spec.task, labels, answers.champion, answers.candidate, scale).sober()


def insist(candidate: str, why: str, failure: str = "") -> None:
    """Refuse for now when there is a ``why``."""
    if why:
        also = f" (the champion fails: {failure})" if failure else ""
        raise ActionNotYet(f"{candidate} is refused: {why}{also}")


def outputs(found: Comparison, champion: str) -> dict[str, object]:
    return {
        "gain": found.gain,
        "n": found.n,
        "evidence": round(found.log_e, 4),
        "champion_loss": found.champion_loss,
        "candidate_loss": found.candidate_loss,
        "champion": champion,
    }


def _features(rows: Sequence[Row]) -> list[Mapping[str, Any]]:
    return [row["features"] for row in rows]
