"""A real browser: the system's Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def found() -> str | None:
    """Where a Chromium is, if there is one."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The browser; the test is skipped where there is none."""
    path = found()
    if path is None:
        pytest.skip(f"no browser is here: none of {', '.join(NAMES)} is to be found (apt-get install chromium)")
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if root else [])
        try:
            yield browser
        finally:
            await browser.close()
