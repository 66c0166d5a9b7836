"""The console in a real browser: it lives, can be used by keyboard, fits a phone, and runs nothing that messages bring."""

from collections.abc import AsyncIterator
from typing import Literal

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, ViewportSize, expect

from devstack.demo.shop import Shop, card
from shared.contract.cart import CheckoutCompleted, ConfirmCheckout
from shared.contract.order import OrderCreated
from shared.contract.payment import VoidFailed
from tests.support.browser import chromium
from tests.support.console import SECONDS
from tests.support.system import System
from tests.support.waiting import until

PHONE, LAPTOP = ViewportSize(width=390, height=844), ViewportSize(width=1280, height=900)
PAGES = ("/", "/orders", "/money", "/money?span=7d", "/lag", "/alerts", "/dead-letters", "/dead-letters?which=resolved")
EVIL = "<img src=x onerror=document.title='hacked'>"


@pytest_asyncio.fixture(scope="module")
async def context(quadrille: System) -> AsyncIterator[BrowserContext]:
    """A browser in which Ada logged in, by keyboard."""
    expect.set_options(timeout=SECONDS * 1000)
    async with chromium() as browser:
        made = await browser.new_context(base_url=quadrille.settings.console_address, viewport=LAPTOP)
        made.set_default_timeout(SECONDS * 1000)
        page = await made.new_page()
        await page.goto("/orders")
        password = quadrille.settings.console_password
        assert password
        await page.get_by_label("Your name").focus()
        await page.keyboard.type("ada")
        await page.keyboard.press("Tab")
        await page.keyboard.type(password.get_secret_value())
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Orders")
        await page.close()
        yield made
        await made.close()


@pytest_asyncio.fixture
async def page(context: BrowserContext) -> AsyncIterator[Page]:
    """A page; whatever the browser complains of fails the test, but for what is not found."""
    made = await context.new_page()
    complaints: list[str] = []
    made.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    made.on("pageerror", lambda error: complaints.append(str(error)))
    yield made
    await made.close()
    assert [words for words in complaints if "404" not in words] == []


async def test_the_overview_is_live(page: Page, shop: Shop) -> None:
    await page.goto("/")
    await expect(page.locator("[data-pulse]")).to_have_text("live")
    await expect(page.locator(".node.ok")).to_have_count(5)
    _, outcome = await shop.check_out(await shop.product(stock=1))
    assert isinstance(outcome, CheckoutCompleted)
    await expect(page.get_by_role("link", name=outcome.order_number)).to_be_visible()
    await expect(page.locator(".edge.slow, .edge.steady, .edge.fast").first).to_be_attached()


async def test_an_open_timeline_is_live(page: Page, shop: Shop) -> None:
    cart_id = await shop.cart(await shop.product(stock=1))
    await shop.prepare(cart_id)
    await until(lambda: page.goto(f"/orders/{cart_id}.1"), good=lambda answer: answer and answer.ok)  # once the journal has it
    await expect(page.locator(".what", has_text="StockReserved")).to_be_visible()
    await shop.client.send(ConfirmCheckout(cart_id=cart_id))
    await expect(page.get_by_label("Status")).to_contain_text("Finished: order Q-")
    await expect(page.locator(".what", has_text="CheckoutCompleted")).to_be_visible()
    created = await shop.client.wait_for(cart_id, OrderCreated)
    await expect(page.get_by_label("Status")).to_contain_text(created.order_number)


async def test_a_stuck_payment_is_settled_by_keyboard_and_its_text_never_runs(page: Page, shop: Shop) -> None:
    sku = await shop.product(stock=1)
    cart_id, _ = await shop.check_out(sku, payment=card("tok_decline_capture+refuse_void_4"))
    failed = await shop.client.wait_for(cart_id, VoidFailed, timeout=SECONDS)
    alert = await shop.alert(failed.checkout_id)
    await page.goto("/alerts")
    await page.get_by_role("link", name=alert.title).focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text(alert.title)
    money = page.get_by_label("Settle the payment")
    await money.get_by_label("Why").focus()
    await page.keyboard.type(EVIL)
    await page.keyboard.press("Tab")
    await expect(money.get_by_role("button", name="Retry the void")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status").first).to_contain_text("the authorization is released")
    await expect(page.get_by_label("What to do")).to_contain_text("resolved")
    await expect(page.get_by_role("button", name="Retry the void")).to_have_count(0)
    await expect(page.get_by_role("cell", name=EVIL).first).to_be_visible()
    assert "hacked" not in await page.title()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_fits_a_phone_and_has_landmarks_and_names(page: Page, scheme: Literal["light", "dark"]) -> None:
    await page.emulate_media(color_scheme=scheme)
    for address in PAGES:
        for size in (PHONE, LAPTOP):
            await page.set_viewport_size(size)
            await page.goto(address)
            assert await page.evaluate("document.documentElement.scrollWidth") <= size["width"], address
        assert await page.locator("html").get_attribute("lang") == "en"
        await expect(page.get_by_role("main")).to_have_count(1)
        await expect(page.get_by_role("navigation", name="Pages", exact=True)).to_have_count(1)
        await expect(page.get_by_role("heading", level=1)).to_have_count(1)
        assert await page.evaluate(NAMELESS) == [], address
        assert await page.evaluate(PALE) == [], f"{address} in {scheme}: too little contrast"


async def test_every_page_is_light(context: BrowserContext, quadrille: System) -> None:
    assert context.browser
    known = await context.storage_state()
    for address in PAGES:
        fresh = await context.browser.new_context(base_url=quadrille.settings.console_address, storage_state=known)
        page = await fresh.new_page()
        await page.goto(address)
        loaded = await page.evaluate(LOADED)
        await fresh.close()
        assert loaded["requests"] <= 8, address
        assert loaded["bytes"] <= 100_000, address


async def test_the_skip_link_is_first_and_focus_is_visible(page: Page) -> None:
    await page.goto("/orders")
    await page.keyboard.press("Tab")
    await expect(page.get_by_text("Skip to content")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("searchbox")).to_be_focused()
    outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


async def test_pages_work_without_javascript(context: BrowserContext, quadrille: System) -> None:
    assert context.browser
    plain = await context.browser.new_context(
        base_url=quadrille.settings.console_address, java_script_enabled=False, storage_state=await context.storage_state()
    )
    page = await plain.new_page()
    await page.goto("/")
    await expect(page.locator(".node")).to_have_count(6)
    await page.goto("/orders")
    await page.get_by_role("link", name="completed", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Orders")
    await plain.close()


NAMELESS = """() => [...document.querySelectorAll("a, button, input:not([type=hidden]), select, svg[role=img]")]
  .filter((e) => !e.labels?.length && !e.ariaLabel && !e.getAttribute("aria-labelledby") && !e.textContent.trim())
  .map((e) => e.outerHTML.slice(0, 200))"""
"""What can be used or seen and has no name."""

LOADED = """() => {
  const files = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  return { requests: files.length, bytes: files.reduce((sum, file) => sum + file.transferSize, 0) };
}"""
"""What a page took to show itself, with nothing kept from before."""

PALE = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const behind = (e) => {
    for (let up = e; up; up = up.parentElement) {
      const [r, g, b, a] = rgb(getComputedStyle(up).backgroundColor);
      if (a > 250) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || e.closest("svg, .hidden, .skip, script") || !e.checkVisibility()) continue;
    const [one, other] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < 4.5) found.push(`${contrast.toFixed(2)}: ${walk.currentNode.data.trim().slice(0, 40)} (${e.className})`);
  }
  return [...new Set(found)];
}"""
"""Text with less contrast to what is behind it than 4.5 to 1 (WCAG AA)."""
