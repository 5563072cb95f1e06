"""Mixture Shiryaev-Roberts e-detector, in logs, and the bets that feed it.

Pure. For each of K alternatives it keeps ``R_k <- (R_k + weight_days) * e_k`` where ``E[e_k | past] <= 1``
while the model is healthy; the statistic is ``M = mean_k R_k``, measured in days. Summed over a fleet whose
``weight_days`` are ``share * elapsed days`` with shares that add to 1, the first time the sum reaches T is on
average at least T days away, whatever the dependence between monitors.

After Shin, Ramdas & Rinaldo, "E-detectors: a nonparametric framework for sequential change detection" (2024).
The bets on losses in [0, 1] are Bernoulli likelihood ratios on six rates that double in logits (for 0/1
losses), or ``1 + lambda (loss - p0)`` (any loss in [0, 1]; Waudby-Smith & Ramdas 2024).

Shapes: ``log_e`` is (K,) for one step, (n, K) for n steps. ``weight_days`` in days. ``p0`` is the healthy
ceiling of the mean loss, strictly between 0 and 1. Raises ValueError for NaN, shapes that do not fit,
negative weights, losses outside [0, 1].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, logit

from autoheal.stats import inputs
from autoheal.stats.eprocess_blocks import blocks

K_RATES = 6
CLIP = 700.0
LOG_ZERO = -1.0e6  # stands for log 0: exact under logaddexp with any weight, and JSON has no infinity
CHUNK = 8192  # rows of a long trace that go through together: what the processor's cache holds
RARE = 0.005  # below this rate a step of 0.1 logits cannot be noticed in useful time


@dataclass(frozen=True, slots=True)
class EState:
    """Evidence of one monitor: the K logs of R, in log days. Plain floats, safe to write as JSON."""

    log_r: tuple[float, ...]


def fresh(k: int = K_RATES) -> EState:
    """No evidence yet: R = 0 for each of the ``k`` alternatives."""
    if k < 1:
        raise ValueError("an e-detector needs at least one alternative")
    return EState((LOG_ZERO,) * k)


def reset(state: EState) -> EState:
    """Forget all evidence, as after an alarm or a change of version; keeps the number of alternatives."""
    return fresh(len(state.log_r))


def update(state: EState, log_e: ArrayLike, weight_days: float) -> EState:
    """One step (a whole batch counts as one): add the weight, then multiply by e."""
    steps = np.asarray(log_e, dtype=np.float64)
    _same_shape(steps, (len(state.log_r),))
    log_w = _log_weight(weight_days)
    # In plain floats: numpy would spend ten times as long on the calls as on six numbers.
    return EState(tuple(_moved(r, e, log_w) for r, e in zip(state.log_r, steps.tolist(), strict=True)))


def update_many(log_r: ArrayLike, log_e: ArrayLike, weight_days: ArrayLike) -> NDArray[np.float64]:
    """One step of many monitors at once: (monitors, K) logs, one weight (monitors,) each; returns new logs."""
    held = np.asarray(log_r, dtype=np.float64)
    weights = np.asarray(weight_days, dtype=np.float64)
    if held.ndim != 2 or weights.shape != held.shape[:1]:
        raise ValueError(
            f"need (monitors, K) logs and (monitors,) weights, got {held.shape}, {weights.shape}"
        )
    return _advance(held, _log_e(log_e, held.shape), _log_weights(weights)[:, None])


def trace(state: EState, log_e: ArrayLike, weight_days: float) -> tuple[EState, NDArray[np.float64]]:
    """``n`` steps of equal weight at once; returns the last state and log M after each step, (n,)."""
    steps = np.asarray(log_e, dtype=np.float64)
    if steps.ndim != 2 or steps.shape[0] == 0:
        raise ValueError(f"log_e must be (steps, K) with at least one step, got shape {steps.shape}")
    steps = _log_e(steps, (steps.shape[0], len(state.log_r)))
    log_w, log_r, means = _log_weight(weight_days), np.array(state.log_r), []
    for first in range(0, len(steps), CHUNK):
        log_r, seen = _trace_chunk(log_r, steps[first : first + CHUNK], log_w)
        means += seen
    return EState(tuple(log_r.tolist())), np.concatenate(means)


def _trace_chunk(
    log_r: NDArray[np.float64], steps: NDArray[np.float64], log_w: float
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """``_trace`` of a part, by blocks as far as that goes."""
    means, whole = [], blocks(steps, log_w)
    if whole is not None:
        log_r, seen = whole.run(log_r)
        means, steps = [seen], steps[len(seen) :]
    if len(steps):
        log_r, seen = _trace(log_r, steps, log_w)
        means.append(seen)
    return log_r, means


def _trace(
    start: NDArray[np.float64], steps: NDArray[np.float64], log_w: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The last logs of R (K,), and log M after each step, in logs throughout."""
    total = np.cumsum(steps, axis=0)
    # R_t / E_t grows by w / E_{t-1}, so the recursion is one running logaddexp.
    entries = log_w - (total - steps)
    entries[0] = np.logaddexp(entries[0], start)
    log_r = np.maximum(total + np.logaddexp.accumulate(entries, axis=0), LOG_ZERO)
    return log_r[-1], _log_mean_exp(log_r)


def log_m(state: EState) -> float:
    """Log of M = mean_k R_k, in log days; LOG_ZERO or a little less means no evidence at all."""
    top = max(state.log_r)
    return top + math.log(math.fsum(math.exp(r - top) for r in state.log_r) / len(state.log_r))


def log_m_many(log_r: ArrayLike) -> NDArray[np.float64]:
    """Log M of many monitors: (monitors, K) -> (monitors,)."""
    return _log_mean_exp(inputs.matrix("log_r", log_r))


def bernoulli_grid(p0: float) -> NDArray[np.float64]:
    """Six alternative rates above ``p0``: 0.1, 0.2 ... 3.2 logits up; from 0.4 logits when p0 < 0.005."""
    return np.asarray(expit(_shifted_logits(p0)), dtype=np.float64)


def bet_sizes(p0: float) -> NDArray[np.float64]:
    """lambda_k = (p1 - p0) / (p0 (1 - p0)) of the six alternatives; 1 + lambda (x - p0) is never negative."""
    return (bernoulli_grid(p0) - p0) / (p0 * (1.0 - p0))


def log_e_batch(p0: float, n: float, k: float) -> NDArray[np.float64]:
    """Log e of a batch of ``n`` losses that add up to ``k``: (6,).

    Exact for 0/1 losses. ``k`` may be a sum of fractional losses: log(1 + lambda (x - p0)) is concave in x,
    so its chord, which is what this computes, never claims more evidence than the losses one by one.
    """
    rows, events = inputs.hits_of(n, k)
    up, down = _two_bets(inputs.fraction("p0", p0))
    return np.asarray(events * up + (rows - events) * down, dtype=np.float64)


def log_e_batches(p0: float, n: ArrayLike, k: ArrayLike) -> NDArray[np.float64]:
    """``log_e_batch`` of many batches at one p0: (batches,) rows and sums of losses -> (batches, 6)."""
    rows, events = inputs.vector("n", n), inputs.vector("k", k)
    if rows.shape != events.shape or (events < 0).any() or (events > rows).any():
        raise ValueError("each batch needs 0 <= sum of losses <= rows")
    return np.outer(events, log_e_batch(p0, 1, 1)) + np.outer(rows - events, log_e_batch(p0, 1, 0))


def log_e_losses(p0: float, losses: ArrayLike) -> NDArray[np.float64]:
    """Log e of each loss in [0, 1] by itself: (n,) -> (n, 6); add over rows for one batch."""
    x = inputs.losses("losses", losses)
    # 1 + lambda (x - p0), written as the chord between its two ends so that it cannot cancel to 0 at x = 0.
    up, down = (np.exp(bet) for bet in _two_bets(inputs.fraction("p0", p0)))
    return np.log(x[:, None] * up + (1.0 - x[:, None]) * down)


def log_likelihood_ratio(p0: float, p1: float, n: float, k: float) -> float:
    """Log e of ``k`` events in ``n`` rows against the single alternative ``p1``."""
    inputs.fraction("p0", p0)
    inputs.fraction("p1", p1)
    rows, events = inputs.hits_of(n, k)
    return events * math.log(p1 / p0) + (rows - events) * (math.log1p(-p1) - math.log1p(-p0))


def labels_needed(p0: float, p1: float, mean_rows_between_alarms: float) -> float:
    """Rows until p0 -> p1 is noticed by the best possible detector: (ln(ARL KL) - 1) / KL, within 3%.

    Meant for display. Where ARL x KL is so small that the formula falls below one observation, 1 is returned.
    """
    p, q = inputs.fraction("p0", p0), inputs.fraction("p1", p1)
    arl = inputs.positive("mean_rows_between_alarms", mean_rows_between_alarms)
    divergence = q * math.log(q / p) + (1 - q) * (math.log1p(-q) - math.log1p(-p))
    if divergence <= 0:
        return math.inf
    return max(1.0, (math.log(arl * divergence) - 1.0) / divergence)


def _log_mean_exp(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log of the mean of exp over each row; finite logs only, so the general and ten times slower one is not needed."""
    top = logs.max(axis=1, keepdims=True)
    return np.asarray(top[:, 0] + np.log(np.exp(logs - top).mean(axis=1)), dtype=np.float64)


def _shifted_logits(p0: float) -> NDArray[np.float64]:
    inputs.fraction("p0", p0)
    start = 0.4 if p0 < RARE else 0.1
    return np.asarray(logit(p0) + start * 2.0 ** np.arange(K_RATES), dtype=np.float64)


@lru_cache(maxsize=256)
def _two_bets(p0: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log e of a loss of 1, and of a loss of 0. Kept, since a baseline is asked again and again."""
    moved = _shifted_logits(p0)
    up = np.asarray(log_expit(moved) - math.log(p0), dtype=np.float64)
    down = np.asarray(log_expit(-moved) - math.log1p(-p0), dtype=np.float64)
    up.setflags(write=False)
    down.setflags(write=False)
    return up, down


def _moved(log_r: float, log_e: float, log_w: float) -> float:
    """One alternative after one step. Comparisons take a third of the time of min and max."""
    if log_e != log_e:  # noqa: PLR0124  NaN is the only number that differs from itself
        raise ValueError("log_e holds NaN")
    ahead = log_r - log_w
    moved = (log_r if ahead > 0.0 else log_w) + math.log1p(math.exp(-abs(ahead)))
    moved += CLIP if log_e > CLIP else -CLIP if log_e < -CLIP else log_e  # noqa: FURB136  see above
    return moved if moved > LOG_ZERO else LOG_ZERO  # noqa: FURB136  see above


def _advance(
    log_r: NDArray[np.float64], log_e: NDArray[np.float64], log_w: float | NDArray[np.float64]
) -> NDArray[np.float64]:
    moved: NDArray[np.float64] = np.maximum(np.logaddexp(log_r, log_w) + log_e, LOG_ZERO)
    return moved


def _log_e(values: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    _same_shape(array, shape)
    if np.isnan(array).any():
        raise ValueError("log_e holds NaN")
    return np.clip(array, -CLIP, CLIP)


def _same_shape(array: NDArray[np.float64], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"log_e must have shape {shape}, got {array.shape}")


def _log_weight(weight_days: float) -> float:
    if not (math.isfinite(weight_days) and weight_days >= 0):
        raise ValueError("weight_days must be finite and >= 0")
    return math.log(weight_days) if weight_days > 0 else LOG_ZERO


def _log_weights(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("weight_days must be finite and >= 0")
    safe = np.where(weights > 0, weights, 1.0)
    return np.where(weights > 0, np.log(safe), LOG_ZERO)
