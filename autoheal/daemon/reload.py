"""The configuration as operators wrote it, taken into force or refused as a whole.

``load`` reads the folders and the shipped set, checks all of it, and returns it or raises ConfigError.
``Configuration.apply`` is what SIGHUP and ``POST /v1/reload`` call: a good set becomes ``ConfigApplied``, a bad one
``ConfigRefused`` with every problem, and the last good set stays in force.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from autoheal.actions import known_actions
from autoheal.daemon import parts
from autoheal.daemon.settings import DaemonSettings
from autoheal.domain.events import ConfigApplied, ConfigRefused, Event
from autoheal.domain.specs import Config
from autoheal.errors import ConfigError
from autoheal.monitors.registry import MONITORS
from autoheal.policy.files import read_paths
from autoheal.policy.known import Known
from autoheal.policy.load import Loaded, load_config


def known(settings: DaemonSettings) -> Known:
    """What files may refer to: plug-ins, and the pipelines and notifiers of the daemon's settings."""
    return Known.of(
        known_actions(),
        {kind: monitor.Options for kind, monitor in MONITORS.items()},
        pipelines=frozenset(p.name for p in settings.pipelines),
        notifiers=None,
    )


def load(settings: DaemonSettings) -> Loaded:
    """Read and check everything that the settings name; ConfigError with all problems."""
    texts = read_paths(settings.config, shipped=settings.shipped)
    return load_config(texts.sources, known(settings), defaults=texts.defaults, mode=settings.mode)


def load_all(settings: DaemonSettings) -> Loaded:
    """``load``, and that the sources of the settings fit these models."""
    loaded = load(settings)
    parts.sources(settings, loaded.config.models)
    return loaded


@dataclass(slots=True)
class Configuration:
    """``applied`` is called with each set that comes into force, before it is announced."""

    settings: DaemonSettings
    submit: Callable[[Event], Awaitable[int]]
    applied: Callable[[Config], Awaitable[None]]

    async def apply(self, actor: str) -> Sequence[str]:
        """Take the configuration on disk into force; returns what stands against it, nothing when it was taken."""
        try:
            config = (await asyncio.to_thread(load_all, self.settings)).config
        except ConfigError as error:
            problems = tuple(str(p) for p in error.problems if p.severity == "error")
            await self.submit(ConfigRefused(problems, actor))
            return problems
        await self.applied(config)
        await self.submit(ConfigApplied(config, actor))
        return ()
