"""Tests wait for conditions, not for times."""

import asyncio
from collections.abc import Callable
from typing import Any

SECONDS = 60.0


async def until(
    ask: Callable[[], Any], what: str = "it", seconds: float = SECONDS, *, good: Callable[[Any], object] = bool
) -> Any:
    """Call a function, or coroutine function, until what it returns is ``good``; returns that.

    Raises ``AssertionError`` after so many seconds, naming ``what`` did not come.
    """
    found = None
    try:
        async with asyncio.timeout(seconds):
            while True:
                found = ask()
                found = await found if asyncio.iscoroutine(found) else found
                if good(found):
                    return found
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"{what} did not come within {seconds:g} s; last: {str(found)[:500]}") from None
