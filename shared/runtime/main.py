"""The way every service starts: settings, checks, then work until told to stop."""

import gc
import sys
from collections.abc import Callable, Coroutine
from types import ModuleType
from typing import Any

import uvloop

from shared.runtime.kafka import TopicsError, patches
from shared.runtime.observability import logs
from shared.runtime.postgres.migrations import MigrationsError
from shared.runtime.service import Definition, Service, serve
from shared.settings import Settings, SettingsError, load

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
