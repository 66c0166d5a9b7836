"""Faults by rate: seeded, and a pure function of the request."""

import pytest

from devstack.sandbox.faults import Faults, FaultsError, parse
from devstack.sandbox.tokens import Kind


def kinds(faults: Faults, key: str, attempt: int = 0) -> list[Kind]:
    return [behaviour.kind for behaviour in faults.draw("capture", key, attempt)]


def test_rates_are_read() -> None:
    faults = parse("timeout_after=0.01, error=0.02,slow=0.05:0.5", seed=3)
    assert faults == Faults({"timeout_after": 0.01, "error": 0.02, "slow": 0.05}, slow_seconds=0.5, seed=3)
    assert not parse("")
    assert not parse("error=0")


@pytest.mark.parametrize(
    "text", ["explode=0.1", "error", "error=2", "error=-1", "error=nan", "error=x", "error=0.1:5", "error=0,error=1"]
)
def test_what_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(FaultsError, match=text[:5]):
        parse(text)


def test_the_same_seed_meets_the_same_requests_and_another_seed_others() -> None:
    keys = [f"key-{number}" for number in range(500)]
    first, again, other = (parse("error=0.3", seed) for seed in (1, 1, 2))
    assert [kinds(first, key) for key in keys] == [kinds(again, key) for key in keys]
    assert [kinds(first, key) for key in keys] != [kinds(other, key) for key in keys]


def test_a_rate_is_kept_over_many_requests() -> None:
    faults = parse("error=0.1", seed=7)
    hits = sum(bool(kinds(faults, f"key-{number}")) for number in range(5000))
    assert 400 < hits < 600


def test_every_attempt_is_drawn_anew() -> None:
    faults = parse("unavailable=0.5", seed=1)
    assert len({tuple(kinds(faults, "key", attempt)) for attempt in range(20)}) == 2


def test_declines_meet_authorizations_only() -> None:
    faults = parse("decline=1")
    assert not faults.draw("capture", "key", 0)
    assert [behaviour.kind for behaviour in faults.draw("authorize", "key", 0)] == ["decline"]
