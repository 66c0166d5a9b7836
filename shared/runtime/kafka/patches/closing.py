"""Consumers that close whatever their fetches are doing.

A fetch that failed waits a moment before the next, and aiokafka does not expect to be told to close in that moment: the
end of the fetch comes out of the close as if whoever closes had been cancelled, and the connections stay open. A broker
that dies brings every consumer there, and the process that only wanted a new one would end.
"""

import asyncio

from aiokafka.consumer import consumer
from aiokafka.consumer.fetcher import Fetcher


class ClosingFetcher(Fetcher):
    """In the place of aiokafka's own class."""

    async def close(self) -> None:
        """End every fetch, then what is the library's to do."""
        tasks = [self._fetch_task, *self._pending_tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._pending_tasks.clear()
        await super().close()


def install() -> None:
    """Have every consumer of this process close in this way."""
    consumer.Fetcher = ClosingFetcher
