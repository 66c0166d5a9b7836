"""Reading costs at most so much for every byte, whatever the bytes are: nobody stops a service with one record."""

import contextlib
import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from shared.contract.cart import AddItem, CheckoutConfirmed, SetShippingAddress
from shared.contract.envelope import MAX_VALUE_BYTES, Record, RefusedError, UnreadableError, read
from shared.contract.order import DefineCoupon
from tests.support.facts import ADDRESS, a
from tests.unit.contract.records import binary, body, record, structured

LARGE = MAX_VALUE_BYTES - 2_000
"""Bytes of what is written into the larger record; the smaller has a quarter of them."""
MOST_SECONDS = 0.1
"""For the larger record, on a slow machine."""


def _filled(size: int, piece: Callable[[int], str], between: str = ",") -> str:
    """Pieces, each told its number, up to so many characters."""
    pieces: list[str] = []
    length = 0
    while length < size:
        pieces.append(piece(len(pieces)))
        length += len(pieces[-1]) + len(between)
    return between.join(pieces)


def _with(message: Any, more: str) -> Record:
    """A message in binary mode with something written into its body."""
    return binary(message, body(message)[:-1] + b"," + more.encode() + b"}")


def _enveloped(message: Any, more: str) -> Record:
    """A message in structured mode with something written into its envelope."""
    whole = structured(message)
    assert whole.value is not None
    return record(whole.topic, whole.value[:-1] + b"," + more.encode() + b"}")


SHAPES: dict[str, Callable[[int], Record]] = {
    "nested lists": lambda size: _with(a(AddItem), '"x":' + "[" * (size // 2) + "]" * (size // 2)),
    "nested lists, structured": lambda size: _enveloped(a(AddItem), '"x":' + "[" * (size // 2) + "]" * (size // 2)),
    "nested objects that never end": lambda size: record("cart.commands", b'{"a":' * (size // 5)),
    "unknown fields": lambda size: _with(a(AddItem), _filled(size, lambda n: f'"x{n}":1')),
    "one field again and again": lambda size: _with(a(AddItem), _filled(size, lambda n: '"quantity":1')),
    "unknown attributes, the last one twice": lambda size: _enveloped(
        a(AddItem), _filled(size, lambda n: f'"x{n}":1') + ',"twice":1,"twice":1'
    ),
    "a number with very many digits": lambda size: binary(a(AddItem), body(a(AddItem), quantity=0)[:-2] + b"1" * size + b"}"),
    "a number with very many digits, structured": lambda size: _enveloped(a(AddItem), '"x":' + "1" * size),
    "a name of escapes": lambda size: _with(a(SetShippingAddress), '"address":{"name":"' + "\\u00e9" * (size // 6) + '"}'),
    "a name of one letter": lambda size: binary(
        a(SetShippingAddress), body(a(SetShippingAddress), address={**ADDRESS.model_dump(), "name": "n" * size})
    ),
    "an id that nearly fits": lambda size: binary(a(AddItem), body(a(AddItem), sku="a" * size)),
    "very many lines": lambda size: binary(
        a(CheckoutConfirmed), body(a(CheckoutConfirmed))[:-1] + b',"lines":[' + b"{}," * (size // 3) + b"{}]}"
    ),
    "very many currencies": lambda size: binary(
        a(DefineCoupon), body(a(DefineCoupon), minimum_subtotal={f"C{n}": n for n in range(size // 12)})
    ),
    "very many headers": lambda size: binary(a(AddItem), more=[(f"ce_x{n}", b"1") for n in range(size // 10)]),
    "a header again and again": lambda size: binary(a(AddItem), more=[("ce_x", b"1")] * (size // 10)),
    "a very long header": lambda size: binary(a(AddItem), more=[("ce_time", b"2" * size)]),
    "no UTF-8": lambda size: record("cart.commands", b"\xff" * size),
    "a list of nothing": lambda size: record("cart.commands", json.dumps([None] * (size // 6)).encode()),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_four_times_the_bytes_take_about_four_times_the_time(shape: str) -> None:
    small, large = SHAPES[shape](LARGE // 4), SHAPES[shape](LARGE)
    before, after = _seconds(small), _seconds(large)
    assert after < MOST_SECONDS
    assert after < 8 * before + 0.005, "what grows with the square of the bytes would take 16 times as long"


@pytest.mark.parametrize("shape", SHAPES)
def test_what_it_holds_is_bounded(shape: str) -> None:
    given = SHAPES[shape](LARGE)
    tracemalloc.start()
    _read(given)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * MAX_VALUE_BYTES


def _seconds(given: Record) -> float:
    """Of this process alone, the best of five."""
    found = []
    for _ in range(5):
        started = time.process_time()
        _read(given)
        found.append(time.process_time() - started)
    return min(found)


def _read(given: Record) -> None:
    with contextlib.suppress(RefusedError, UnreadableError):
        read(given)
