"""Runs the watchdog in the process of alerts."""

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from aiokafka.errors import KafkaError
from prometheus_client import REGISTRY
from sqlalchemy import Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.alerts.notifier import Notifier
from services.alerts.reports import Reports
from services.alerts.store import DeadLetterStore
from services.alerts.watchdog import metrics
from services.alerts.watchdog.checkouts import CheckoutMonitor
from services.alerts.watchdog.conditions import Conditions
from services.alerts.watchdog.exporter import LagExporter
from services.alerts.watchdog.groups import ConsumerGroupMonitor
from services.alerts.watchdog.outages import OutageMonitor
from services.alerts.watchdog.services import ServiceMonitor
from services.alerts.watchdog.targets import TargetMonitor
from services.alerts.watchdog.topics import TopicMonitor
from shared.contract.envelope import Record
from shared.contract.services import SERVICES
from shared.contract.topics import events_topic
from shared.progress import limits
from shared.runtime.kafka.consumer import PartitionConsumer, StalledError
from shared.runtime.kafka.lost import report_lost
from shared.runtime.main import Worker
from shared.runtime.observability.repeats import REPEATED
from shared.runtime.postgres.database import is_away
from shared.runtime.postgres.store import ConflictError
from shared.runtime.service import Service
from shared.settings import Settings

log = logging.getLogger(__name__)
FOLLOWER: Final = "alerts.watchdog"
FETCH: Final[dict[str, Any]] = {"max_partition_fetch_bytes": 262_144, "fetch_min_bytes": 65_536, "fetch_max_wait_ms": 500}
GATHER_SECONDS: Final = 2.0
"""How long events are gathered for one commit: the watchdog has time, and must cost little."""
GATHER_RECORDS: Final = 2_000
"""Most events in memory at once: a backlog costs time, not memory."""
AGAIN_SECONDS: Final = 2.0
PRUNE_SECONDS: Final = 60.0
_OPEN: Final = text(
    "SELECT alert_id FROM alerts WHERE state <> 'resolved' AND split_part(alert_id, ':', 1) = 'watchdog'"
    " AND split_part(alert_id, ':', 2) = ANY(:kinds)"
).bindparams(bindparam("kinds", type_=ARRAY(Text)))
"""Only the open alerts that the watchdog closes: there may be very many others."""


def watchdog(service: Service, store: DeadLetterStore, notifier: Notifier, reports: Reports, outages: OutageMonitor) -> Worker:
    """The watchdog, to be run until cancelled beside ``reports`` and ``outages``, which need no database.

    Raises :class:`shared.settings.SettingsError`.
    """
    settings, engine = service.settings, service.engine
    groups, services = ConsumerGroupMonitor(settings, reports), ServiceMonitor(settings, reports, outages.is_active)
    targets, topics = TargetMonitor(settings, reports, notifier), TopicMonitor(settings, reports)
    checkouts = CheckoutMonitor(engine, store, limits(settings))
    REGISTRY.register(LagExporter(groups.window))
    conditions = [one for monitor in (outages, groups, services, targets, topics) for one in monitor.conditions]

    async def watch() -> None:
        await asyncio.gather(
            groups.run(),
            services.run(),
            targets.run(),
            topics.run(),
            restore(engine, conditions),
            follow(service, checkouts),
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


async def follow(service: Service, checkouts: CheckoutMonitor) -> None:
    """Follow the events until cancelled; retry while Kafka or the database is unreachable."""
    await service.ready()
    topics, busy = [events_topic(name) for name in SERVICES], asyncio.Lock()
    while True:
        try:
            async with PartitionConsumer(FOLLOWER, service.settings, topics, busy, GATHER_RECORDS, **FETCH) as consumer:
                records: list[Record] = []
                while True:
                    if len(records) < GATHER_RECORDS:  # else there is a backlog
                        await asyncio.sleep(GATHER_SECONDS)
                    # an event has the same effect however often it is read, so partitions need no epochs
                    partitions = await consumer.partitions()
                    if partitions != consumer.epochs.keys():
                        await consumer.seek_to_committed(partitions)
                        consumer.epochs = dict.fromkeys(partitions, 0)
                    if lost := list(consumer.lost):
                        await report_lost(service.engine, service.name, lost)
                        consumer.mark_reported(lost)
                        service.wake_relay()
                    consumer.ready.clear()
                    records = consumer.drain()
                    async with busy:
                        await checkouts.follow(records, datetime.now(UTC))
                        consumer.mark_processed(records)
                    await consumer.commit_offsets()
        except (KafkaError, SQLAlchemyError, OSError, TimeoutError, StalledError, ConflictError) as error:
            await _wait(error, "follow the events")


async def judge(settings: Settings, engine: AsyncEngine, checkouts: CheckoutMonitor, groups: ConsumerGroupMonitor) -> None:
    """Judge and measure every ``watch_seconds`` until cancelled; retry while the database is unreachable."""
    pruned = time.monotonic()
    while True:
        await asyncio.sleep(settings.watch_seconds)
        try:
            if until := groups.read_until(f"quadrille.{FOLLOWER}"):
                await checkouts.judge(until)
            await checkouts.measure()
            await metrics.count_alerts(engine)
            if time.monotonic() - pruned > PRUNE_SECONDS:
                pruned = time.monotonic()
                await checkouts.prune(datetime.now(UTC))
        except (SQLAlchemyError, OSError, TimeoutError, ConflictError) as error:
            await _wait(error, "judge the checkouts")


async def _wait(error: Exception, what: str) -> None:
    """Wait before a retry. Raises an error that is not an outage."""
    if isinstance(error, SQLAlchemyError) and not is_away(error):
        raise error
    log.warning("the watchdog cannot %s now: %r", what, error, extra=REPEATED)
    await asyncio.sleep(AGAIN_SECONDS)
