"""Group commits: many requests share one transaction and one sync, and each is answered only after it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from devstack.sandbox.ledger import Ledger

T = TypeVar("T")
MOST_PER_COMMIT: Final = 500


class GroupCommit:
    """The one writer of a ledger. While one commit is being synced, the next one gathers.

    Work is a function of the ledger. It runs in the writer's thread, one at a time, so what it reads cannot change
    under it; it may be run twice and must do nothing but read and write the ledger.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: list[tuple[Callable[[Ledger], Any], asyncio.Future[Any]]] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._writing: asyncio.Task[None] | None = None

    async def run(self, work: Callable[[Ledger], T]) -> T:
        """What ``work`` returns, once it is durable. Raises what ``work`` or the commit raised; then nothing was kept.

        A caller that is cancelled leaves its work to be done.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, future))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        return await future

    async def close(self) -> None:
        """Finish what was asked for."""
        while self._writing is not None and not self._writing.done():
            await self._writing
        self._thread.shutdown()

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST_PER_COMMIT], self._waiting[MOST_PER_COMMIT:]
            results = await loop.run_in_executor(self._thread, self._results, [work for work, _ in batch])
            for (_, future), result in zip(batch, results, strict=True):
                if future.done():
                    continue
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)

    def _results(self, batch: list[Callable[[Ledger], Any]]) -> list[Any]:
        """One transaction for all; where it fails, one for each, so that a culprit spoils nothing but its own.

        What failed has its exception in the place of its result.
        """
        try:
            return self._commit(batch)
        except Exception as error:
            return [error] if len(batch) == 1 else [self._results([work])[0] for work in batch]

    def _commit(self, batch: list[Callable[[Ledger], Any]]) -> list[Any]:
        self._ledger.begin()
        try:
            results = [work(self._ledger) for work in batch]
            self._ledger.commit()
        except Exception:
            self._ledger.roll_back()
            raise
        return results
