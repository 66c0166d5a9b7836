"""A client of Kafka that outlives the broker: what it sends is sent again until it is there, and no event is missed."""

import asyncio
import time
import uuid
from collections import defaultdict
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from shared.client import CheckoutClient
from shared.contract.cart import CartReopened, CheckoutCompleted, CheckoutRejected, ConfirmCheckout
from shared.contract.envelope import Envelope
from shared.contract.message import Message
from shared.runtime import kafka
from shared.settings import Settings

SILENT_SECONDS: Final = 5.0
"""With nothing heard for so long, the consumer is made anew: under load there is always something."""
PAUSE_SECONDS: Final = 0.5
ENDS: Final = (CheckoutCompleted, CheckoutRejected, CartReopened)
AWAY: Final = (KafkaError, OSError, TimeoutError)


class DurableClient(CheckoutClient):
    """A :class:`CheckoutClient` that never gives up, and knows which confirmations nobody has answered yet."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, "/quadrille/chaos")
        self._places: dict[TopicPartition, int] = {}
        self._heard = 0.0
        self._mending = asyncio.Lock()
        self._unanswered: dict[str, set[str]] = defaultdict(set)

    @property
    def unanswered(self) -> list[str]:
        """The carts of the confirmations that had no answer."""
        return [cart_id for cart_id, ids in self._unanswered.items() if ids]

    async def send(self, *messages: Message) -> list[str]:
        """As the other, but until the broker has them all; what is sent again has the same id."""
        ids = [str(uuid.uuid4()) for _ in messages]
        pairs = [(Envelope(i, self._source, m.type_name(), m.key, i), m) for i, m in zip(ids, messages, strict=True)]
        for i, message in zip(ids, messages, strict=True):
            if isinstance(message, ConfirmCheckout):
                self._unanswered[message.cart_id].add(i)
        try:
            while True:
                producer = self._producer
                try:
                    async with asyncio.timeout(kafka.CLIENT_SECONDS):
                        await asyncio.gather(*[await self._send(envelope, message) for envelope, message in pairs])
                    return ids
                except AWAY:
                    await self._mend(producer)
        except asyncio.CancelledError:  # whether the broker has it nobody knows, so nobody may wait for an answer
            for message in messages:
                self._unanswered.get(message.key, set()).difference_update(ids)
            raise

    async def _mend(self, broken: Any) -> None:
        """A new producer in place of one that failed; of many that noticed, one makes it."""
        async with self._mending:
            while self._producer is broken:
                try:
                    made = await kafka.producer(self._settings, "quadrille-chaos")
                except AWAY:
                    await asyncio.sleep(PAUSE_SECONDS)
                else:
                    self._producer = made
                    await kafka.stop(broken, 1)

    async def _read(self) -> None:
        for place in self._consumer.assignment():
            self._places[place] = await self._consumer.position(place)
        self._heard = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(SILENT_SECONDS):
                    batches = await self._consumer.getmany(timeout_ms=1_000)
            except AWAY:
                batches = {}
            now = time.monotonic()
            for place, records in batches.items():
                for record in records:
                    self._note(record, now)
                self._places[place] = records[-1].offset + 1
                self._heard = now
            async with self._news:
                self._news.notify_all()
            if now - self._heard > SILENT_SECONDS:
                await self._read_anew()

    async def _read_anew(self) -> None:
        await kafka.stop(self._consumer, 1)
        while True:
            consumer = kafka.consumer(self._settings, None, "quadrille-chaos")
            try:
                await kafka.start(consumer)
                break
            except AWAY:
                await asyncio.sleep(PAUSE_SECONDS)
        consumer.assign(list(self._places))
        for place, offset in self._places.items():
            consumer.seek(place, offset)
        self._consumer, self._heard = consumer, time.monotonic()

    def _note(self, r: Any, at: float) -> None:
        super()._note(r, at)
        key = (r.key or b"").decode(errors="replace")
        if key in self._unanswered and (seen := self._seen[key]):
            last = seen[-1]
            if isinstance(last.event, ENDS):
                self._unanswered.pop(key, None)
            else:
                self._answer(key, last.envelope.correlation_id, type(last.event).__name__)

    def _answer(self, key: str, command_id: str, kind: str) -> None:
        if kind in ("CheckoutAlreadyConfirmed", "CommandRejected"):
            self._unanswered[key].discard(command_id)
