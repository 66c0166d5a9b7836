"""Traces of real checkouts, as a collector receives them: one for each, across all services, and none when it is off."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest
import pytest_asyncio

from devstack.demo.shop import Shop, card
from shared.contract.cart import CheckoutCompleted
from shared.contract.inventory import ReservationExpired
from shared.contract.payment import PaymentVoided
from shared.contract.services import SERVICES
from tests.integration.telemetry.conftest import running, storefront
from tests.support.collector import Collector, Span
from tests.support.stacks import Stack
from tests.support.system import System


@pytest.fixture(scope="module")
def traced(stack: Stack, collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The services with the one setting that turns traces on."""
    settings = {
        "QUADRILLE_OTLP_ENDPOINT": collector.endpoint,
        "QUADRILLE_RETRY_HOLD_SECONDS": "1",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    with running(stack, tmp_path_factory.mktemp("traced"), settings) as started:
        yield started


@pytest_asyncio.fixture(scope="module")
async def shop(traced: System) -> AsyncIterator[Shop]:
    """A storefront on them."""
    async with storefront(traced) as opened:
        yield opened


def story_of(spans: Sequence[Span], cart_id: str) -> str | None:
    """The correlation id of a cart's confirmation."""
    confirmed = (s for s in spans if s.event == "ConfirmCheckout" and s.about["messaging.kafka.message.key"] == cart_id)
    return next((str(span.story) for span in confirmed), None)


async def trace_of(collector: Collector, cart_id: str, *ends: tuple[str, str]) -> list[Span]:
    """The spans of the one trace a checkout is, once it has those that end it (by kind, and name of message or reaction).

    Fails where its spans are in several traces, where the trace holds another checkout's, or where it is not connected.
    """

    def is_complete(spans: Sequence[Span]) -> bool:
        story = story_of(spans, cart_id)
        own = [span for span in spans if span.story == story]
        told = {(span.kind, span.event if span.event else span.name) for span in own}
        traces = {span.trace for span in own}
        there = [span for span in spans if span.trace in traces]
        # each service sends its own spans when it likes: an effect may be here before its cause
        return story is not None and set(ends) <= told and {s.parent for s in there} - {""} <= {s.id for s in there}

    spans = await asyncio.to_thread(collector.until, is_complete)
    story = story_of(spans, cart_id)
    (trace,) = {span.trace for span in spans if span.story == story}
    found = [span for span in spans if span.trace == trace]
    assert {span.story for span in found if span.kind != "client"} == {story}
    ids = {span.id for span in found}
    assert len(ids) == len(found)
    (root,) = [span for span in found if not span.parent]
    assert root.event == "ConfirmCheckout"
    assert {span.parent for span in found} - {""} <= ids
    return found


def one(spans: Sequence[Span], kind: str, what: str) -> Span:
    """The one span of this kind with this message, or of this name."""
    (found,) = [span for span in spans if span.kind == kind and what in (span.event, span.name)]
    return found


async def test_a_paid_checkout_is_one_trace_across_all_services(shop: Shop, collector: Collector, traced: System) -> None:
    sku = await shop.product(stock=1)
    cart_id, outcome = await shop.check_out(sku)
    assert isinstance(outcome, CheckoutCompleted)
    spans = await trace_of(collector, cart_id, ("producer", "CheckoutCompleted"), ("producer", "StockCommitted"))
    assert {span.service for span in spans} == set(SERVICES)
    assert not any(span.failed for span in spans)
    by_id = {span.id: span for span in spans}
    for span in spans:
        assert span.began <= span.ended
        if span.kind == "consumer" and span.parent:
            sent = by_id[span.parent]
            assert (sent.kind, sent.ended <= span.ended) == ("producer", True)
            same = ("messaging.message.id", "messaging.destination.name", "messaging.destination.partition.id")
            assert [sent.about[name] for name in same] == [span.about[name] for name in same]
    for kind, cause, effect in (
        ("authorize", "TotalsCalculated", "PaymentAuthorized"),
        ("capture", "OrderCreated", "PaymentCaptured"),
    ):
        call = one(spans, "client", f"{kind} payment")
        processed = [s for s in spans if s.kind == "consumer" and s.service == "payment" and s.event == cause]
        assert [call.parent] == [span.id for span in processed]
        answered = by_id[one(spans, "producer", effect).parent]
        assert (answered.kind, answered.name, answered.parent) == ("internal", "on_gateway_result", call.id)
        assert call.about["quadrille.outcome"] == "succeeded"


async def test_spans_are_named_as_the_conventions_of_messaging_say(shop: Shop, collector: Collector, traced: System) -> None:
    sku = await shop.product(stock=1)
    cart_id, _ = await shop.check_out(sku)
    spans = await trace_of(collector, cart_id, ("producer", "CheckoutCompleted"))
    topic = traced.settings.topic("cart.commands")
    root = one(spans, "consumer", "ConfirmCheckout")
    assert root.name == f"process {topic}"
    offset = root.about.pop("messaging.kafka.offset")
    assert offset >= 0
    assert root.about == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": topic,
        "messaging.destination.partition.id": root.about["messaging.destination.partition.id"],
        "messaging.consumer.group.name": traced.settings.topic("quadrille.cart"),
        "messaging.message.id": root.story,
        "messaging.message.conversation_id": root.story,
        "messaging.kafka.message.key": cart_id,
        "cloudevents.event_type": "quadrille.ConfirmCheckout.v1",
        "cloudevents.event_subject": cart_id,
        "quadrille.reaction": "confirm_checkout",
    }
    sent = one(spans, "producer", "CheckoutConfirmed")
    assert sent.name == f"send {traced.settings.topic('cart.events')}"
    assert sent.about["messaging.operation.type"] == "send"
    assert sent.about["cloudevents.event_subject"] == f"{cart_id}.1"


async def test_deadlines_and_retries_belong_to_the_trace_of_what_they_are_for(shop: Shop, collector: Collector) -> None:
    sku = await shop.product(stock=3)
    declined, _ = await shop.check_out(sku, payment=card("tok_decline_authorize"))
    voided, _ = await shop.check_out(sku, payment=card("tok_decline_capture+unavailable_void_2"))
    await shop.client.wait_for(declined, ReservationExpired)
    await shop.client.wait_for(voided, PaymentVoided)
    expired = await trace_of(collector, declined, ("producer", "ReservationExpired"))
    assert one(expired, "producer", "ReservationExpired").parent == one(expired, "internal", "expire_reservation").id
    retried = await trace_of(collector, voided, ("producer", "PaymentVoided"))
    calls = [span for span in retried if span.name == "void payment"]
    assert [(call.about["quadrille.outcome"], call.failed) for call in calls] == [
        ("unavailable", True),
        ("unavailable", True),
        ("succeeded", False),
    ]
    assert len({call.parent for call in calls}) == 1


async def test_what_cannot_be_read_is_a_failed_span_that_repeats_nothing_of_it(shop: Shop, collector: Collector) -> None:
    await shop.client.publish_bytes("cart.commands", "poison", b'{"name": "Ada Example"')
    await shop.client.dead_letter("poison")

    def failed(spans: Sequence[Span]) -> list[Span]:
        return [span for span in spans if span.failed and span.kind == "consumer"]

    (span,) = failed(await asyncio.to_thread(collector.until, failed))
    assert (span.service, span.about["error.type"], span.about["quadrille.stage"]) == ("cart", "UnreadableError", "read")
    assert "Ada" not in str(span.about)


async def test_many_at_once_are_a_trace_each(shop: Shop, collector: Collector) -> None:
    sku = await shop.product(stock=10)
    carts = [cart_id for cart_id, _ in await asyncio.gather(*(shop.check_out(sku) for _ in range(10)))]
    traces = [await trace_of(collector, cart_id, ("producer", "CheckoutCompleted")) for cart_id in carts]
    assert len({spans[0].trace for spans in traces}) == len(carts)


async def test_a_collector_that_is_away_is_in_nobodys_way(shop: Shop, collector: Collector, traced: System) -> None:
    """The last: from here on it stays away."""
    await asyncio.to_thread(collector.stop)
    sku = await shop.product(stock=1)
    _, outcome = await shop.check_out(sku)
    assert isinstance(outcome, CheckoutCompleted)
    assert all(service.probe("/readyz")[0] == 200 for service in traced.services.values())
    assert await asyncio.to_thread(traced.services["order"].stop) < 5
    assert traced.services["order"].process.returncode == 0
