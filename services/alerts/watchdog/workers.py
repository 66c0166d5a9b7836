"""Runs the watchdog in the process of alerts."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

import aiohttp
from prometheus_client import REGISTRY
from sqlalchemy import Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.alerts.notifier import Notifier
from services.alerts.reports import Reports
from services.alerts.watchdog import metrics
from services.alerts.watchdog.checkouts import CheckoutMonitor
from services.alerts.watchdog.conditions import Conditions
from services.alerts.watchdog.exporter import LagExporter
from services.alerts.watchdog.groups import ConsumerGroupMonitor
from services.alerts.watchdog.outages import OutageMonitor
from services.alerts.watchdog.services import ASK_SECONDS, ServiceMonitor
from services.alerts.watchdog.targets import TargetMonitor
from services.alerts.watchdog.topics import TopicMonitor
from shared.contract.services import SERVICES
from shared.contract.topics import events_topic
from shared.runtime.main import Worker
from shared.runtime.observability.repeats import REPEATED
from shared.runtime.postgres.database import is_away
from shared.runtime.service import Service
from shared.settings import Settings

log = logging.getLogger(__name__)
AGAIN_SECONDS: Final = 2.0
_OPEN: Final = text(
    "SELECT alert_id FROM alerts WHERE state <> 'resolved' AND split_part(alert_id, ':', 1) = 'watchdog'"
    " AND split_part(alert_id, ':', 2) = ANY(:kinds)"
).bindparams(bindparam("kinds", type_=ARRAY(Text)))
"""Only the open alerts that the watchdog closes: there may be very many others."""


def watchdog(service: Service, notifier: Notifier, reports: Reports, outages: OutageMonitor) -> Worker:
    """The watchdog, to be run until cancelled beside ``reports`` and ``outages``, which need no database.

    Raises :class:`shared.settings.SettingsError`.
    """
    settings, engine = service.settings, service.engine
    groups, checkouts = ConsumerGroupMonitor(settings, reports), CheckoutMonitor(settings, engine, reports)
    services = ServiceMonitor(settings, reports, outages.is_active, lambda: checkouts.trouble)
    targets, topics = TargetMonitor(settings, reports, notifier), TopicMonitor(settings, reports)
    REGISTRY.register(LagExporter(groups.window))
    conditions = [one for monitor in (outages, groups, services, targets, topics, checkouts) for one in monitor.conditions]

    async def watch() -> None:
        await asyncio.gather(
            groups.run(),
            services.run(),
            targets.run(),
            topics.run(),
            restore(engine, conditions),
            judge(settings, engine, checkouts, groups),
        )

    return watch


async def restore(engine: AsyncEngine, conditions: Sequence[Conditions]) -> None:
    """Read which conditions have an open alert, so that it closes when they end; retry while the database is unreachable."""
    while True:
        try:
            async with engine.connect() as connection:
                known = list((await connection.execute(_OPEN, {"kinds": [one.kind for one in conditions]})).scalars())
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            await _wait(error, "read the open alerts")
        else:
            for one in conditions:
                one.restore(known)
            return


async def judge(settings: Settings, engine: AsyncEngine, checkouts: CheckoutMonitor, groups: ConsumerGroupMonitor) -> None:
    """Judge checkouts and count alerts every ``watch_seconds`` until cancelled; retry while the database is unreachable."""
    events = {settings.topic(events_topic(name)) for name in SERVICES}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_SECONDS)) as session:
        while True:
            await asyncio.sleep(settings.watch_seconds)
            try:
                if until := groups.read_until("quadrille.journal", events):
                    await checkouts.look(session, until)
                await metrics.count_alerts(engine)
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                await _wait(error, "judge the checkouts")


async def _wait(error: Exception, what: str) -> None:
    """Wait before a retry. Raises an error that is not an outage."""
    if isinstance(error, SQLAlchemyError) and not is_away(error):
        raise error
    log.warning("the watchdog cannot %s now: %r", what, error, extra=REPEATED)
    await asyncio.sleep(AGAIN_SECONDS)
