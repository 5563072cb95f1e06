"""The daemon: opens what it needs in order, supervises it, and closes it in the reverse order.

``run`` is called by ``cli.run`` and ends on SIGTERM or SIGINT, or raises when the kernel cannot go on. Start: settings
are already checked; the configuration is checked before anything is opened, so that a bad one costs nothing. Stop:
doors first (nothing new comes in), then sources and rounds, effects in flight, the kernel with its last append, the
files. SIGHUP reloads. What surprises: the daemon warms up in policy time, and only when its log has a past.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from autoheal import __version__
from autoheal.actions import ACTIONS
from autoheal.actions.targets.registry import Registry
from autoheal.api.hub import Hub
from autoheal.api.server import Doors, open_doors
from autoheal.clock import Clock
from autoheal.daemon import parts
from autoheal.daemon.executor import Executor
from autoheal.daemon.feeds import Feeds
from autoheal.daemon.history import History
from autoheal.daemon.housekeeping import Housekeeping
from autoheal.daemon.kernel import Kernel
from autoheal.daemon.reload import Configuration
from autoheal.daemon.rounds import Rounds
from autoheal.daemon.settings import DaemonSettings
from autoheal.daemon.snapshotting import keep_snapshots
from autoheal.daemon.supervisor import Supervisor
from autoheal.daemon.systemd import Notifier
from autoheal.daemon.watch import Watch
from autoheal.domain.events import ConfigApplied, DaemonStarted, FindingObserved
from autoheal.domain.specs import Config
from autoheal.durable import make_folder
from autoheal.notifiers.outbox import Outbox
from autoheal.sources.contract import Intake
from autoheal.store.log import EventLog, open_world
from autoheal.telemetry.label_report import label_report
from autoheal.telemetry.past import Past
from autoheal.telemetry.reference import References
from autoheal.telemetry.service import Telemetry

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Daemon:
    """The open parts. Built by ``_opened``; everything closes with its exit stack."""

    settings: DaemonSettings
    clock: Clock
    config: Config
    log: EventLog
    kernel: Kernel
    telemetry: Telemetry
    outbox: Outbox
    registry: Registry
    executor: Executor
    supervisor: Supervisor
    systemd: Notifier
    feeds: Feeds
    history: History = field(default_factory=History)


async def run(settings: DaemonSettings, config: Config) -> None:
    """Run until a signal ends it. Raises StoreError when the log cannot be written or belongs to another daemon."""
    clock = settings.system_clock()
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        daemon = await stack.enter_async_context(_opened(settings, config, clock))
        kernel_task = asyncio.create_task(daemon.kernel.run(), name="kernel")
        try:
            await _serve(daemon, kernel_task, stop, stack)
        finally:
            daemon.systemd.stopping()
            await _stop(daemon, kernel_task)
    if not kernel_task.cancelled() and (error := kernel_task.exception()):
        raise error


@asynccontextmanager
async def _opened(settings: DaemonSettings, config: Config, clock: Clock) -> AsyncIterator[Daemon]:
    for folder in (settings.state, settings.run):
        make_folder(folder)
    systemd = Notifier.from_environment(clock)
    log, world = await asyncio.to_thread(open_world, settings.state)
    try:
        async with await Telemetry.open(
            settings.state / "telemetry.db", config.models, clock, parts.limits(settings)
        ) as telemetry:
            registry = await asyncio.to_thread(Registry.open, settings.registry.path)
            outbox = Outbox(settings.state / "outbox", parts.notifiers(settings), clock)
            context = parts.context(settings, clock, registry, telemetry, outbox, config.models)
            kernel = Kernel(log, clock, world, watchdog=systemd)
            yield Daemon(
                settings,
                clock,
                config,
                log,
                kernel,
                telemetry,
                outbox,
                registry,
                Executor(kernel, clock, ACTIONS, context, written=log.started),
                Supervisor(clock, kernel.submit),
                systemd,
                Feeds(
                    Intake(telemetry.ingest, lambda finding: kernel.submit(FindingObserved(finding))), clock
                ),
            )
    finally:
        log.close()
        systemd.close()


async def _serve(
    daemon: Daemon, kernel_task: asyncio.Task[None], stop: asyncio.Event, stack: AsyncExitStack
) -> None:
    await _first_entries(daemon)
    daemon.feeds.put(parts.sources(daemon.settings, daemon.config.models))
    configuration = Configuration(
        daemon.settings, daemon.kernel.submit, lambda config: _applied(daemon, config)
    )
    doors = await open_doors(
        _hub(daemon, configuration),
        control=daemon.settings.run / "control.sock",
        view=daemon.settings.run / "view.sock",
        listen=daemon.settings.listen or "",
    )
    stack.push_async_callback(doors.stop)
    _supervise(daemon)
    with _signals(daemon, configuration, stop):
        daemon.systemd.ready(f"watching {len(daemon.config.models)} models")
        _LOG.info("autoheal %s watches %d models", __version__, len(daemon.config.models))
        await _until(stop, kernel_task, doors)
    await doors.stop()


async def _first_entries(daemon: Daemon) -> None:
    """Who took over, and what is in force. A daemon without a past has nothing to be careful about."""
    world, now = daemon.kernel.world, daemon.kernel.now()
    warm = now + daemon.config.guards.warm_up if world.seq else None
    await daemon.kernel.submit(DaemonStarted(__version__, warm))
    if daemon.config.digest != world.config.digest or daemon.config.mode != world.config.mode:
        await daemon.kernel.submit(ConfigApplied(daemon.config, "start"))
    daemon.executor.context = replace(daemon.executor.context, namespace=daemon.log.identity())


def _hub(daemon: Daemon, configuration: Configuration) -> Hub:
    return Hub(
        name=daemon.settings.name,
        clock=daemon.clock,
        kernel=daemon.kernel,
        log=daemon.log,
        reload=configuration.apply,
        telemetry=lambda: daemon.feeds.doors(lambda: daemon.telemetry.tasks),
        sources=daemon.feeds.health,
        labels=lambda: asyncio.to_thread(label_report, daemon.telemetry, now=daemon.clock.now()),
        series=lambda: {
            model: {path: tuple(points) for path, points in metrics.items()}
            for model, metrics in daemon.history.series().items()
        },
        refused=lambda: dict(daemon.feeds.refused),
        past=Past(
            daemon.telemetry,
            lambda: daemon.config.models,
            References(daemon.registry.reference_path, daemon.registry.former_references).ever,
            daemon.clock,
        ),
    )


def _supervise(daemon: Daemon) -> None:
    add = daemon.supervisor.add
    add("executor", daemon.executor.run)
    add("notifiers", daemon.outbox.run)
    add("rounds", _rounds(daemon).run)
    add("housekeeping", Housekeeping(daemon.log, daemon.settings.state, daemon.kernel.submit).run)
    add("snapshots", lambda: keep_snapshots(daemon.kernel, daemon.log))
    for name, run in daemon.feeds.runs().items():
        add(name, run)


def _rounds(daemon: Daemon) -> Rounds:
    watch = Watch(
        daemon.clock,
        daemon.registry,
        parts.gateway(daemon.settings),
        daemon.telemetry,
        daemon.settings.good_after,
    )
    return Rounds(
        clock=daemon.clock,
        world=lambda: daemon.kernel.world,
        submit=daemon.kernel.submit,
        telemetry=daemon.telemetry,
        references=References(daemon.registry.reference_path),
        watch=watch,
        history=daemon.history,
        state_file=daemon.settings.state / "monitors.json",
        beat=daemon.settings.beat.total_seconds(),
    )


async def _applied(daemon: Daemon, config: Config) -> None:
    """A new configuration comes into force: tell the parts that keep a copy. Sources are made anew when the former ones
    have ended, since each begins where the state file says that its predecessor stopped."""
    daemon.config = config
    await daemon.telemetry.configure(config.models)
    daemon.executor.context = replace(daemon.executor.context, models=config.models)
    for name in daemon.feeds.runs():
        await daemon.supervisor.remove(name)
    daemon.feeds.put(parts.sources(daemon.settings, config.models))
    for name, run in daemon.feeds.runs().items():
        daemon.supervisor.add(name, run)


@contextlib.contextmanager
def _signals(daemon: Daemon, configuration: Configuration, stop: asyncio.Event) -> Any:
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    async def reload() -> None:
        daemon.systemd.reloading()
        problems = await configuration.apply("SIGHUP")
        daemon.systemd.ready("last reload refused" if problems else "reloaded")

    def on_hup() -> None:
        task = asyncio.create_task(reload())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    handlers = {signal.SIGTERM: stop.set, signal.SIGINT: stop.set, signal.SIGHUP: on_hup}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


async def _until(stop: asyncio.Event, kernel_task: asyncio.Task[None], doors: Doors) -> None:
    """Until somebody says stop, or the kernel or a door ends by itself."""
    waits: set[asyncio.Future[Any]] = {
        asyncio.ensure_future(stop.wait()),
        asyncio.ensure_future(doors.wait()),
        asyncio.ensure_future(asyncio.shield(kernel_task)),
    }
    done, rest = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for one in rest:
        one.cancel()
    for one in done:
        one.result()


async def _stop(daemon: Daemon, kernel_task: asyncio.Task[None]) -> None:
    """Effects in flight get a moment; what is not done by then is probed at the next start."""
    if not kernel_task.done():
        await daemon.executor.stop()
    await daemon.supervisor.stop()
    if not kernel_task.done():
        with contextlib.suppress(Exception):
            await daemon.log.save_snapshot(daemon.kernel.world)
    daemon.kernel.stop()
    await asyncio.wait({kernel_task})
