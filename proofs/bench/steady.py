"""Customers at a steady rate for as long as it is wanted, most of whom pay; what each of them did is soon forgotten."""

import asyncio
import contextlib
import time
import uuid
from typing import Any, Final

from proofs.bench.load import CONFIRMED, Load, LoadError
from shared.settings import Settings

RESERVED: Final = b"quadrille.StockReserved.v1"
ENDS: Final = (CONFIRMED, b"quadrille.OrderCancelled.v1", b"quadrille.CartReopened.v1")
TOKENS: Final = {0: "tok_decline_capture", 7: "tok_decline_insufficient_funds"}
LEAVES: Final = 14
"""Of twenty customers one has an order whose capture fails, one a card that is declined, one leaves without a word."""
TURN: Final = 20
LAST_SECONDS: Final = 120.0
"""By then the last customer has come to an end, or something is wrong."""


class Steady(Load):
    """Customers who confirm as soon as their stock is reserved. Latencies are seconds from there to ``OrderConfirmed``."""

    def __init__(self, settings: Settings, producer: Any, consumer: Any) -> None:
        super().__init__(settings, producer, consumer)
        self._ready: asyncio.Queue[str] = asyncio.Queue()
        self._here: set[str] = set()
        self._leaving: set[str] = set()
        self._latencies: list[float] = []
        self.begun = 0

    def seen(self, kind: bytes, cart_id: str, now: float) -> None:
        """Count the end of a checkout; whose stock is reserved may confirm."""
        if kind == RESERVED and cart_id in self._leaving:
            self._leaving.discard(cart_id)
            self._here.discard(cart_id)
        elif kind == RESERVED:
            self._ready.put_nowait(cart_id)
        elif kind in ENDS:
            self._here.discard(cart_id)
            sent = self.sent.pop(cart_id, None)
            if kind == CONFIRMED and sent is not None:
                self._latencies.append(now - sent)

    def taken(self) -> list[float]:
        """The latencies of all that were confirmed since the last call, sorted."""
        taken, self._latencies = sorted(self._latencies), []
        return taken

    async def run(self, rate: float, seconds: float) -> None:
        """So many customers a second, whatever comes back; returns when the last has come to an end.

        Raises :class:`proofs.bench.load.LoadError` where one does not.
        """
        run = uuid.uuid4().hex[:8]
        skus = await self.products(run)
        confirming = asyncio.create_task(self._confirm())
        started = time.monotonic()
        try:
            for n in range(int(rate * seconds)):
                if (wait := started + n / rate - time.monotonic()) > 0:
                    await asyncio.sleep(wait)
                cart_id = f"steady-{run}-{n}"
                if n % TURN == LEAVES:
                    self._leaving.add(cart_id)
                self._here.add(cart_id)
                await self.fill(cart_id, skus[n % len(skus)], TOKENS.get(n % TURN, "tok_approve"))
                self.begun += 1
            await self._until_all_left()
        finally:
            confirming.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await confirming

    async def _confirm(self) -> None:
        while True:
            await self.confirm(await self._ready.get())

    async def _until_all_left(self) -> None:
        deadline = time.monotonic() + LAST_SECONDS
        while self._here:
            if time.monotonic() > deadline:
                raise LoadError(f"{len(self._here)} customers came to no end within {LAST_SECONDS:g} s")
            await self.news(1)
