"""The way every service starts: settings, checks, then work until told to stop."""

import asyncio
import contextlib
import gc
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from functools import partial
from types import ModuleType
from typing import Any

import uvloop

from shared.runtime.definition import Definition
from shared.runtime.kafka import TopicsError, patches
from shared.runtime.observability import backlog, health, logs
from shared.runtime.postgres.migrations import MigrationsError
from shared.runtime.service import Service
from shared.settings import Settings, SettingsError, load

log = logging.getLogger(__name__)
Worker = Callable[[], Coroutine[Any, Any, None]]
USAGE_ERROR = 2
YOUNG_OBJECTS = 10_000
"""Allocations after which Python looks for garbage cycles. A batch makes many objects and hardly a cycle: with Python's
own 700, a tenth of the time went into looking for them."""


def main(
    define: Callable[[Settings], Definition],
    database: ModuleType,
    workers: Callable[[Service], list[Worker]] = lambda service: [],
) -> None:
    """Run a service as a process. Prints a configuration error as one sentence and exits with code 2."""
    try:
        settings = load()
        definition = define(settings)
        logs.configure(definition.reactions.service, settings.log_level)
        run(_run(settings, definition, database, workers))
    except (SettingsError, TopicsError, MigrationsError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(USAGE_ERROR)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a service's work to its end: Kafka clients in our way, an event loop and a garbage collector for many objects."""
    patches.install()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
    uvloop.run(work)


async def _run(
    settings: Settings,
    definition: Definition,
    database: ModuleType,
    workers: Callable[[Service], list[Worker]],
) -> None:
    settings.require_broker()
    service = Service(definition, settings)
    await serve(service, database, *workers(service))


async def serve(service: Service, database: ModuleType, *workers: Callable[[], Any]) -> None:
    """Run a service and its workers until SIGTERM or SIGINT, with probes and metrics over HTTP from the beginning.

    Workers begin once the database is there and at the version of ``database``, the module of its migrations; one that
    needs the topics waits for :meth:`Service.ready`. They work as long as the service: where one ends, the service stops,
    and what the worker raised is raised. Raises :class:`shared.runtime.postgres.migrations.MigrationsError`.
    """
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, service.stop)
    settings = service.settings
    runner, port = await health.serve(settings.health_host, settings.health_port, service.state)
    log.info("%s: probes and metrics on http://%s:%d", service.name, settings.health_host, port)
    try:
        async with _working(service, service.early):
            await service.wait_for_database(database)
            watching = partial(backlog.watch, service.name, service.database, service.health_problems)
            async with _working(service, [*workers, watching]):
                await service.run()
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def _working(service: Service, workers: Sequence[Callable[[], Any]]) -> AsyncIterator[None]:
    """Workers at work. Raises at the end what one raised."""
    tasks = [asyncio.create_task(worker()) for worker in workers]
    for task in tasks:
        task.add_done_callback(lambda _: service.stop())
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in ended:
        if isinstance(outcome, Exception):
            raise outcome
