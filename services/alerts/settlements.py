"""Listens to payment's events: failed compensations open alerts, and their settlement closes them.

Within ``payment.events`` a failure stands before its settlement, so whatever the order in which the two topics are
read, an alert never stays open that should not.
"""

import asyncio
import logging
from typing import Any, Final

from aiokafka.errors import KafkaError

from services.alerts.keeper import Keeper
from services.alerts.model import COMPENSATIONS, SETTLED_BY
from services.alerts.reconcile import dead_letter
from shared.runtime import kafka
from shared.settings import Settings

log = logging.getLogger(__name__)
AGAIN_SECONDS: Final = 2.0
_OPENING: Final = {f"quadrille.{name}.v1".encode() for name in COMPENSATIONS}
_CLOSING: Final = {f"quadrille.{name}.v1".encode(): kind for name, kind in SETTLED_BY.items()}


async def listen(settings: Settings, keeper: Keeper) -> None:
    """Listen until cancelled; a broker that is away is waited for."""
    while True:
        consumer = kafka.consumer(settings, "quadrille.alerts.settlements", "alerts-settlements")
        consumer.subscribe([settings.topic("payment.events")])
        try:
            await kafka.start(consumer)
            while True:
                batches = await consumer.getmany(timeout_ms=1_000)
                for records in batches.values():
                    for record in records:
                        await _note(keeper, record)
                if batches:
                    await consumer.commit()
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("alerts cannot listen to payment: %r", error)
            await asyncio.sleep(AGAIN_SECONDS)
        finally:
            await kafka.stop(consumer, 2)


async def _note(keeper: Keeper, record: Any) -> None:
    headers = dict(reversed(record.headers))
    kind = headers.get("ce_type")
    if kind in _OPENING:
        await keeper.report(dead_letter(record))
    elif kind in _CLOSING:
        await keeper.settle(_CLOSING[kind], headers.get("ce_subject", b"").decode(errors="replace"))
