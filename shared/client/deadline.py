"""The time for one call of the client."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from shared.errors import QuadrilleError


class OutcomeTimeoutError(QuadrilleError, TimeoutError):
    """What was waited for did not happen in time; the checkout goes on all the same."""


class Deadline:
    """The time for one call, whatever it does one after the other."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._at = seconds, asyncio.get_running_loop().time() + seconds

    @contextlib.asynccontextmanager
    async def unless(self, late: Callable[[str], str]) -> AsyncIterator[None]:
        """Raise :class:`OutcomeTimeoutError` where it passes meanwhile; ``late`` makes the words from "within 30 s"."""
        limit = asyncio.timeout_at(self._at)
        try:
            async with limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            raise OutcomeTimeoutError(late(f"within {self._seconds:g} s")) from None
