"""A client for storefronts and staff: publish commands, and await what becomes of them."""

import asyncio
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from aiokafka import TopicPartition

from shared.client.deadline import Deadline, OutcomeTimeoutError
from shared.client.history import History, Seen
from shared.client.outcome import OUTCOMES, Outcome, outcome_of
from shared.contract.cart import ConfirmCheckout
from shared.contract.envelope import Envelope, Record, RefusedError, UnreadableError, read, write
from shared.contract.message import Command, Message
from shared.contract.rejection import CommandRejected
from shared.contract.services import SERVICES
from shared.contract.topics import DEAD_LETTERS, events_topic
from shared.runtime import kafka
from shared.settings import Settings
from shared.timeouts import run_with_timeout

__all__ = ["HEARD", "OUTCOMES", "CheckoutClient", "Outcome", "OutcomeTimeoutError", "Seen"]
M = TypeVar("M", bound=Message)
R = TypeVar("R")
HEARD: Final = tuple(events_topic(service) for service in SERVICES)


class CheckoutClient:
    """Publishes commands and sees the events that follow, from the moment it is entered::

        async with CheckoutClient(settings) as client:
            await client.send(OpenCart(cart_id="c1", currency="EUR", customer_id="k1"))
            ...
            outcome = await client.confirm("c1", timeout=30)

    It belongs to no consumer group, and many may run at once; it hears what comes on ``topics``, and remembers the events
    of the keys (cart ids, SKUs) it sent something to or asked about: those used last, in some megabytes. How many
    partitions there are it learns from the broker. Raises ``KafkaError``, ``OSError`` or ``TimeoutError`` where the broker
    is away, :class:`shared.runtime.kafka.TopicsError` where it has no such topics, and
    :class:`shared.settings.SettingsError` where none is named.
    """

    def __init__(self, settings: Settings, source: str = "/quadrille/client", topics: Sequence[str] = HEARD) -> None:
        self._settings, self._source, self._topics = settings, source, topics
        self._history = History()
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
        partitions = await kafka.partitions_of(self._settings, self._names())
        self._producer = await kafka.new_producer(self._settings, "quadrille-client")
        self._consumer = kafka.new_consumer(self._settings, None, "quadrille-client")
        await kafka.start(self._consumer)
        await run_with_timeout(kafka.CLIENT_SECONDS, self._go_to_the_end(partitions))

    async def _go_to_the_end(self, partitions: Sequence[TopicPartition]) -> None:
        self._consumer.assign(partitions)
        await self._consumer.seek_to_end(*partitions)
        for partition in partitions:
            await self._consumer.position(partition)

    def _names(self) -> list[str]:
        return [self._settings.topic(topic) for topic in self._topics]

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

    async def send(self, *messages: Message, timeout: float = 30.0) -> list[str]:
        """Publish commands (or facts of the catalogue) in this order; returns their ids once the broker has them all.

        Raises :class:`OutcomeTimeoutError` where that takes more than ``timeout`` seconds: it may have some of them then.
        """
        envelopes = [self._envelope(message) for message in messages]
        await self._publish(envelopes, messages, Deadline(timeout))
        return [envelope.id for envelope in envelopes]

    async def ask(self, command: Command, kinds: tuple[type[Message], ...], *, timeout: float = 30.0) -> Message:
        """Publish a command and await its refusal, or the first event of these types that it leads to.

        What follows is one trace. Raises :class:`OutcomeTimeoutError` after ``timeout`` seconds.
        """
        return (await self._ask(command, kinds, Deadline(timeout))).event

    async def ask_and_follow(
        self, command: Command, kind: type[Message], ends: tuple[type[Message], ...], *, timeout: float = 30.0
    ) -> tuple[Message, Message | None]:
        """Publish a command and await its answer, of this type, and then the first event of its key that ends the matter.

        Where the answer is a refusal nothing else is awaited. Raises :class:`OutcomeTimeoutError` after ``timeout`` seconds
        in all.
        """
        deadline = Deadline(timeout)
        answer = await self._ask(command, (kind,), deadline)
        if isinstance(answer.event, CommandRejected):
            return answer.event, None
        wanted = _first(lambda seen: isinstance(seen.event, ends))
        end = await self._wait(command.key, wanted, answer.number, deadline, _names(ends))
        return answer.event, end.event

    async def _ask(self, command: Command, kinds: tuple[type[Message], ...], deadline: Deadline) -> Seen:
        trace = f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01"
        envelope, before = replace(self._envelope(command), traceparent=trace), self.count

        def is_answer(seen: Seen) -> bool:
            if isinstance(seen.event, CommandRejected):
                return seen.event.command_id == envelope.id
            return isinstance(seen.event, kinds) and seen.envelope.correlation_id == envelope.id

        await self._publish([envelope], [command], deadline)
        return await self._wait(command.key, _first(is_answer), before, deadline, _names(kinds))

    def _envelope(self, message: Message) -> Envelope:
        message_id = str(uuid.uuid4())
        return Envelope(message_id, self._source, message.type_name(), message.key, message_id)

    async def _publish(self, envelopes: Sequence[Envelope], messages: Sequence[Message], deadline: Deadline) -> None:
        def late(within: str) -> str:
            names = _names({type(message): None for message in messages}, " and ")
            return f"the broker did not say {within} that it has {names}"

        async with deadline.unless(late):
            await self._send(envelopes, messages)

    async def _send(self, envelopes: Sequence[Envelope], messages: Sequence[Message]) -> None:
        sent = []
        self.follow(*(message.key for message in messages))
        for envelope, message in zip(envelopes, messages, strict=True):
            headers, value = write(envelope, message, datetime.now(UTC))
            topic = self._settings.topic(message.topic)
            sent.append(await self._producer.send(topic, value, message.key.encode(), headers=headers))
        await asyncio.gather(*sent)

    async def publish_bytes(self, topic: str, key: str, value: bytes) -> None:
        """Publish a record that is no message of the contract, as a broken client might."""
        self.follow(key)
        await (await self._producer.send(self._settings.topic(topic), value, key.encode()))

    async def dead_letter(self, key: str, *, timeout: float = 30.0) -> bytes:
        """The bytes of the first dead letter with this key that the client remembers or will see.

        For a client that listens to :data:`shared.contract.topics.DEAD_LETTERS` as well, which storefronts need not.
        """
        with self._history.waiting_for(key):
            async with Deadline(timeout).unless(lambda within: f"no dead letter of {key} came {within}"):
                return await self._until(lambda: self._history.dead(key))

    async def confirm(
        self, cart_id: str, *, expected_total: int | None = None, checkout_id: str | None = None, timeout: float = 30.0
    ) -> Outcome:
        """Confirm the checkout of a cart and await how it ends. ``expected_total``: minor units.

        ``checkout_id``: confirm this attempt and no other. What other commands to the cart are answered, and how other
        attempts end, is not taken for the outcome. Raises :class:`OutcomeTimeoutError` after ``timeout`` seconds; to wait
        longer, confirm again: nobody is charged twice.
        """
        deadline, before = Deadline(timeout), self.count
        command = ConfirmCheckout(cart_id=cart_id, expected_total=expected_total, checkout_id=checkout_id)
        envelope = self._envelope(command)
        await self._publish([envelope], [command], deadline)

        def outcome(seen: Iterable[Seen]) -> Outcome | None:
            return outcome_of(envelope.id, (one.event for one in seen))

        return await self._wait(cart_id, outcome, before, deadline, "the checkout's end")

    async def wait_for(
        self,
        key: str,
        kind: type[M],
        *,
        where: Callable[[M], bool] = lambda event: True,
        after: int = 0,
        timeout: float = 30.0,
    ) -> M:
        """The first event of this type with this key (cart id or SKU) that the client remembers or will see.

        ``after``: skip what the client had seen when :attr:`count` was this. Raises :class:`OutcomeTimeoutError` after
        ``timeout`` seconds, naming what was seen instead.
        """

        def wanted(seen: Seen) -> bool:
            return isinstance(seen.event, kind) and where(seen.event)

        found = await self._wait(key, _first(wanted), after, Deadline(timeout), kind.__name__)
        assert isinstance(found.event, kind)
        return found.event

    async def next_event(self, key: str, after: int, kinds: tuple[type[Message], ...], *, timeout: float = 30.0) -> Message:
        """The first event of any of these types; else as :meth:`wait_for`."""
        wanted = _first(lambda seen: isinstance(seen.event, kinds))
        return (await self._wait(key, wanted, after, Deadline(timeout), _names(kinds))).event

    @property
    def count(self) -> int:
        """How many events the client saw so far, of all keys it followed."""
        return self._history.count

    def seen(self, key: str) -> list[Seen]:
        """The events with this key that the client remembers, as they came."""
        return self._history.seen(key)

    def follow(self, *keys: str) -> None:
        """Remember the events of these keys from now on. To be called before another program sends a command to one."""
        for key in keys:
            self._history.follow(key)

    def forget(self, keys: Iterable[str]) -> None:
        """Drop what was seen of these keys, and remember no more of them."""
        self._history.forget(keys)

    async def _wait(self, key: str, find: Callable[[list[Seen]], R | None], start: int, deadline: Deadline, what: str) -> R:
        def late(within: str) -> str:
            names = ", ".join(type(seen.event).__name__ for seen in self._history.seen(key, start)) or "nothing"
            return f"{what} of {key} did not come {within}; seen: {names}"

        with self._history.waiting_for(key):
            async with deadline.unless(late):
                return await self._until(lambda: find(self._history.seen(key, start)))

    async def _until(self, find: Callable[[], R | None]) -> R:
        async with self._news:
            while (found := find()) is None:
                if self._reader and self._reader.done() and (error := self._reader.exception()):
                    raise error
                await self._news.wait()
        return found

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
                await self._take_new_partitions()
        finally:  # whoever waits hears at once that nothing more will come
            async with self._news:
                self._news.notify_all()

    async def _take_new_partitions(self) -> None:
        """Read those that a topic got since, from their beginning."""
        old = self._consumer.assignment()
        known = {TopicPartition(n, p) for n in self._names() for p in self._consumer.partitions_for_topic(n) or ()}
        if known <= old:
            return
        positions = {partition: await self._consumer.position(partition) for partition in old}
        self._consumer.assign(sorted(known | old))
        for partition, offset in positions.items():
            self._consumer.seek(partition, offset)

    def _note(self, r: Any, at: float) -> Message | None:
        """Remember a record whose key is followed; its event, if it is one."""
        key = (r.key or b"").decode(errors="replace")
        if not self._history.follows(key):
            return None
        topic = r.topic.removeprefix(self._settings.topic_prefix)
        if topic == DEAD_LETTERS:
            self._history.add_dead(key, r.value or b"")
            return None
        try:
            envelope, event = read(Record(topic, r.partition, r.offset, r.key, r.value, r.headers, r.timestamp))
        except (RefusedError, UnreadableError):
            return None
        self._history.add(key, envelope, event, at, len(r.value))
        return event


def _first(wanted: Callable[[Seen], bool]) -> Callable[[list[Seen]], Seen | None]:
    return lambda seen: next(filter(wanted, seen), None)


def _names(kinds: Iterable[type[Message]], joint: str = " or ") -> str:
    return joint.join(kind.__name__ for kind in kinds)
