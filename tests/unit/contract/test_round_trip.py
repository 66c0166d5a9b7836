"""Every message of the contract survives Kafka, in both modes of CloudEvents."""

from importlib import import_module
from pkgutil import iter_modules

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared import contract
from shared.contract import order, payment, products, rejection
from shared.contract.envelope import Envelope, read
from shared.contract.message import Command, Event, Message
from shared.contract.registry import MESSAGES
from shared.contract.topics import TOPICS
from tests.support.clock import NOW
from tests.unit.contract.records import binary, envelope, source_of, structured
from tests.unit.contract.strategies import models

KINDS = list(MESSAGES.values())
TRIED = settings(max_examples=10, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("kind", KINDS)
@TRIED
@given(data=st.data())
def test_what_is_written_is_read_again_in_either_mode(kind: type[Message], data: st.DataObject) -> None:
    message = data.draw(models(kind))
    assert read(binary(message)) == read(structured(message)) == (envelope(message), message)


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_has_a_topic_and_a_key(kind: type[Message]) -> None:
    assert kind.key_field in kind.model_fields
    if kind is not rejection.CommandRejected:
        assert kind.topic in TOPICS
        assert kind.topic.endswith(".commands" if issubclass(kind, Command) else ".events")


def test_the_registry_holds_every_message_there_is() -> None:
    defined = {
        kind
        for module in (import_module(f"shared.contract.{found.name}") for found in iter_modules(contract.__path__))
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Message) and kind.__module__ == module.__name__
    }
    bases = {base for kind in defined for base in kind.__mro__[1:]} | {Command, Event, Message}
    assert defined - bases | {products.ProductListed} == set(KINDS)


def test_names_are_versioned_and_never_shared() -> None:
    assert MESSAGES["quadrille.OrderCreated.v1"] is order.OrderCreated
    assert len({kind.__name__ for kind in KINDS}) == len(KINDS) == len(MESSAGES)


@TRIED
@given(message=models(payment.PaymentVoided))
def test_what_comes_of_a_message_tells_its_story_on(message: payment.PaymentVoided) -> None:
    first, _ = read(binary(message, correlation_id="order 7", causation_id=None, traceparent=None))
    assert (first.correlation_id, first.causation_id, first.traceparent) == ("order 7", None, None)
    assert Envelope("m1", source_of(message), message.type_name(), message.key, "order 7", time=NOW) == first
