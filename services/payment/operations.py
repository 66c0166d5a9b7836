"""The calls to the gateway: claimed from the database, made outside of any transaction, answered through the inbox.

A payment that changed is called for at once, straight from memory. What remains (retries whose time has come, what a
crash or a hand-over left) is claimed by a query. One process asks for one thing once; what another process may have
asked for before is asked for again with the same idempotency key, and its answer says so.

While the gateway is in trouble nothing is asked for but a few probes and what a person waits for
(:mod:`services.payment.trouble`).
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args

from pydantic import TypeAdapter
from sqlalchemy import Integer, Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.payment.answers import AuthorizationAged, GatewayAnswered, OperationTimedOut
from services.payment.gateways.port import (
    Answer,
    Authorization,
    Gateway,
    LookUp,
    PaymentState,
    Refused,
    Sought,
    Unavailable,
    Unknown,
    Unusable,
)
from services.payment.model import Kind, Payment
from services.payment.trouble import Breaker, GatewayHealth, is_trouble
from shared.runtime.database import Loaded
from shared.runtime.observability import metrics
from shared.runtime.observability.logs import about
from shared.runtime.observability.repeats import REPEATED
from shared.runtime.service import Service

log = logging.getLogger(__name__)
MAX_CONCURRENCY: Final = 64
"""Calls to the gateway under way at the same time."""
CLAIM_SECONDS: Final = 0.25
LEASE_MARGIN_SECONDS: Final = 15.0
OVERDUE_SECONDS: Final = 2.0
"""How often what is held back is looked through for what cannot wait any longer."""

_PARTITIONS: Final = bindparam("partitions", type_=ARRAY(Integer))
_CLAIM: Final = text(
    "UPDATE payments p SET leased_until = clock_timestamp() + make_interval(secs => :lease) WHERE checkout_id IN ("
    " SELECT checkout_id FROM payments WHERE partition = ANY(:partitions) AND due_at <= now()"
    " AND (leased_until IS NULL OR leased_until < now())"
    " AND (NOT :held OR operation IS NULL OR (operation->>'by_hand')::boolean OR operation->>'claim' IS NOT NULL)"
    " ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED)"
    " RETURNING clock_timestamp() AS now, row_to_json(p)::text AS body, traceparent"
).bindparams(_PARTITIONS)
_END_LEASES: Final = text(
    "UPDATE payments SET leased_until = NULL WHERE checkout_id IN ("
    " SELECT checkout_id FROM payments WHERE partition = ANY(:partitions) AND due_at IS NOT NULL AND leased_until IS NOT NULL"
    " ORDER BY checkout_id FOR UPDATE)"
).bindparams(_PARTITIONS)
_OVERDUE: Final = text(
    "SELECT checkout_id, cart_id, (operation->>'serial')::int AS serial FROM payments"
    " WHERE partition = ANY(:partitions) AND due_at <= now() AND (leased_until IS NULL OR leased_until < now())"
    " AND ((operation->>'until')::timestamptz <= now() OR (unwanted AND state IN ('authorizing', 'capturing')))"
    " ORDER BY due_at LIMIT :limit"
).bindparams(_PARTITIONS)
"""What is held back, and whose time is over."""
_HEALTH: Final = text("SELECT since FROM gateway_health")
_LEFT: Final = text(
    "SELECT checkout_id, serial, partition FROM payments"
    " WHERE partition = ANY(:partitions) AND due_at IS NOT NULL AND operation IS NOT NULL"
).bindparams(_PARTITIONS)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The request of a payment that was made, or may have been. ``until``: when it must have been answered."""

    serial: int
    partition: int
    until: float = 0.0


_Claimed = tuple[Payment, datetime, str | None]
"""A payment whose request is to be made, the database's clock, and the trace it belongs to."""


def _outcome(answer: type) -> str:
    """What the metrics call an answer of the gateway."""
    return "found" if answer is PaymentState else metrics.label(answer.__name__)


class Operations:
    """Calls the gateway for the payments of the partitions a service owns."""

    def __init__(self, service: Service, gateway: Gateway) -> None:
        self._service, self._gateway = service, gateway
        self._lease = service.settings.gateway_timeout_seconds + LEASE_MARGIN_SECONDS
        self._payments: TypeAdapter[Payment] = TypeAdapter(Payment)
        self._asked: dict[str, _Asked] = {}
        """What this process has asked for, by checkout."""
        self._inherited: dict[str, _Asked] = {}
        """What may have been asked for before by one that did not hear the answer."""
        self._running: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(MAX_CONCURRENCY)
        self._taken_over: set[int] = set()
        self._inheriting: set[int] = set()
        self._breaker = Breaker()
        self._looked = 0.0
        for what, answers in (*((kind, Answer) for kind in get_args(Kind)), ("look_up", LookUp)):
            for answer in get_args(answers):
                metrics.gateway_calls.labels(what, _outcome(answer))
        service.on_commit = self.start
        service.on_assigned = self._taken_over.update

    def start(self, changed: Sequence[Loaded[Any]]) -> None:
        """Make the calls the payments of a commit are waiting for; what is asked again is claimed when it is due."""
        for written in changed:
            payment, origin = written.aggregate, written.story
            if isinstance(payment, GatewayHealth):
                self._know(payment.since)
                continue
            for requests in (self._asked, self._inherited):
                if not _among(requests, payment):
                    requests.pop(payment.checkout_id, None)
            # In a partition just taken over, what was asked for before is not known yet: it is claimed in a moment.
            operation = payment.operation
            held = self._breaker.is_open and operation and not operation.awaited_by_person
            if operation and operation.is_first and not held and not self._is_new(payment):
                self._spawn(payment, payment.due_at, origin.traceparent if origin else None)

    async def run(self) -> None:
        """Claim what is due until cancelled."""
        try:
            while True:
                await asyncio.sleep(CLAIM_SECONDS)
                try:
                    await self._claim()
                except (SQLAlchemyError, OSError, TimeoutError) as error:
                    log.warning("payment operations wait for the database: %r", error, extra=REPEATED)
        finally:
            for task in self._running:
                task.cancel()
            await self._gateway.close()

    async def _claim(self) -> None:
        partitions = self._service.partitions
        if not partitions:
            return
        self._inheriting = self._taken_over & partitions
        self._taken_over -= self._inheriting
        try:
            async with self._service.engine.begin() as connection:
                if self._inheriting:
                    await connection.execute(_END_LEASES, {"partitions": sorted(self._inheriting)})
                    left = await connection.execute(_LEFT, {"partitions": sorted(self._inheriting)})
                    self._inherit({row.checkout_id: _Asked(row.serial, row.partition) for row in left})
                self._know((await connection.execute(_HEALTH)).scalar())
                due = await self._due(connection, partitions)
                overdue = await self._overdue(connection, partitions)
            self._inheriting = set()
        finally:
            self._taken_over |= self._inheriting
        for row in overdue:
            asked = (self._asked.get(row.checkout_id), self._inherited.get(row.checkout_id))
            again = any(one is not None and one.serial == row.serial for one in asked)
            self._service.enqueue_result(OperationTimedOut(row.checkout_id, row.serial, again), row.cart_id)
        for payment, now, traceparent in due:
            if payment.operation is None:
                self._service.enqueue_result(AuthorizationAged(payment.checkout_id), payment.cart_id)
            else:
                self._spawn(payment, now, traceparent)

    async def _due(self, connection: AsyncConnection, partitions: set[int]) -> list[_Claimed]:
        """What is due: all of it, or while the gateway is in trouble what a person waits for, and perhaps a probe."""
        held, limit = self._breaker.is_open, max(0, 4 * MAX_CONCURRENCY - len(self._running))
        due = await self._claimed(connection, partitions, limit, held=held)
        if (
            held
            and self._breaker.may_probe(len(self._running), time.time())
            and (probe := await self._claimed(connection, partitions, 1, held=False))
        ):
            self._breaker.probed(time.time())
            due += probe
        return due

    async def _claimed(self, connection: AsyncConnection, partitions: set[int], limit: int, *, held: bool) -> list[_Claimed]:
        asked = {"partitions": sorted(partitions), "lease": self._lease, "limit": limit, "held": held}
        rows = await connection.execute(_CLAIM, asked)
        return [(self._payments.validate_json(row.body), row.now, row.traceparent) for row in rows]

    async def _overdue(self, connection: AsyncConnection, partitions: set[int]) -> Sequence[Row[Any]]:
        """What is held back, and whose time is over."""
        now = time.monotonic()
        if not self._breaker.is_open or now - self._looked < OVERDUE_SECONDS:
            return ()
        self._looked = now
        return (await connection.execute(_OVERDUE, {"partitions": sorted(partitions), "limit": 4 * MAX_CONCURRENCY})).all()

    def _know(self, since: datetime | None) -> None:
        """How the gateway is, as the service's database says."""
        if (since is not None) is not self._breaker.is_open:
            log.warning("the gateway is in trouble: calls are held back" if since else "the gateway answers again")
        self._breaker.know(since, time.time())
        metrics.gateway_trouble.set(self._breaker.is_open)

    def _inherit(self, left: Mapping[str, _Asked]) -> None:
        """Partitions are ours (again): what was asked for them, by whomever, may have been done, and will not be answered."""
        for requests in (self._asked, self._inherited):
            for checkout_id in [i for i, asked in requests.items() if asked.partition in self._inheriting]:
                del requests[checkout_id]
        self._inherited.update(left)

    def _is_new(self, payment: Payment) -> bool:
        return self._service.partition_of(payment.cart_id) in self._taken_over | self._inheriting

    def _spawn(self, payment: Payment, now: datetime, traceparent: str | None) -> None:
        if _among(self._asked, payment):
            before = self._asked[payment.checkout_id]
            if time.monotonic() < before.until:
                return
            self._inherited[payment.checkout_id] = before  # what the answer led to could not be committed
        partition = self._service.partition_of(payment.cart_id)
        self._asked[payment.checkout_id] = _Asked(payment.serial, partition, time.monotonic() + self._lease)
        task = asyncio.create_task(self._request(payment, payment.request(now), traceparent))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _request(self, payment: Payment, what: Kind | Literal["look_up"], traceparent: str | None) -> None:
        spawned = time.monotonic()
        async with self._slots:
            started = time.monotonic()
            if started - spawned > LEASE_MARGIN_SECONDS:
                return  # others may have asked by now, and gone on: it is claimed anew if it is still wanted
            call = self._service.tracer.call(f"{what} payment", payment.checkout_id, traceparent)
            answer = await self._ask(payment, what)
        outcome = _outcome(type(answer))
        failure = answer if isinstance(answer, Unavailable | Unknown | Refused | Unusable) else None
        call.end(outcome, failed=failure is not None)
        if failure:
            about_it = {"cart_id": payment.cart_id, "checkout_id": payment.checkout_id, "code": failure.code}
            log.warning("the answer to %s is: %s", what, outcome, extra=about(about_it, traceparent=call.traceparent))
        metrics.gateway_seconds.labels(what).observe(time.monotonic() - started)
        metrics.gateway_calls.labels(what, outcome).inc()
        again = self._is_new(payment) or _among(self._inherited, payment)
        in_trouble = self._breaker.is_open and is_trouble(answer)
        if (seen := self._breaker.hear(answer, payment.cart_id, time.time())) is not None:
            self._service.enqueue_result(seen, payment.cart_id)
        answered = GatewayAnswered(payment.checkout_id, payment.serial, answer, again, in_trouble)
        self._service.enqueue_result(answered, payment.cart_id, call.traceparent)

    async def _ask(self, payment: Payment, what: Kind | Literal["look_up"]) -> Answer | LookUp:
        operation, authorization_id = payment.operation, payment.authorization_id or ""
        assert operation is not None
        match what:
            case "look_up":
                known = payment.authorization_id
                return await self._gateway.look_up(Sought(payment.gateway_reference, payment.amount, payment.currency, known))
            case "authorize":
                request = Authorization(payment.gateway_reference, payment.amount, payment.currency, payment.token or "")
                return await self._gateway.authorize(operation.key, request)
            case "capture":
                return await self._gateway.capture(operation.key, authorization_id, payment.amount)
            case "void":
                return await self._gateway.void(operation.key, authorization_id)
            case "refund":
                return await self._gateway.refund(operation.key, authorization_id, operation.refund_amount(payment))


def _among(requests: Mapping[str, _Asked], payment: Payment) -> bool:
    """Whether the request the payment waits for is among these."""
    asked = requests.get(payment.checkout_id)
    return asked is not None and payment.operation is not None and asked.serial == payment.serial
