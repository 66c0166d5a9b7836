"""What one process has asked of the gateway, and did not live to hear, is not forgotten by the next."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from devstack.up import LEDGER
from proofs.bench.payment import InProcessGateway
from services.payment.__main__ import define
from services.payment.gateways.port import Answer, Authorization, LookUp, NotFound, PaymentState, Sought, Unavailable, Unknown
from services.payment.operations import Operations
from shared.contract.order import TotalsCalculated
from shared.runtime.postgres.database import connect
from shared.runtime.service import Service
from shared.settings import Settings, load
from tests.support import system
from tests.support.facts import CHECKOUT, a
from tests.support.stacks import Stack
from tests.support.topics import publish

NAMED = {"QUADRILLE_GATEWAY_URL": "http://in-process", "QUADRILLE_GATEWAY_API_KEY": "none"}


class Silent(InProcessGateway):
    """Does what it is asked to, and its answers do not come."""

    def __init__(self, ledger: Path) -> None:
        super().__init__(ledger)
        self.asked = asyncio.Event()

    async def authorize(self, key: str, request: Authorization) -> Answer:
        """Done, and not answered."""
        await super().authorize(key, request)
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError


class Empty(InProcessGateway):
    """Its answers to authorizations are lost, and no look finds what they made."""

    def __init__(self, ledger: Path) -> None:
        super().__init__(ledger)
        self.looks: list[float] = []
        self.enough = asyncio.Event()

    async def authorize(self, key: str, request: Authorization) -> Answer:
        """Nobody knows."""
        self.looks.clear()  # those that count are the void's
        return Unknown("lost")

    async def look_up(self, sought: Sought) -> LookUp:
        """Not found."""
        self.looks.append(asyncio.get_running_loop().time())
        if len(self.looks) == 6:
            self.enough.set()
        return NotFound(sought.reference)


class Busy(InProcessGateway):
    """Accepts no new authorizations."""

    async def authorize(self, key: str, request: Authorization) -> Answer:
        """Nothing was done."""
        return Unavailable("busy")


@asynccontextmanager
async def _payment(settings: Settings, gateway: InProcessGateway) -> AsyncIterator[None]:
    """The service, until it is killed."""
    service = Service(define(settings), settings)
    tasks = [asyncio.create_task(service.run()), asyncio.create_task(Operations(service, gateway).run())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until(engine: AsyncEngine, wanted: str) -> None:
    state = None
    async with asyncio.timeout(40):
        while state != wanted:
            async with engine.connect() as connection:
                state = (await connection.execute(text("SELECT state FROM payments"))).scalar()


async def test_an_authorization_that_a_dead_process_has_made_is_released(stack: Stack, tmp_path: Path) -> None:
    """It authorized and died; whoever asks after it is turned away, and declines. The authorization must not stay."""
    impatient = {"QUADRILLE_EXTENSION_SECONDS": "4", "QUADRILLE_PAYMENT_BACKOFF_SECONDS": "0.1"}
    environment = await asyncio.to_thread(lambda: system.prepare(stack, **NAMED, **impatient))
    settings = load(environment)
    engine, gateway = connect(settings.database_url("payment")), Silent(tmp_path / LEDGER)
    try:
        async with _payment(settings, gateway):
            await publish(settings, a(TotalsCalculated))
            async with asyncio.timeout(40):
                await gateway.asked.wait()
        async with _payment(settings, Busy(tmp_path / LEDGER)):
            await _until(engine, "voided")
    finally:
        await engine.dispose()
    observer = InProcessGateway(tmp_path / LEDGER)
    try:
        found = await observer.look_up(Sought(CHECKOUT, 2990, "EUR"))
    finally:
        await observer.close()
    assert isinstance(found, PaymentState), found
    assert found.status == "voided"


async def test_an_authorization_that_is_not_found_is_looked_for_ever_more_seldom(stack: Stack, tmp_path: Path) -> None:
    """Each look waits twice as long as the one before it, though none of them is an attempt that failed."""
    first = 0.2
    limits = {"QUADRILLE_EXTENSION_SECONDS": "1", "QUADRILLE_PAYMENT_BACKOFF_SECONDS": str(first)}
    environment = await asyncio.to_thread(lambda: system.prepare(stack, **NAMED, **limits))
    settings, gateway = load(environment), Empty(tmp_path / LEDGER)
    async with _payment(settings, gateway):
        await publish(settings, a(TotalsCalculated))
        async with asyncio.timeout(40):
            await gateway.enough.wait()
    waits = [after - before for before, after in pairwise(gateway.looks)]
    assert all(wait >= first * 2**n / 2 for n, wait in enumerate(waits)), waits
