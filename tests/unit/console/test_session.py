"""Who is at the browser: guesses, paths and secrets."""

import pytest

from services.console.session import SESSION_SECONDS, SESSIONS, TRIES, TRIES_SECONDS, Guesses, Logins, local, same


def test_wrong_passwords_block_their_address_only() -> None:
    guesses = Guesses()
    for n in range(TRIES):
        assert guesses.wait("10.0.0.1", float(n)) == 0
        guesses.wrong("10.0.0.1", float(n))
    assert guesses.wait("10.0.0.1", 10.0) == TRIES_SECONDS - 10
    assert guesses.wait("10.0.0.2", 10.0) == 0
    assert guesses.wait("10.0.0.1", TRIES_SECONDS) == 0
    guesses.wrong("10.0.0.1", TRIES_SECONDS)
    assert guesses.wait("10.0.0.1", TRIES_SECONDS) == 1, "the oldest of the last few counts"


def test_a_login_expires_after_its_last_use() -> None:
    logins = Logins()
    ada = logins.begin(0.0)
    assert logins.holds(ada, SESSION_SECONDS - 1.0)
    assert logins.holds(ada, 2 * SESSION_SECONDS - 2.0)
    assert not logins.holds(ada, 3 * SESSION_SECONDS)
    assert not logins.holds(None, 0.0)
    logins.end(None)


def test_the_number_of_logins_is_bounded() -> None:
    logins = Logins()
    first, *_, last = [logins.begin(0.0) for _ in range(SESSIONS + 1)]
    assert not logins.holds(first, 1.0)
    assert logins.holds(last, 1.0)


def test_an_ipv6_network_counts_as_one_address() -> None:
    guesses = Guesses()
    for n in range(TRIES):
        guesses.wrong(f"2001:db8::{n:x}", 0.0)
    assert guesses.wait("2001:db8::ffff", 1.0) > 0
    assert guesses.wait("2001:db8:0:1::1", 1.0) == 0


def test_the_number_of_addresses_is_bounded() -> None:
    guesses = Guesses()
    for n in range(12_000):
        guesses.wrong(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 0.0)
    assert len(guesses._wrong) == 10_000


@pytest.mark.parametrize("path", ["/", "/orders/c1?x=1", "/alerts/void%3Ac1.1"])
def test_local_paths_are_allowed(path: str) -> None:
    assert local(path) == path


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "", "/\r\nx", "http://["]
)
def test_foreign_addresses_are_replaced(path: str) -> None:
    assert local(path) == "/"


def test_secrets_are_compared() -> None:
    assert same("pässword", "pässword")
    assert not same("", "pässword")
    assert not same("password", "pässword")
