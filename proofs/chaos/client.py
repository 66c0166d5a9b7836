"""A client of Kafka that outlives the broker: what it sends is sent again until it is there, and no event is missed."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from shared.client import CheckoutClient
from shared.client.deadline import Deadline
from shared.contract.cart import (
    CartReopened,
    CheckoutAlreadyConfirmed,
    CheckoutCompleted,
    CheckoutConfirmed,
    CheckoutRejected,
    ConfirmCheckout,
)
from shared.contract.envelope import Envelope
from shared.contract.message import Message
from shared.contract.rejection import CommandRejected
from shared.runtime import kafka
from shared.settings import Settings

SILENT_SECONDS: Final = 5.0
"""With nothing heard for so long, the consumer is made anew: under load there is always something."""
PAUSE_SECONDS: Final = 0.5
AWAY: Final = (KafkaError, OSError, TimeoutError)


class DurableClient(CheckoutClient):
    """A :class:`CheckoutClient` that never gives up, and knows which confirmations nobody has answered yet."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, "/quadrille/chaos")
        self._places: dict[TopicPartition, int] = {}
        self._heard = 0.0
        self._mending = asyncio.Lock()
        self._unanswered: dict[str, dict[str, str | None]] = defaultdict(dict)

    @property
    def unanswered(self) -> list[str]:
        """The carts of the confirmations that had no answer."""
        return [cart_id for cart_id, ids in self._unanswered.items() if ids]

    async def _publish(self, envelopes: Sequence[Envelope], messages: Sequence[Message], deadline: Deadline) -> None:
        """As the other, but until the broker has them all; what is sent again has the same id."""
        for envelope, message in zip(envelopes, messages, strict=True):
            if isinstance(message, ConfirmCheckout):
                self._unanswered[message.cart_id][envelope.id] = None
        try:
            while True:
                producer = self._producer
                try:
                    async with asyncio.timeout(kafka.CLIENT_SECONDS):
                        return await self._send(envelopes, messages)
                except AWAY:
                    await self._mend(producer)
        except asyncio.CancelledError:  # whether the broker has it nobody knows, so nobody may wait for an answer
            for envelope in envelopes:
                self._unanswered.get(envelope.key, {}).pop(envelope.id, None)
            raise

    async def _mend(self, broken: Any) -> None:
        """A new producer in place of one that failed; of many that noticed, one makes it."""
        async with self._mending:
            while self._producer is broken:
                try:
                    made = await kafka.new_producer(self._settings, "quadrille-chaos")
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
            consumer = kafka.new_consumer(self._settings, None, "quadrille-chaos")
            try:
                await kafka.start(consumer)
                break
            except AWAY:
                await asyncio.sleep(PAUSE_SECONDS)
        consumer.assign(list(self._places))
        for place, offset in self._places.items():
            consumer.seek(place, offset)
        self._consumer, self._heard = consumer, time.monotonic()

    def _note(self, r: Any, at: float) -> Message | None:
        key = (r.key or b"").decode(errors="replace")
        confirmations = self._unanswered.get(key)
        if confirmations:  # also of a customer who is gone
            self._history.follow(key)
        event = super()._note(r, at)
        if confirmations and event is not None:
            self._answered(confirmations, event)
        return event

    def _answered(self, confirmations: dict[str, str | None], event: Message) -> None:
        """Of the confirmations of one cart, by id, each with the attempt it confirmed, drop those that this answers."""
        match event:
            case CheckoutConfirmed() if event.command_id in confirmations:
                confirmations[event.command_id] = event.checkout_id
            case CheckoutRejected() | CheckoutAlreadyConfirmed() | CommandRejected():
                confirmations.pop(event.command_id, None)
            case CheckoutCompleted() | CartReopened():
                for command_id in [i for i, attempt in confirmations.items() if attempt == event.checkout_id]:
                    del confirmations[command_id]
