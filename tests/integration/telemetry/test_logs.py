"""What the services say while real checkouts, failing ones and garbage pass through them: JSON, ids, and nobody's data.

Traces are off here, though the library's own variable names a collector: it must not hear a word.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from devstack.demo.shop import BERLIN, Shop, card, unique
from shared.contract.cart import CheckoutCompleted, SetShippingAddress
from shared.contract.payment import VoidFailed
from shared.contract.rejection import CommandRejected
from shared.contract.services import DATABASES
from tests.integration.telemetry.conftest import running, storefront
from tests.support.collector import Collector
from tests.support.stacks import Stack
from tests.support.system import System
from tests.support.topics import raw_producer
from tests.support.waiting import until

NAME, STREET, CITY, MAIL, NUMBER = "Ada Example", "Hauptstr. 1", "Berlin", "ada@example.com", "4242424242424242"
TOKEN = "tok_decline_capture+refuse_void_forever"
PERSONAL = (NAME, STREET, CITY, MAIL, NUMBER, TOKEN, "Example", "10115")


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where every service's log is."""
    return tmp_path_factory.mktemp("told")


@pytest.fixture(scope="module")
def telling(stack: Stack, collector: Collector, logs: Path) -> Iterator[System]:
    """Every service, telling all it can."""
    settings = {"QUADRILLE_LOG_LEVEL": "DEBUG", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
    with running(stack, logs, settings, DATABASES) as started:
        yield started


@pytest_asyncio.fixture(scope="module")
async def shop(telling: System) -> AsyncIterator[Shop]:
    """A storefront on them."""
    async with storefront(telling) as opened:
        yield opened


def lines(logs: Path) -> list[dict[str, Any]]:
    """Every line of every service: each is a JSON object."""
    texts = [log.read_text() for log in logs.glob("*.log") if "sandbox" not in log.name]
    return [json.loads(line) for text in texts for line in text.split("\n")[:-1]]  # the last may be being written


async def until_told(logs: Path, message: str, **ids: object) -> dict[str, Any]:
    """The first line with this message and these ids."""
    found: dict[str, Any] = await until(
        lambda: next((o for o in lines(logs) if o["message"].startswith(message) and ids.items() <= o.items()), None), message
    )
    return found


async def test_a_handled_message_is_told_with_its_ids(shop: Shop, logs: Path) -> None:
    sku = await shop.product(stock=1)
    cart_id, outcome = await shop.check_out(sku)
    assert isinstance(outcome, CheckoutCompleted)
    checkout = {"cart_id": cart_id, "checkout_id": f"{cart_id}.1"}
    for service, event in (("inventory", "CheckoutConfirmed"), ("order", "PaymentAuthorized"), ("payment", "OrderCreated")):
        line = await until_told(logs, "committed", service=service, message_type=f"quadrille.{event}.v1", **checkout)
        assert line["message_id"]
        assert line["topic"].endswith(".events")
    confirmed = {"message_type": "quadrille.OrderConfirmed.v1", "order_number": outcome.order_number}
    assert await until_told(logs, "committed", service="cart", **confirmed, **checkout)


async def test_a_failing_payment_is_told_with_its_checkout(shop: Shop, logs: Path) -> None:
    sku = await shop.product(stock=2)
    unlucky, _ = await shop.check_out(sku, payment=card("tok_unavailable_authorize_1"))
    assert await until_told(logs, "the answer to authorize is: unavailable", checkout_id=f"{unlucky}.1", service="payment")
    stuck, _ = await shop.check_out(sku, payment=card(TOKEN))
    failed = await shop.client.wait_for(stuck, VoidFailed, timeout=60)
    told = {"checkout_id": failed.checkout_id, "service": "alerts", "kind": "void_failed"}
    line = await until_told(logs, "ALERT Void failed: 14.90 EUR", **told)
    assert line["level"] == "CRITICAL"


async def test_poison_is_told_by_its_place_alone(shop: Shop, telling: System, logs: Path) -> None:
    cart_id = unique("poison")
    shop.client.follow(MAIL)
    address = {"name": NAME, "street": STREET, "city": CITY, "email": MAIL, "postal_code": "10115", "country": "DE"}
    data = {"cart_id": cart_id, "address": address, "card": NUMBER}
    topic = telling.settings.topic("cart.commands")
    async with raw_producer(telling.settings) as producer:
        kind = SetShippingAddress.type_name()
        refused = {"specversion": "1.0", "id": unique("id"), "source": MAIL, "type": kind, "data": data}
        broken = json.dumps(refused).encode()[:-1]
        unknown = json.dumps({**refused, "type": f"quadrille.{NAME}.v1"}).encode()
        forged = {"ce_type": NAME, "ce_id": MAIL, "ce_source": NAME, "ce_subject": CITY}
        headers = [(name, said.encode()) for name, said in forged.items()]
        await producer.send_and_wait(topic, json.dumps(refused).encode(), MAIL.encode(), partition=0)
        places = [
            await producer.send_and_wait(topic, broken, NAME.encode(), partition=0),
            await producer.send_and_wait(topic, unknown, None, partition=0),
            await producer.send_and_wait(topic, broken, MAIL.encode(), headers=headers, partition=0),
        ]
    assert await shop.client.wait_for(MAIL, CommandRejected), "its key is the record's, whatever that is"
    for place in places:
        where = {"topic": "cart.commands", "partition": 0, "offset": place.offset}
        line = await until_told(logs, "a record cannot be read", service="cart", **where)
        assert line.keys() == {"time", "level", "service", "logger", "message", "error", *where}
    assert await until_told(logs, "ALERT cart could not read a record from", service="alerts", kind="unreadable")


async def test_no_line_says_anything_of_anybody(shop: Shop, telling: System, logs: Path, collector: Collector) -> None:
    """After all of the above."""
    assert BERLIN.name == NAME
    assert BERLIN.street == STREET
    for service in telling.services.values():
        await asyncio.to_thread(service.stop)
    told = lines(logs)
    assert {line["service"] for line in told} >= set(DATABASES)
    for line in told:
        assert {"time", "level", "service", "logger", "message"} <= line.keys()
        assert not [word for word in PERSONAL if word.lower() in json.dumps(line, ensure_ascii=False).lower()]
        assert not {"DEBUG", "INFO"} & {line["level"]} or "exception" not in line
    assert collector.paths == []
