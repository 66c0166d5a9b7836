"""What a client remembers has a bound, and whoever waits is not forgotten."""

from shared.client.history import KEY_BYTES, History
from shared.contract.cart import CartOpened
from tests.support.facts import CART, a
from tests.unit.contract.records import envelope

EVENT = a(CartOpened)


def add(history: History, key: str, size: int = 0) -> None:
    history.follow(key)
    history.add(key, envelope(EVENT), EVENT, 0.0, size)


def test_the_key_that_was_used_longest_ago_is_forgotten_first() -> None:
    history = History(max_bytes=2 * KEY_BYTES + 100)
    add(history, "a")
    add(history, "b")
    history.follow("a")
    add(history, "c")
    assert [key for key in "abc" if history.follows(key)] == ["a", "c"]


def test_whatever_comes_there_is_no_more_than_the_bound() -> None:
    history = History(max_bytes=10_000)
    for number in range(10_000):
        add(history, f"cart{number}", 500)
        assert history.size <= 10_000
    history.add_dead("cart9999", b"x" * 600)
    assert history.size <= 10_000
    assert history.dead("cart9999") == b"x" * 600
    history.forget([f"cart{number}" for number in range(10_000)])
    assert history.size == 0


def test_what_somebody_waits_for_is_kept_though_others_come() -> None:
    history = History(max_bytes=1_000)
    with history.waiting_for(CART), history.waiting_for(CART):
        add(history, CART, 600)
        for number in range(10):
            add(history, f"other{number}", 600)
        assert len(history.seen(CART)) == 1
    add(history, "last")
    assert not history.follows(CART)


def test_a_place_among_the_events_holds_though_a_key_was_forgotten() -> None:
    history = History()
    add(history, CART)
    add(history, CART)
    before = history.count
    history.forget([CART])
    add(history, CART)
    assert len(history.seen(CART, before)) == 1
    assert len(history.seen(CART)) == 1
