"""A client for storefronts and staff: publish commands, and await what becomes of them."""

import asyncio
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from aiokafka import TopicPartition

from shared.contract.cart import (
    CartReopened,
    CheckoutAlreadyConfirmed,
    CheckoutCompleted,
    CheckoutRejected,
    ConfirmCheckout,
)
from shared.contract.envelope import Envelope, Record, RefusedError, UnreadableError, read, write
from shared.contract.message import Command, Message
from shared.contract.rejection import CommandRejected
from shared.contract.topics import DEAD_LETTERS, SERVICES, events_topic
from shared.runtime import kafka
from shared.settings import Settings

M = TypeVar("M", bound=Message)
Outcome = CheckoutCompleted | CheckoutRejected | CartReopened | CheckoutAlreadyConfirmed | CommandRejected
HEARD = tuple(events_topic(service) for service in SERVICES)
OUTCOMES = (CheckoutCompleted, CheckoutRejected, CartReopened, CheckoutAlreadyConfirmed, CommandRejected)


class OutcomeTimeoutError(TimeoutError):
    """What was waited for did not happen in time; the checkout goes on all the same."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An event this client saw. ``at``: seconds of the monotonic clock."""

    envelope: Envelope
    event: Message
    at: float


class CheckoutClient:
    """Publishes commands and sees the events that follow, from the moment it is entered::

        async with CheckoutClient(settings) as client:
            await client.send(OpenCart(cart_id="c1", currency="EUR", customer_id="k1"))
            ...
            outcome = await client.confirm("c1", timeout=30)

    It belongs to no consumer group, and many may run at once; it hears what comes on ``topics``. Raises ``KafkaError``,
    ``OSError`` or ``TimeoutError`` where the broker is away, and :class:`shared.settings.SettingsError` where none is named.
    """

    def __init__(self, settings: Settings, source: str = "/quadrille/client", topics: Sequence[str] = HEARD) -> None:
        self._settings, self._source, self._topics = settings, source, topics
        self._seen: dict[str, list[Seen]] = defaultdict(list)
        self._dead: dict[str, bytes] = {}
        self._news = asyncio.Condition()
        self._producer: Any = None
        self._consumer: Any = None
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._close()
            raise
        self._reader = asyncio.create_task(self._read())
        return self

    async def _open(self) -> None:
        self._producer = await kafka.producer(self._settings, "quadrille-client")
        self._consumer = kafka.consumer(self._settings, None, "quadrille-client")
        await kafka.start(self._consumer)
        partitions = [
            TopicPartition(self._settings.topic(topic), partition)
            for topic in self._topics
            for partition in range(self._settings.partitions)
        ]
        self._consumer.assign(partitions)
        await self._consumer.seek_to_end(*partitions)
        for partition in partitions:
            await self._consumer.position(partition)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reader:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)  # what it died of, whoever waited has heard
        await self._close()

    async def _close(self) -> None:
        for client in (self._consumer, self._producer):
            if client is not None:
                await kafka.stop(client)

    async def send(self, *messages: Message) -> list[str]:
        """Publish commands (or facts of the catalogue) in this order; returns their ids once the broker has them all."""
        ids = [str(uuid.uuid4()) for _ in messages]
        futures = [
            await self._send(Envelope(i, self._source, m.type_name(), m.key, i), m) for i, m in zip(ids, messages, strict=True)
        ]
        await asyncio.gather(*futures)
        return ids

    async def ask(self, command: Command, kinds: tuple[type[Message], ...], *, timeout: float = 30.0) -> Message:
        """Publish a command and await its refusal, or the first event of these types that it leads to.

        What follows is one trace. Raises :class:`OutcomeTimeoutError` after ``timeout`` seconds.
        """
        command_id = str(uuid.uuid4())
        trace = f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01"
        envelope = Envelope(command_id, self._source, command.type_name(), command.key, command_id, traceparent=trace)
        await (await self._send(envelope, command))

        def wanted(seen: Seen) -> bool:
            return isinstance(seen.event, (*kinds, CommandRejected)) and seen.envelope.correlation_id == command_id

        return (await self._wait(command.key, wanted, 0, timeout, _names(kinds))).event

    async def _send(self, envelope: Envelope, message: Message) -> Any:
        headers, value = write(envelope, message, datetime.now(UTC))
        topic = self._settings.topic(message.topic)
        partition = kafka.lane_of(message.key, self._settings.partitions)
        return await self._producer.send(topic, value, message.key.encode(), partition=partition, headers=headers)

    async def publish_bytes(self, topic: str, key: str, value: bytes) -> None:
        """Publish a record that is no message of the contract, as a broken client might."""
        partition = kafka.lane_of(key, self._settings.partitions)
        name = self._settings.topic(topic)
        await (await self._producer.send(name, value, key.encode(), partition=partition))

    async def dead_letter(self, key: str, *, timeout: float = 30.0) -> bytes:
        """The bytes of the first dead letter with this key that the client saw or will see.

        For a client that listens to :data:`shared.contract.topics.DEAD_LETTERS` as well, which storefronts need not.
        """
        async with self._news:
            try:
                async with asyncio.timeout(timeout):
                    await self._news.wait_for(lambda: key in self._dead)
            except TimeoutError:
                raise OutcomeTimeoutError(f"no dead letter of {key} came within {timeout:g} s") from None
        return self._dead[key]

    async def confirm(self, cart_id: str, *, expected_total: int | None = None, timeout: float = 30.0) -> Outcome:
        """Confirm the checkout of a cart and await how it ends. ``expected_total``: minor units.

        Raises :class:`OutcomeTimeoutError` after ``timeout`` seconds; ask again with :meth:`wait_for`.
        """
        before = len(self._seen[cart_id])
        await self.send(ConfirmCheckout(cart_id=cart_id, expected_total=expected_total))
        seen = await self._wait(cart_id, lambda s: isinstance(s.event, OUTCOMES), before, timeout, "the checkout's end")
        assert isinstance(seen.event, OUTCOMES)
        return seen.event

    async def wait_for(
        self,
        key: str,
        kind: type[M],
        *,
        where: Callable[[M], bool] = lambda event: True,
        after: int = 0,
        timeout: float = 30.0,
    ) -> M:
        """The first event of this type with this key (cart id or SKU) that the client saw or will see.

        ``after``: skip so many events of the key; ``len(client.seen(key))`` waits for what is still to come.
        Raises :class:`OutcomeTimeoutError` after ``timeout`` seconds, naming what was seen instead.
        """

        def wanted(seen: Seen) -> bool:
            return isinstance(seen.event, kind) and where(seen.event)

        seen = await self._wait(key, wanted, after, timeout, kind.__name__)
        assert isinstance(seen.event, kind)
        return seen.event

    async def next_event(self, key: str, after: int, kinds: tuple[type[Message], ...], *, timeout: float = 30.0) -> Message:
        """The first event of any of these types; else as :meth:`wait_for`."""
        seen = await self._wait(key, lambda s: isinstance(s.event, kinds), after, timeout, _names(kinds))
        return seen.event

    def seen(self, key: str) -> list[Seen]:
        """All events with this key so far, as they came."""
        return list(self._seen[key])

    def forget(self, keys: Iterable[str]) -> None:
        """Drop what was seen of these keys: a client that lives long must."""
        for key in keys:
            self._seen.pop(key, None)

    async def _wait(self, key: str, wanted: Callable[[Seen], bool], start: int, timeout: float, what: str) -> Seen:
        def found() -> Seen | None:
            if self._reader and self._reader.done() and (error := self._reader.exception()):
                raise error
            return next((seen for seen in self._seen[key][start:] if wanted(seen)), None)

        async with self._news:
            try:
                async with asyncio.timeout(timeout):
                    await self._news.wait_for(lambda: found() is not None)
            except TimeoutError:
                names = ", ".join(type(seen.event).__name__ for seen in self._seen[key][start:]) or "nothing"
                raise OutcomeTimeoutError(f"{what} of {key} did not come within {timeout:g} s; seen: {names}") from None
        seen = found()
        assert seen is not None
        return seen

    async def _read(self) -> None:
        try:
            while True:
                batches = await self._consumer.getmany(timeout_ms=1_000)
                at = time.monotonic()
                for records in batches.values():
                    for r in records:
                        self._note(r, at)
                async with self._news:
                    self._news.notify_all()
        finally:  # whoever waits hears at once that nothing more will come
            async with self._news:
                self._news.notify_all()

    def _note(self, r: Any, at: float) -> None:
        topic = r.topic.removeprefix(self._settings.topic_prefix)
        if topic == DEAD_LETTERS:
            self._dead.setdefault((r.key or b"").decode(errors="replace"), r.value or b"")
            return
        try:
            envelope, event = read(Record(topic, r.partition, r.offset, r.key, r.value, r.headers, r.timestamp))
        except (RefusedError, UnreadableError):
            return
        self._seen[event.key].append(Seen(envelope, event, at))


def _names(kinds: tuple[type[Message], ...]) -> str:
    return " or ".join(kind.__name__ for kind in kinds)
