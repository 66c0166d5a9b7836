"""The watchdog's work, as alerts runs it."""

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

from services.alerts.keeper import Keeper
from services.alerts.notifier import Notifier
from services.alerts.reports import Reports
from services.alerts.watchdog import metrics, words
from services.alerts.watchdog.checkouts import Checkouts
from services.alerts.watchdog.conditions import Conditions
from services.alerts.watchdog.exporter import LagExporter
from services.alerts.watchdog.groups import Groups
from services.alerts.watchdog.outages import Outages
from services.alerts.watchdog.services import Services
from services.alerts.watchdog.targets import Targets
from services.alerts.watchdog.topics import Topics
from shared.contract.envelope import Record
from shared.contract.services import SERVICES
from shared.contract.topics import events_topic
from shared.progress import limits
from shared.runtime.kafka.lost import tell
from shared.runtime.main import Worker
from shared.runtime.member import Member, StalledError
from shared.runtime.observability.repeats import REPEATED
from shared.runtime.postgres.database import is_away
from shared.runtime.postgres.store import ConflictError
from shared.runtime.service import Service
from shared.settings import Settings

log = logging.getLogger(__name__)
FOLLOWER: Final = "alerts.watchdog"
FETCH: Final[dict[str, Any]] = {"max_partition_fetch_bytes": 262_144, "fetch_min_bytes": 65_536, "fetch_max_wait_ms": 500}
GATHER_SECONDS: Final = 2.0
"""How long events are gathered for one commit: the watchdog need not be quick, it must cost little."""
GATHER_RECORDS: Final = 2_000
"""At most so many are held at once: a backlog costs time and no memory."""
AGAIN_SECONDS: Final = 2.0
PRUNE_SECONDS: Final = 60.0
_RECALLED: Final = text(
    "SELECT alert_id FROM alerts WHERE state <> 'resolved' AND split_part(alert_id, ':', 1) = 'watchdog'"
    " AND split_part(alert_id, ':', 2) = ANY(:kinds)"
).bindparams(bindparam("kinds", type_=ARRAY(Text)))
"""Of all that is open, which may be very much, those the watchdog has to close."""


def watchdog(service: Service, keeper: Keeper, notifier: Notifier, reports: Reports, outages: Outages) -> Worker:
    """What is to be run until cancelled, beside ``reports`` and ``outages``, which need no database.

    Raises :class:`shared.settings.SettingsError`.
    """
    settings, engine = service.settings, service.engine
    groups, services = Groups(settings, reports), Services(settings, reports, outages.going_on)
    targets, topics = Targets(settings, reports, notifier), Topics(settings, reports)
    checkouts = Checkouts(engine, keeper, limits(settings))
    REGISTRY.register(LagExporter(groups.window))

    async def watch() -> None:
        of_kafka = (groups.transactions.conditions, topics.conditions)
        watched = [*outages.conditions, *services.conditions, *targets.conditions, *of_kafka]
        await asyncio.gather(
            groups.run(),
            services.run(),
            targets.run(),
            topics.run(),
            recall(engine, groups, watched),
            follow(service, checkouts),
            judge(settings, engine, checkouts, groups),
        )

    return watch


async def recall(engine: AsyncEngine, groups: Groups, conditions: Sequence[Conditions]) -> None:
    """Remember what has an open alert, so that it closes when it is over. A database that is away is waited for."""
    kinds = [words.GROUP, *(one.kind for one in conditions)]
    while True:
        try:
            async with engine.connect() as connection:
                known = list((await connection.execute(_RECALLED, {"kinds": kinds})).scalars())
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            await _wait(error, "remember what was wrong")
        else:
            groups.recall(words.subjects(words.GROUP, known))
            for one in conditions:
                one.recall(known)
            return


async def follow(service: Service, checkouts: Checkouts) -> None:
    """Follow the events until cancelled; what is away is waited for."""
    await service.ready()
    topics, busy = [events_topic(name) for name in SERVICES], asyncio.Lock()
    while True:
        try:
            async with Member(FOLLOWER, service.settings, topics, busy, GATHER_RECORDS, **FETCH) as member:
                records: list[Record] = []
                while True:
                    if len(records) < GATHER_RECORDS:  # else there is a backlog
                        await asyncio.sleep(GATHER_SECONDS)
                    # the effect of an event is the same however often it comes, so lanes need no epochs
                    lanes = await member.lanes()
                    if lanes != member.epochs.keys():
                        await member.rewind(lanes)
                        member.epochs = dict.fromkeys(lanes, 0)
                    if lost := list(member.lost):
                        await tell(service.engine, service.name, lost)
                        member.told(lost)
                        service.publish_soon()
                    member.ready.clear()
                    records = member.take()
                    async with busy:
                        await checkouts.follow(records, datetime.now(UTC))
                        member.done(records)
                    await member.commit_offsets()
        except (KafkaError, SQLAlchemyError, OSError, TimeoutError, StalledError, ConflictError) as error:
            await _wait(error, "follow the events")


async def judge(settings: Settings, engine: AsyncEngine, checkouts: Checkouts, groups: Groups) -> None:
    """Judge and measure every ``watch_seconds`` until cancelled; a database that is away is waited for."""
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
    """Before it is tried again. Raises an error that is no outage."""
    if isinstance(error, SQLAlchemyError) and not is_away(error):
        raise error
    log.warning("the watchdog cannot %s now: %r", what, error, extra=REPEATED)
    await asyncio.sleep(AGAIN_SECONDS)
