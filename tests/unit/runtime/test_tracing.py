"""Traces are off unless they are asked for, and then cost not even an import."""

import subprocess
import sys

import pytest

from shared.contract.cart import OpenCart
from shared.contract.envelope import Envelope
from shared.runtime.observability.tracing import Tracer, tracer
from shared.settings import SettingsError, load

IMPORT_ALL = """
import sys
from services.alerts import __main__ as alerts
from services.cart import __main__ as cart
from services.inventory import __main__ as inventory
from services.order import __main__ as order
from services.payment import __main__ as payment
from shared.runtime.observability.tracing import tracer
from shared.settings import load
tracer("cart", load({}))
print(sorted(name for name in sys.modules if name.startswith(("opentelemetry", "google.protobuf"))))
"""


def test_no_service_imports_the_library_where_no_collector_is_named() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_is_made_of_a_message_where_no_collector_is_named() -> None:
    off = tracer("cart", load({}))
    assert type(off) is Tracer
    envelope = Envelope("i", "s", "t", "c", "c", traceparent="00-1-2-01")
    message = OpenCart(cart_id="c", currency="EUR", customer_id="k")
    assert off.spans().sending(message, envelope, "cart.events", 0) is envelope
    assert off.call("void payment", "c.1", "00-1-2-01").traceparent is None


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match="QUADRILLE_OTLP_ENDPOINT"):
        load({"QUADRILLE_OTLP_ENDPOINT": "localhost:4317"})
