"""After everything the other tests did, no invariant is broken, and nothing the watchdog watches is wrong."""

import asyncio
import time
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.audit import audit, audit_money
from devstack.demo.shop import Shop, unique
from services.alerts.views import open_alerts
from services.payment.gateways.http import HttpGateway
from services.payment.gateways.port import Authorization, Succeeded
from shared.contract.cart import CheckoutCompleted
from tests.support import services
from tests.support.system import System

pytestmark = pytest.mark.last


async def test_the_audit_of_a_running_shop_finds_nothing_wrong_with_those_who_shop(quadrille: System, shop: Shop) -> None:
    sku = await shop.product(stock=1_000)
    looked = asyncio.create_task(audit(quadrille.settings, patience=60, at_rest=False))
    while not looked.done():
        await asyncio.gather(*(shop.check_out(sku) for _ in range(5)))
    assert looked.result().violations == []


async def test_no_invariant_is_broken(quadrille: System) -> None:
    report = await audit(quadrille.settings, patience=60)
    assert report.checkouts > 0
    assert report.violations == []


async def scraped(auditor: services.Running, line: str) -> None:
    """Once the auditor's metrics have this line."""
    what = f"metrics with {line}"
    await asyncio.to_thread(auditor.wait_until, what, lambda: line in auditor.metrics().splitlines())


async def test_money_at_the_gateway_that_no_order_explains_is_found_while_the_shop_is_open(
    quadrille: System, shop: Shop, tmp_path: Path
) -> None:
    """A charge in another currency, under a reference of ours: only the gateway's ledger knows it."""
    _, confirmed = await shop.check_out(await shop.product(stock=1))
    assert await audit_money(quadrille.settings, patience=60, size=3) == []
    assert isinstance(confirmed, CheckoutCompleted)
    checkout_id = confirmed.checkout_id
    gateway = HttpGateway(*quadrille.settings.payment_gateway(), 10)
    try:
        charge = await gateway.authorize(unique("theirs"), Authorization(checkout_id, 700, "JPY", "tok_approve"))
        assert isinstance(charge, Succeeded)
        assert isinstance(await gateway.capture(unique("theirs"), charge.authorization_id, 700), Succeeded)
        (found,) = await audit_money(quadrille.settings, patience=0, size=3)
        assert (found.invariant, found.subject, "700 minor units of JPY" in found.wrong) == (1, checkout_id, True)
        environment = {**quadrille.environment, "QUADRILLE_AUDIT_SECONDS": "1"}
        auditor = services.start("audit", "cli.audit", environment, tmp_path)
        try:
            auditor.wait_until_healthy()
            await scraped(auditor, "quadrille_audit_violations 1.0")
            assert isinstance(await gateway.refund(unique("theirs"), charge.authorization_id, 700), Succeeded)
            await scraped(auditor, "quadrille_audit_violations 0.0")
        finally:
            auditor.stop()
    finally:
        await gateway.close()


async def test_the_watchdog_has_nothing_left_to_tell(alerts: AsyncEngine) -> None:
    deadline = time.monotonic() + 60
    while told := [alert.title for alert in await open_alerts(alerts) if alert.alert_id.startswith("watchdog:")]:
        assert time.monotonic() < deadline, told
        await asyncio.sleep(0.5)
