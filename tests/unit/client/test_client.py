"""What a storefront's client makes of the records it reads, and of those that do not come."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from shared.client import CheckoutClient, OutcomeTimeoutError
from shared.contract.cart import CartChanged, CartOpened, CheckoutStarted
from shared.contract.envelope import write
from shared.contract.message import Message
from shared.settings import SettingsError, load
from tests.support.clock import NOW
from tests.support.facts import CART, a
from tests.unit.contract.records import envelope

SOON = 0.05


@pytest.fixture
def client() -> CheckoutClient:
    """A client of a shop whose topics have a prefix; it is not connected."""
    return CheckoutClient(load({"QUADRILLE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "QUADRILLE_TOPIC_PREFIX": "shop."}))


@pytest.fixture
def following(client: CheckoutClient) -> CheckoutClient:
    """One that was asked about the cart."""
    client._history.follow(CART)
    return client


def came(client: CheckoutClient, event: Message, topic: str = "shop.cart.events", **changes: Any) -> None:
    """A record comes."""
    headers, value = write(envelope(event, **changes), event, NOW)
    note(client, topic, event.key.encode(), value, headers)


def note(client: CheckoutClient, topic: str, key: bytes | None, value: bytes | None, headers: Any = ()) -> None:
    client._note(ConsumerRecord(topic, 0, 0, 0, 0, key, value, None, 0, 0, headers), 0.0)


def names(client: CheckoutClient, key: str = CART) -> list[str]:
    return [type(seen.event).__name__ for seen in client.seen(key)]


def test_events_of_the_keys_it_was_asked_about_are_kept_in_their_order(following: CheckoutClient) -> None:
    for event in (a(CartOpened), a(CartOpened, cart_id="other"), a(CartChanged)):
        came(following, event)
    assert (names(following), names(following, "other")) == (["CartOpened", "CartChanged"], [])
    following.forget([CART, "nobody"])
    came(following, a(CartChanged))
    assert names(following) == []


def test_of_a_foreign_checkout_nothing_is_kept(following: CheckoutClient) -> None:
    before = following._history.size
    for number in range(1_000):
        came(following, a(CartOpened, cart_id=f"foreign{number}"))
    assert (following._history.size, following.count) == (before, 0)


def test_what_cannot_be_read_is_passed_over(following: CheckoutClient) -> None:
    note(following, "shop.cart.events", CART.encode(), b"\xff")
    note(following, "shop.cart.events", CART.encode(), None, [("ce_type", None)])
    note(following, "shop.cart.events", b"\xff", b"\xff")
    came(following, a(CartOpened))
    assert names(following) == ["CartOpened"]


async def test_the_first_dead_letter_of_a_key_is_given_with_its_bytes(client: CheckoutClient) -> None:
    client._history.follow("key")
    client._history.follow("")
    note(client, "shop.checkout.dlq", b"key", b"\xff\x00")
    note(client, "shop.checkout.dlq", b"key", b"another")
    note(client, "shop.checkout.dlq", b"foreign", b"x" * 1_000)
    note(client, "shop.checkout.dlq", None, None)
    assert await client.dead_letter("key") == b"\xff\x00"
    assert await client.dead_letter("") == b""
    with pytest.raises(OutcomeTimeoutError, match=r"no dead letter of other came within 0\.05 s"):
        await client.dead_letter("other", timeout=SOON)


async def test_what_has_come_already_is_found_unless_it_is_to_be_skipped(following: CheckoutClient) -> None:
    came(following, a(CartOpened, currency="EUR"))
    between = following.count
    came(following, a(CartOpened, currency="JPY"))
    assert (await following.wait_for(CART, CartOpened)).currency == "EUR"
    assert (await following.wait_for(CART, CartOpened, where=lambda event: event.currency == "JPY")).currency == "JPY"
    assert (await following.wait_for(CART, CartOpened, after=between)).currency == "JPY"
    with pytest.raises(OutcomeTimeoutError):
        await following.wait_for(CART, CartOpened, after=following.count, timeout=SOON)


async def test_what_does_not_come_is_told_with_what_came_instead(client: CheckoutClient) -> None:
    with pytest.raises(OutcomeTimeoutError, match=r"CheckoutStarted of cart1 did not come within 0\.05 s; seen: nothing"):
        await client.wait_for(CART, CheckoutStarted, timeout=SOON)
    came(client, a(CartOpened))
    came(client, a(CartChanged))
    with pytest.raises(OutcomeTimeoutError, match=r"seen: CartOpened, CartChanged$"):
        await client.next_event(CART, 0, (CheckoutStarted,), timeout=SOON)


async def test_whoever_waits_hears_at_once_that_nothing_more_will_come(client: CheckoutClient) -> None:
    class Broken:
        async def getmany(self, timeout_ms: int) -> Any:
            await asyncio.sleep(0)
            raise KafkaError("the broker is gone")

    client._consumer = Broken()
    client._reader = asyncio.create_task(client._read())
    with pytest.raises(KafkaError, match="the broker is gone"):
        await client.wait_for(CART, CartOpened, timeout=10)


async def test_a_broker_that_is_away_leaves_nothing_open(client: CheckoutClient) -> None:
    with pytest.raises(KafkaError):
        await client.__aenter__()


async def test_a_broker_that_is_not_named_is_asked_for() -> None:
    with pytest.raises(SettingsError, match="QUADRILLE_KAFKA_BOOTSTRAP_SERVERS"):
        await CheckoutClient(load({})).__aenter__()
