"""``python -m devstack.demo.pictures``: the pictures of the documents, made with a shop that runs (`quadrille up`).

It needs Chromium. The shop should be new: what is in it is in the pictures.
"""

import asyncio
import io
import shutil
import sys
from pathlib import Path
from typing import Final

from playwright.async_api import async_playwright
from rich.console import Console

from cli import system
from cli.trace import run_trace
from devstack.demo.shop import Shop, card
from devstack.reference.pages import source
from shared.client import CheckoutClient
from shared.contract.order import OrderCreated
from shared.contract.payment import PaymentVoided
from shared.errors import QuadrilleError
from shared.runtime.postgres.database import connect

IMAGES: Final = Path("docs/images")
CUSTOMERS: Final = 60
COLUMNS: Final = 128


async def draw(state: Path) -> None:
    """Let customers shop, one of whom cannot pay, and write console.png and trace.svg. Raises :class:`QuadrilleError`."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise QuadrilleError("no Chromium is here (apt-get install chromium)")
    settings = system.settings(state)
    engine = connect(settings.database_url("alerts"))
    async with CheckoutClient(settings) as client, async_playwright() as playwright:
        shop = Shop(client, engine)
        sku = await shop.product(stock=2 * CUSTOMERS)
        cart_id, _ = await shop.check_out(sku, payment=card("tok_decline_capture"))
        await client.wait_for(cart_id, PaymentVoided)
        order = await client.wait_for(cart_id, OrderCreated)
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
        await page.goto(settings.console_address)
        slots = asyncio.Semaphore(4)

        async def buy() -> None:
            async with slots:
                await shop.check_out(sku)

        customers = [asyncio.create_task(buy()) for _ in range(CUSTOMERS)]
        await asyncio.gather(*customers[: CUSTOMERS // 2])
        await page.screenshot(path=source() / IMAGES / "console.png")
        await asyncio.gather(*customers)
        await browser.close()
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, highlight=False, emoji=False)
    await run_trace(settings, order.order_number, console, follow=False, as_json=False)
    console.save_svg(str(source() / IMAGES / "trace.svg"), title=f"quadrille trace {order.order_number}")
    await engine.dispose()


if __name__ == "__main__":
    (source() / IMAGES).mkdir(exist_ok=True)
    asyncio.run(draw(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(".quadrille")))
