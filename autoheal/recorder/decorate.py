"""``@recorder.predicts()``: records what a function was asked and what it answered. Called by ``Recorder.predicts``.

Works on plain and ``async`` functions and whatever returns an awaitable, and passes answers and errors on as they
are; features are those of before the call. What surprises: a prediction
without an id of the caller's gets a random one; it counts for drift and can never be joined with an outcome.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from autoheal.recorder.now import ticks

if TYPE_CHECKING:
    from autoheal.recorder.recorder import Recorder

#: The name of an argument, or a function of the call's arguments.
Pick = str | Callable[..., Any]
#: Id and features of a call, None when they cannot be had.
Asked = tuple[Any, dict[str, Any]] | None


def predicts(
    recorder: Recorder,
    id_: Pick | None,
    features: Pick | None,
    answer: Callable[[Any], Mapping[str, Any]] | None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``features`` is the first argument unless named; ``answer`` makes prediction, score and version of what is returned,
    which else is the prediction itself or a mapping of these."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ValueError("a function that yields has no one answer: call recorder.prediction at its end")
        names = {n: p.default for n, p in inspect.signature(function).parameters.items()}
        first = next((n for n in names if n not in {"self", "cls"}), None)
        note = _Note(recorder, _getter(id_, names), _getter(features or first, names), answer)
        return (
            _asynchronous(function, note) if inspect.iscoroutinefunction(function) else _plain(function, note)
        )

    return decorate


def _plain(function: Callable[..., Any], note: _Note) -> Callable[..., Any]:
    @functools.wraps(function)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        asked, began = note.asked(args, kwargs), ticks()
        try:
            found = function(*args, **kwargs)
        except Exception as error:
            note.failed(asked, error, began)
            raise
        if inspect.isawaitable(found):  # a partial, an object that is called, another decorator
            return _awaited(found, asked, note, began)
        note.answered(asked, found, began)
        return found

    return recorded


def _asynchronous(function: Callable[..., Any], note: _Note) -> Callable[..., Any]:
    @functools.wraps(function)
    async def recorded(*args: Any, **kwargs: Any) -> Any:
        asked, began = note.asked(args, kwargs), ticks()
        return await _awaited(function(*args, **kwargs), asked, note, began)

    return recorded


async def _awaited(coming: Awaitable[Any], asked: Asked, note: _Note, began: float) -> Any:
    try:
        found = await coming
    except Exception as error:
        note.failed(asked, error, began)
        raise
    note.answered(asked, found, began)
    return found


class _Note:
    """Makes rows of calls; whatever goes wrong in that is counted and stays here."""

    __slots__ = ("_answer", "_features", "_id", "_recorder")

    def __init__(
        self,
        recorder: Recorder,
        id_: Callable[..., Any] | None,
        features: Callable[..., Any] | None,
        answer: Callable[[Any], Mapping[str, Any]] | None,
    ) -> None:
        self._recorder = recorder
        self._id = id_
        self._features = features
        self._answer = answer

    def asked(self, args: Any, kwargs: Any) -> Asked:
        """Id and features as they are now: the function may change what it was given. None when there are none."""
        try:
            id_ = self._id(*args, **kwargs) if self._id is not None else None
            return id_, dict(self._features(*args, **kwargs)) if self._features else {}
        except Exception:  # noqa: BLE001 - nothing that is recorded may break the service
            self._recorder.unusable()
            return None

    def answered(self, asked: Asked, found: Any, began: float) -> None:
        if asked is None:
            return
        try:
            said = self._answer(found) if self._answer else found
            fields = dict(said) if isinstance(said, Mapping) else {"prediction": said}
            known = {
                name: fields[name] for name in ("prediction", "score", "version", "by") if name in fields
            }
            self._record(asked, began, known, fields.get("id"))
        except Exception:  # noqa: BLE001 - as above
            self._recorder.unusable()

    def failed(self, asked: Asked, error: Exception, began: float) -> None:
        if asked is None:
            return
        try:
            self._record(asked, began, {"error": type(error).__name__}, None)
        except Exception:  # noqa: BLE001 - as above
            self._recorder.unusable()

    def _record(
        self, asked: tuple[Any, dict[str, Any]], began: float, known: dict[str, Any], id_: Any
    ) -> None:
        own, features = asked
        id_ = own if id_ is None else id_
        self._recorder.prediction(
            os.urandom(12).hex() if id_ is None else id_,
            features,
            latency_ms=(ticks() - began) * 1000,
            **known,
        )


def _getter(pick: Pick | None, names: Mapping[str, Any]) -> Callable[..., Any] | None:
    """A function of the call's arguments for a name, among ``names`` with their defaults; ValueError when the function
    has no such argument."""
    if not isinstance(pick, str):
        return pick
    if pick not in names:
        raise ValueError(f"the function has no argument {pick!r}: {', '.join(names)}")
    place = list(names).index(pick)
    usual = None if names[pick] is inspect.Parameter.empty else names[pick]

    def get(*args: Any, **kwargs: Any) -> Any:
        return kwargs[pick] if pick in kwargs else args[place] if place < len(args) else usual

    return get
