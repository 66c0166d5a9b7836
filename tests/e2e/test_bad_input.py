"""Whatever anyone publishes to a command topic gets an effect, a refusal or a dead letter, and the partition goes on."""

import asyncio
import json
import zlib
from collections.abc import Sequence

import pytest

from devstack.demo.shop import Shop, unique
from shared.contract.cart import AddItem, CartChanged, CartOpened, OpenCart
from shared.contract.rejection import CommandRejected
from shared.runtime.kafka import partition_of
from tests.support.system import System
from tests.support.topics import Name, raw_producer, records

OPEN = {"cart_id": "KEY", "currency": "EUR", "customer_id": "k"}
Header = tuple[str, bytes]


def envelope(data: object, **more: object) -> bytes:
    """A command in structured mode."""
    whole = {"specversion": "1.0", "id": "ID", "source": "/tests", "type": "quadrille.OpenCart.v1", "data": data, **more}
    return json.dumps(whole).encode()


REFUSED: dict[str, bytes] = {
    "an unknown field": envelope({**OPEN, "colour": "red"}),
    "no object": envelope([1, 2, 3]),
    "an unknown cart": envelope({"cart_id": "KEY", "sku": "A"}, type="quadrille.AddItem.v1"),
}
DEAD: dict[str, tuple[bytes | None, Sequence[Header]]] = {
    "not JSON": (b"open a cart, please", ()),
    "null": (None, ()),
    "an unknown type": (envelope(OPEN, type="quadrille.Explode.v1"), ()),
    "10,000 levels deep": (b"[" * 10_000 + b"]" * 10_000, ()),
    "5 MB": (json.dumps({"filler": "x" * 5_000_000}).encode(), ()),
    "forged headers": (b"{}", [("ce_type", b"\xff"), ("ce_id", b"\x00" * 300)]),
}


async def publish(quadrille: System, key: bytes | None, value: bytes | None, more: Sequence[Header] = ()) -> None:
    """Publish a record to cart's commands, where a cart with this key would go."""
    async with raw_producer(quadrille.settings) as producer:
        topic = quadrille.settings.topic("cart.commands")
        await producer.send_and_wait(topic, value, key, headers=list(more), partition=zlib.crc32(key or b"") % 6)


def followed(shop: Shop, prefix: str) -> str:
    """A new key, whose events and dead letters the shop's client sees whoever publishes to it."""
    key = unique(prefix)
    shop.client.follow(key)
    return key


@pytest.mark.parametrize("what", REFUSED)
async def test_a_command_that_breaks_the_contract_is_refused_with_reasons(what: str, shop: Shop, quadrille: System) -> None:
    cart_id, command_id = followed(shop, "bad"), unique("id")
    value = REFUSED[what].replace(b"KEY", cart_id.encode()).replace(b'"ID"', f'"{command_id}"'.encode())
    await publish(quadrille, cart_id.encode(), value)
    refused = await shop.client.wait_for(cart_id, CommandRejected)
    assert refused.command_id == command_id
    assert refused.reasons


@pytest.mark.parametrize("what", DEAD)
async def test_what_nobody_can_read_is_a_dead_letter_with_its_bytes(what: str, shop: Shop, quadrille: System) -> None:
    key = followed(shop, "dead")
    value, more = DEAD[what]
    await publish(quadrille, key.encode(), value, more)
    assert await shop.client.dead_letter(key) == (value or b"")
    cart_id = followed(shop, "cart")
    await shop.client.send(OpenCart(cart_id=cart_id, currency="EUR", customer_id="k"))
    assert await shop.client.wait_for(cart_id, CartOpened)


@pytest.mark.parametrize("key", [None, b"another-key"])
async def test_a_record_with_no_key_or_another_is_handled_all_the_same(
    key: bytes | None, shop: Shop, quadrille: System
) -> None:
    cart_id = followed(shop, "cart")
    await publish(quadrille, key, envelope({**OPEN, "cart_id": cart_id}, id=unique("id")))
    assert await shop.client.wait_for(cart_id, CartOpened)


async def test_a_header_whose_name_is_no_text_stops_nobody(shop: Shop, quadrille: System) -> None:
    """No broker checks it, and a client in C can send it."""
    cart_id, key = followed(shop, "cart"), followed(shop, "dead")
    more = [(Name(b"\xff\xfe"), b"\xff")]
    await publish(quadrille, key.encode(), b"nonsense", more)
    await publish(quadrille, cart_id.encode(), envelope({**OPEN, "cart_id": cart_id}, id=unique("id")), more)
    dead_letter, opened = await asyncio.gather(shop.client.dead_letter(key), shop.client.wait_for(cart_id, CartOpened))
    assert (dead_letter, opened.cart_id) == (b"nonsense", cart_id)
    (dead,) = [r for r in await records(quadrille.settings, "checkout.dlq") if r.key == key.encode()]
    assert dead.headers[0] == ("\\xff\\xfe", b"\xff")


async def test_a_tombstone_on_the_catalogue_delists_the_product(shop: Shop, quadrille: System) -> None:
    sku = await shop.product(stock=1, EUR=1000, ARS=1)
    cart_id = await shop.cart(sku)
    async with raw_producer(quadrille.settings) as producer:
        topic, partition = quadrille.settings.topic("catalog.events"), partition_of(sku, quadrille.settings.partitions)
        await producer.send_and_wait(topic, None, sku.encode(), partition=partition)
    for _ in range(100):
        refused = await shop.client.ask(AddItem(cart_id=cart_id, sku=sku), (CartChanged,))
        if isinstance(refused, CommandRejected):
            break
    assert isinstance(refused, CommandRejected)
    assert [reason.code for reason in refused.reasons] == ["not_sold"]


async def test_no_service_was_restarted_by_any_of_this(quadrille: System) -> None:
    for service in quadrille.services.values():
        assert service.process.poll() is None
        assert service.probe("/readyz")[0] == 200
