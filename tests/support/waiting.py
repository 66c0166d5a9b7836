"""Tests wait for conditions, not for times."""

import asyncio
from collections.abc import Callable
from typing import Any

SECONDS = 40.0


async def becomes(holds: Callable[[], object], seconds: float = SECONDS) -> None:
    """Wait for a condition. Raises ``TimeoutError`` where it does not come."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110  (nobody sets an event for it)
            await asyncio.sleep(0.01)


async def until(condition: Callable[[], Any], what: str = "it", seconds: float = 20) -> Any:
    """Wait until a function or a coroutine function returns something truthy, and return that."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                found = condition()
                if found := await found if asyncio.iscoroutine(found) else found:
                    return found
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"{what} did not happen within {seconds} s") from None
