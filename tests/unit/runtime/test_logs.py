"""What a log line says: ids, and nothing that a message holds."""

import json
import logging
import subprocess
import sys

import pytest

from services.cart.model import Cart
from services.cart.reactions import reactions
from shared.contract.cart import OpenCart
from shared.contract.envelope import Envelope, Record, UnreadableError
from shared.runtime.inputs import DeadLetter, Deliver, ids
from shared.runtime.observability.logs import JsonLines, Words, about
from shared.runtime.reactions import TimerFired

NAME = "Ada Example"
TRACE = "0af7651916cd43dd8448eb211c80319c"
RECORD = Record("cart.commands", 3, 17, b"c1", b"{}", (), 0)


def record(message: str, extra: dict[str, object], error: BaseException | None = None) -> logging.LogRecord:
    """A record as a logger makes it."""
    exc_info = (type(error), error, error.__traceback__) if error else None
    return logging.getLogger("tests").makeRecord("tests", logging.ERROR, "f", 1, message, (), exc_info, extra=extra)


def test_a_line_names_the_message_it_is_about() -> None:
    message = OpenCart(cart_id="c1", currency="EUR", customer_id="k")
    envelope = Envelope("m1", "/tests", message.type_name(), "c1", "m1", traceparent=f"00-{TRACE}-b7ad6b7169203331-01")
    handled = Deliver(3, reactions.by_trigger[OpenCart], message, envelope, RECORD)
    line = json.loads(JsonLines("cart").format(record("failed", {**about(ids(handled))})))
    assert {name: line[name] for name in line if name not in ("time", "logger")} == {
        "level": "ERROR",
        "service": "cart",
        "message": "failed",
        "cart_id": "c1",
        "message_id": "m1",
        "message_type": "quadrille.OpenCart.v1",
        "topic": "cart.commands",
        "partition": 3,
        "offset": 17,
        "trace_id": TRACE,
    }
    assert about(ids(Deliver(3, reactions.timers[Cart], TimerFired("c1")))) == {"about": {"cart_id": "c1"}}
    place = {"topic": "cart.commands", "partition": 3, "offset": 17}
    assert about(ids(DeadLetter(3, RECORD, UnreadableError("Ada"), "read"))) == {"about": place}


def test_people_read_the_ids_behind_the_line() -> None:
    assert Words("cart").format(record("failed", {**about(cart_id="c1", offset=0)})).endswith("failed [cart_id=c1 offset=0]")


@pytest.mark.parametrize("text", ["Ada Example", "ada@example.com", "Hauptstr. 1", "x\n", "i" * 300, "", None])
def test_what_does_not_look_like_an_id_is_left_out(text: str | None) -> None:
    assert about(message_id=text, traceparent=text) == {"about": {}}


def test_an_exception_is_told_by_its_type_and_place_and_not_by_its_text() -> None:
    try:
        try:
            raise KeyError(NAME)
        except KeyError as error:
            raise ValueError(NAME) from error
    except ValueError as error:
        failed = record("failed", {}, error)
    for formatter in (JsonLines("cart"), Words("cart")):
        line = formatter.format(failed)
        assert "KeyError" in line
        assert "ValueError" in line
        assert "test_logs.py" in line
        assert NAME not in line


def test_what_a_process_dies_of_is_a_line_too() -> None:
    setup = "import warnings; from shared.runtime.observability import logs; logs.configure('cart', 'INFO')"
    script = f"{setup}; warnings.warn('w'); int('Ada')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    warned, died = [json.loads(line) for line in done.stderr.splitlines()]
    assert (done.returncode, warned["level"], died["level"]) == (1, "WARNING", "CRITICAL")
    assert died["exception"].startswith("ValueError\n")


@pytest.mark.parametrize("form", [JsonLines, Words])
def test_a_line_holds_no_card_number_whoever_said_it(form: type[JsonLines | Words]) -> None:
    line = form("payment").format(record("the gateway says: no token 4111 1111 1111 1111", {}))
    assert "1111" not in line
    assert "no token [card number]" in line
