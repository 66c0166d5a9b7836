"""After everything the other tests did, no invariant is broken, and nothing the watchdog watches is wrong."""

import asyncio
import time

from sqlalchemy.ext.asyncio import AsyncEngine

from cli.audit import audit
from cli.demo.shop import Shop
from shared.alerts.views import open_alerts
from tests.support.system import System


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


async def test_the_watchdog_has_nothing_left_to_tell(alerts: AsyncEngine) -> None:
    deadline = time.monotonic() + 60
    while told := [alert.title for alert in await open_alerts(alerts) if alert.alert_id.startswith("watchdog:")]:
        assert time.monotonic() < deadline, told
        await asyncio.sleep(0.5)
