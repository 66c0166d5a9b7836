"""Tests wait for conditions, not for times."""

import asyncio
from collections.abc import Callable

SECONDS = 40.0


async def becomes(holds: Callable[[], object], seconds: float = SECONDS) -> None:
    """Wait for a condition. Raises ``TimeoutError`` where it does not come."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110  (nobody sets an event for it)
            await asyncio.sleep(0.01)
