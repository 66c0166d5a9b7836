"""The audit of the money alone, of a shop of any age, while customers come and go."""

import asyncio
import time
from typing import Final

from cli.audit.books import money_by_portions
from cli.audit.invariants import LOOK_SECONDS, Violation, lasting, money, one_charge
from shared.settings import Settings

PORTION: Final = 1_000
"""Payments whose books are in memory at once while the money alone is audited."""


async def audit_money(settings: Settings, *, patience: float = 30.0, size: int = PORTION) -> list[Violation]:
    """Check the money of a running shop: what is wrong at every look, for ``patience`` seconds at most.

    The books are read ``size`` payments at a time, so it can look after a shop of any age. Raises as :func:`audit`.
    """
    deadline = time.monotonic() + patience
    wrong: list[Violation] | None = None
    while True:
        began = time.monotonic()
        found: list[Violation] = []
        async for books in money_by_portions(settings, size):
            found += [*money(books), *one_charge(books)]
        wrong = found if wrong is None else lasting(wrong, found)
        if not wrong or time.monotonic() > deadline:
            return wrong
        await asyncio.sleep(max(LOOK_SECONDS, time.monotonic() - began))
