"""The spans of a batch are those of its commit: what was rolled back and run again is told once."""

import asyncio

import pytest

from services.inventory.reactions import reactions
from shared.contract.envelope import Envelope, Record, write
from shared.contract.inventory import ReceiveStock
from shared.runtime.inputs import Reader, WorkItem
from shared.runtime.observability.tracing import tracer
from shared.settings import load
from tests.integration.runtime.conftest import Inventory
from tests.support.clock import NOW
from tests.support.collector import collecting

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def received(offset: int, partition: int, quantity: int, flags: str) -> WorkItem:
    """The work item of a ``ReceiveStock`` that belongs to a trace."""
    command = ReceiveStock(sku="tea", quantity=quantity)
    envelope = Envelope(f"m{offset}", "/tests", command.type_name(), "tea", "c", traceparent=f"00-{TRACE}-{PARENT}-{flags}")
    headers, value = write(envelope, command, NOW)
    item = Reader(reactions).read(Record("inventory.commands", partition, offset, b"tea", value, headers, 0))
    assert item
    return item


@pytest.mark.usefixtures("bug")
async def test_what_was_rolled_back_leaves_no_span(inventory: Inventory) -> None:
    epochs = await inventory.own("a")
    partition = inventory.partition_of("tea")
    items = [received(n, partition, 13 if n == 5 else 1, "01") for n in range(10)] + [received(10, partition, 1, "00")]
    with collecting() as collector:
        tracing = tracer("inventory", load({**inventory.environment, "QUADRILLE_OTLP_ENDPOINT": collector.endpoint}))
        committed = await inventory.processor(tracing).process(items, epochs)
        await inventory.processor(tracing).process(items, epochs)  # once more: nothing of it is new
        await asyncio.to_thread(tracing.close)
        spans = collector.until(len)
    handled = [span for span in spans if span.kind == "consumer"]
    assert {(span.trace, span.parent) for span in handled} == {(TRACE, PARENT)}
    assert sorted(span.about["messaging.kafka.offset"] for span in handled) == list(range(10)), "10 is not sampled"
    assert [span.about["messaging.kafka.offset"] for span in handled if span.failed] == [5]
    sent = {(dict(row.record.headers)["traceparent"] or b"").decode() for row in committed.rows}
    told = {f"00-{TRACE}-{span.id}-01" for span in spans if span.kind == "producer"}
    assert len(told) == 9
    assert told < sent, "the headers name the spans that were sent"
    (unsampled,) = [parent for parent in sent if parent.endswith("-00")]
    assert unsampled.split("-")[1] == TRACE
