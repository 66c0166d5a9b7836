"""Customers at a steady rate for as long as it is wanted, most of whom pay; what each of them did is soon forgotten."""

import asyncio
import contextlib
import time
import uuid
from typing import Any, Final

from cli.bench.load import CONFIRMED, Load
from shared.settings import Settings

RESERVED: Final = b"quadrille.StockReserved.v1"
CANCELLED: Final = b"quadrille.OrderCancelled.v1"
REOPENED: Final = b"quadrille.CartReopened.v1"
TOKENS: Final = {0: "tok_decline_capture", 7: "tok_decline_insufficient_funds"}
LEAVES: Final = 14
"""Of twenty customers one has an order whose capture fails, one a card that is declined, one leaves without a word."""
TURN: Final = 20


class Steady(Load):
    """Customers who confirm as soon as their stock is reserved. Latencies are seconds from there to ``OrderConfirmed``."""

    def __init__(self, settings: Settings, producer: Any, consumer: Any) -> None:
        super().__init__(settings, producer, consumer)
        self._ready: asyncio.Queue[str] = asyncio.Queue()
        self._leaving: set[str] = set()
        self._latencies: list[float] = []
        self.begun = 0

    def seen(self, kind: bytes, cart_id: str, now: float) -> None:
        """Count the end of a checkout; whose stock is reserved may confirm."""
        if kind == RESERVED:
            if cart_id in self._leaving:
                self._leaving.discard(cart_id)
            else:
                self._ready.put_nowait(cart_id)
        elif kind == CONFIRMED and (sent := self.sent.pop(cart_id, None)) is not None:
            self._latencies.append(now - sent)
        elif kind in (CANCELLED, REOPENED):
            self.sent.pop(cart_id, None)

    def taken(self) -> list[float]:
        """The latencies of all that were confirmed since the last call, sorted."""
        taken, self._latencies = sorted(self._latencies), []
        return taken

    async def run(self, rate: float, seconds: float) -> None:
        """So many customers a second, whatever comes back."""
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
                await self.fill(cart_id, skus[n % len(skus)], TOKENS.get(n % TURN, "tok_approve"))
                self.begun += 1
            await self._until_none_waits()
        finally:
            confirming.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await confirming

    async def _confirm(self) -> None:
        while True:
            await self.confirm(await self._ready.get())

    async def _until_none_waits(self, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while (self.sent or self._leaving or not self._ready.empty()) and time.monotonic() < deadline:
            await self.news(1)
