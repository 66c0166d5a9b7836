"""The audit of payments alone, for a live shop of any age."""

import asyncio
import time
from typing import Final

from cli.audit.books import money_in_pages
from cli.audit.invariants import POLL_SECONDS, Violation, money, one_charge, persistent
from shared.settings import Settings

PAGE_SIZE: Final = 1_000
"""Payments that are in memory at once."""


async def audit_money(settings: Settings, *, patience: float = 30.0, size: int = PAGE_SIZE) -> list[Violation]:
    """The violations about money that persist for ``patience`` seconds, read ``size`` payments at a time.

    Raises as :func:`cli.audit.books.read`.
    """
    deadline = time.monotonic() + patience
    wrong: list[Violation] | None = None
    while True:
        began = time.monotonic()
        found: list[Violation] = []
        async for books in money_in_pages(settings, size):
            found += [*money(books), *one_charge(books)]
        wrong = found if wrong is None else persistent(wrong, found)
        if not wrong or time.monotonic() > deadline:
            return wrong
        await asyncio.sleep(max(POLL_SECONDS, time.monotonic() - began))
