"""The calls to the gateway: claimed from the database, made outside of any transaction, answered through the inbox.

A payment that changed is called for at once, straight from memory. What remains (retries whose time has come, what a
crash or a hand-over left) is claimed by a query. Both may meet: the idempotency key and the request's serial make the
second call harmless.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy import Integer, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import SQLAlchemyError

from services.payment.answers import GatewayAnswered, HoldAged
from services.payment.gateways.port import Answer, Authorization, Gateway, LookUp
from services.payment.model import Payment
from shared.runtime.service import Service
from shared.telemetry import metrics

log = logging.getLogger(__name__)
AT_ONCE: Final = 64
"""Calls to the gateway under way at the same time."""
CLAIM_SECONDS: Final = 0.25
LEASE_MARGIN_SECONDS: Final = 15.0

_LANES: Final = bindparam("lanes", type_=ARRAY(Integer))
_CLAIM: Final = text(
    "UPDATE payments p SET leased_until = clock_timestamp() + make_interval(secs => :lease) WHERE checkout_id IN ("
    " SELECT checkout_id FROM payments WHERE lane = ANY(:lanes) AND due_at <= clock_timestamp()"
    " AND (leased_until IS NULL OR leased_until < clock_timestamp())"
    " ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED) RETURNING row_to_json(p)::text AS body"
).bindparams(_LANES)
_END_LEASES: Final = text(
    "UPDATE payments SET leased_until = NULL WHERE lane = ANY(:lanes) AND leased_until IS NOT NULL"
).bindparams(_LANES)


class Operations:
    """Calls the gateway for the payments of the lanes a service owns."""

    def __init__(self, service: Service, gateway: Gateway) -> None:
        self._service, self._gateway = service, gateway
        self._lease = service.settings.gateway_timeout_seconds + LEASE_MARGIN_SECONDS
        self._payments: TypeAdapter[Payment] = TypeAdapter(Payment)
        self._running: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._taken_over: set[int] = set()
        service.on_commit = self.start
        service.on_lanes = self._taken_over.update

    def start(self, changed: Sequence[Any]) -> None:
        """Make the calls the payments of a commit are waiting for, if they are due at once."""
        for payment in changed:
            if payment.operation and payment.operation.attempts == 0:
                self._spawn(payment)

    async def run(self) -> None:
        """Claim what is due until cancelled."""
        try:
            while True:
                await asyncio.sleep(CLAIM_SECONDS)
                try:
                    for payment in await self._claim():
                        self._begin(payment)
                except (SQLAlchemyError, OSError, TimeoutError) as error:
                    log.warning("payment operations wait for the database: %r", error)
        finally:
            for task in self._running.values():
                task.cancel()
            await self._gateway.close()

    async def _claim(self) -> list[Payment]:
        lanes = self._service.lanes
        if not lanes:
            return []
        async with self._service.engine.begin() as connection:
            if ended := self._taken_over & lanes:
                await connection.execute(_END_LEASES, {"lanes": sorted(ended)})
                self._taken_over -= ended
            limit = max(0, 4 * AT_ONCE - len(self._running))
            claimed = await connection.execute(_CLAIM, {"lanes": sorted(lanes), "lease": self._lease, "limit": limit})
            return [self._payments.validate_json(row.body) for row in claimed]

    def _begin(self, payment: Payment) -> None:
        if payment.operation is None:
            self._service.submit(HoldAged(payment.checkout_id), payment.cart_id)
        else:
            self._spawn(payment)

    def _spawn(self, payment: Payment) -> None:
        operation = payment.operation
        if operation is None or (payment.checkout_id, operation.serial) in self._running:
            return
        name = (payment.checkout_id, operation.serial)
        task = asyncio.create_task(self._request(payment, operation.serial))
        self._running[name] = task
        task.add_done_callback(lambda _: self._running.pop(name, None))

    async def _request(self, payment: Payment, serial: int) -> None:
        assert payment.operation is not None
        kind = "look_up" if payment.operation.step == "look_up" else payment.operation.kind
        async with self._slots:
            started = time.perf_counter()
            answer = await self._ask(payment)
        metrics.gateway_seconds.labels(kind).observe(time.perf_counter() - started)
        metrics.gateway_calls.labels(kind, type(answer).__name__).inc()
        self._service.submit(GatewayAnswered(payment.checkout_id, serial, answer), payment.cart_id)

    async def _ask(self, payment: Payment) -> Answer | LookUp:
        operation = payment.operation
        assert operation is not None
        if operation.step == "look_up":
            return await self._gateway.look_up(payment.checkout_id)
        if operation.kind == "authorize":
            request = Authorization(payment.checkout_id, payment.amount, payment.currency, payment.token or "")
            return await self._gateway.authorize(operation.key, request)
        hold = payment.hold or ""
        match operation.kind:
            case "capture":
                return await self._gateway.capture(operation.key, hold, payment.amount)
            case "void":
                return await self._gateway.void(operation.key, hold)
            case "refund":
                return await self._gateway.refund(operation.key, hold, payment.amount)
