"""Checks the invariants on a live system: databases against each other and against the gateway."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from cli.audit.books import money_in_pages, read
from cli.audit.invariants import Report, Violation, check, in_flight, money, one_charge, persistent
from shared.settings import Settings

POLL_SECONDS: Final = 0.5
PAGE_SIZE: Final = 1_000
"""Payments that are in memory at once while only payments are audited."""


async def audit(settings: Settings, *, patience: float = 30.0, at_rest: bool = True) -> Report:
    """Check all invariants until none is violated and nothing is in flight, for ``patience`` seconds at most.

    ``at_rest``: there are no new checkouts, so a checkout that is not finished by then and has no open alert violates
    invariant 3. Otherwise only violations that persist for the whole time count. Raises as :func:`cli.audit.books.read`.
    """
    report = Report()

    async def poll() -> list[Violation]:
        nonlocal report
        books = await read(settings)
        report = check(books)
        return report.violations + [Violation(3, i, "not finished, and no alert is open") for i in in_flight(books)]

    violations = await _lasting(poll, patience, at_rest=at_rest)
    return replace(report, violations=violations)


async def audit_money(settings: Settings, *, patience: float = 30.0, size: int = PAGE_SIZE) -> list[Violation]:
    """The violations about money that persist for ``patience`` seconds, on a live shop of any age.

    Reads ``size`` payments at a time. Raises as :func:`cli.audit.books.read`.
    """

    async def poll() -> list[Violation]:
        return [v async for books in money_in_pages(settings, size) for v in (*money(books), *one_charge(books))]

    return await _lasting(poll, patience, at_rest=False)


async def _lasting(poll: Callable[[], Awaitable[list[Violation]]], patience: float, *, at_rest: bool) -> list[Violation]:
    """Poll until there are no violations or ``patience`` is over; returns the last ones, or those that persisted."""
    deadline = time.monotonic() + patience
    violations: list[Violation] | None = None
    while True:
        began = time.monotonic()
        found = await poll()
        violations = found if at_rest or violations is None else persistent(violations, found)
        if not violations or time.monotonic() > deadline:
            return violations
        await asyncio.sleep(max(POLL_SECONDS, time.monotonic() - began))  # at most half of the time is spent reading
