"""The gateway in trouble: when it is, when a few calls are made nevertheless, and when it is over."""

from datetime import timedelta
from itertools import pairwise

import pytest

from services.payment.gateways.port import (
    Answer,
    Declined,
    LookUp,
    NotFound,
    Refused,
    Succeeded,
    Unavailable,
    Unknown,
    Unusable,
)
from services.payment.trouble import (
    LAST_PROBE_SECONDS,
    LEAST_SECONDS,
    MAX_HELD_SECONDS,
    PROBES,
    Breaker,
    GatewayHealth,
    GatewayTroubled,
    GatewayWorks,
    is_trouble,
)
from shared.contract.payment import GatewayInTrouble, GatewayRecovered
from tests.support.clock import NOW
from tests.support.solo import Solo, only
from tests.unit.payment.payments import found

AWAY = Unavailable("no connection", code="no_connection")
SEEN = GatewayTroubled("http_401", "the gateway answered HTTP 401", 1.0, "cart1")


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (AWAY, True),
        (Unknown("timed out"), True),
        (Unknown("not known yet", "pending", pending=True), False),
        (Succeeded("h"), False),
        (Declined("no_funds", "no"), False),
        (Unusable("h", "other_amount", "no"), False),
        (Refused("amount_too_large", "a bug"), False),
        (found("authorized"), False),
        (NotFound("c1.1"), False),
    ],
)
def test_what_says_something_about_a_payment_is_no_trouble_of_the_gateway(answer: Answer | LookUp, trouble: bool) -> None:
    assert is_trouble(answer) is trouble


def test_a_gateway_is_in_trouble_when_it_says_nothing_else_for_seconds() -> None:
    breaker = Breaker()
    assert [breaker.hear(AWAY, "cart1", 100.0) for _ in range(50)] == [None] * 50, "a moment is none"
    assert breaker.hear(AWAY, "cart1", 99.9 + LEAST_SECONDS) is None
    seen = breaker.hear(AWAY, "cart1", 100.0 + LEAST_SECONDS)
    assert seen == GatewayTroubled("no_connection", "no connection", 105.0, "cart1")


def test_two_answers_are_too_few_however_far_apart() -> None:
    breaker = Breaker()
    assert [breaker.hear(AWAY, "cart1", at) for at in (0.0, 100.0)] == [None, None]
    seen = breaker.hear(AWAY, "cart1", 101.0)
    assert isinstance(seen, GatewayTroubled)


def test_a_payment_that_has_an_answer_meanwhile_shows_that_it_is_not_the_gateway() -> None:
    breaker = Breaker()
    for at in range(0, 100, 4):
        assert breaker.hear(AWAY, "cart1", at) is None
        assert breaker.hear(AWAY, "cart1", at + 1.0) is None
        assert breaker.hear(NotFound("c1.1"), "cart1", at + 2.0) is None


def in_trouble(breaker: Breaker, now: float = 0.0) -> Breaker:
    breaker.know(NOW, now)
    return breaker


def test_few_calls_are_made_in_trouble_and_ever_more_seldom() -> None:
    breaker, now, probes = in_trouble(Breaker()), 0.0, []
    while now < 120:
        if breaker.may_probe(0, now):
            probes.append(now)
            breaker.probed(now)
            assert not breaker.may_probe(0, now)
            assert breaker.hear(AWAY, "cart1", now) is None
        now += 0.25
    waits = [after - before for before, after in pairwise(probes)]
    assert waits[:3] == [2.0, 4.0, 8.0]
    assert set(waits[3:]) == {LAST_PROBE_SECONDS}


def test_no_more_probes_than_a_few_at_the_same_time() -> None:
    breaker = in_trouble(Breaker())
    assert [breaker.may_probe(under_way, 10.0) for under_way in range(PROBES + 2)] == [True] * PROBES + [False] * 2


@pytest.mark.parametrize(("asked", "waits"), [(30.0, 30.0), (86_400.0, MAX_HELD_SECONDS)])
def test_a_gateway_in_trouble_is_not_probed_before_it_wants_to_be_up_to_an_hour(asked: float, waits: float) -> None:
    breaker = in_trouble(Breaker())
    breaker.hear(Unavailable("later", asked), "cart1", 10.0)
    assert [breaker.may_probe(0, at) for at in (9.9 + waits, 10.0 + waits)] == [False, True]


def test_one_answer_ends_it() -> None:
    breaker = in_trouble(Breaker())
    assert breaker.hear(Declined("no_funds", "no"), "cart2", 10.0) == GatewayWorks(10.0, "cart2")
    breaker.know(None, 11.0)
    assert not breaker.is_open
    assert breaker.hear(Succeeded("h"), "cart1", 12.0) is None
    assert breaker.hear(AWAY, "cart1", 13.0) is None


def test_what_people_hear_is_one_beginning_and_one_end_whoever_sees_it() -> None:
    made = Solo("payment")
    began = only(GatewayInTrouble, made.hear(SEEN))
    assert (began.key, began.gateway, began.since) == ("cart1", "gateway", NOW)
    assert (began.code, began.reason) == (SEEN.code, SEEN.reason)
    made.now += timedelta(minutes=1)
    assert made.hear(GatewayTroubled("http_503", "busy", 61.0, "cart2")) == []
    health = made.own(GatewayHealth, "gateway")
    assert (health.since, health.code) == (NOW, "http_503")
    assert only(GatewayRecovered, made.hear(GatewayWorks(62.0, "cart2"))).since == NOW
    assert made.hear(GatewayWorks(63.0, "cart2")) == []
    only(GatewayInTrouble, made.hear(SEEN))


def test_what_was_seen_is_a_cause_of_its_own() -> None:
    assert SEEN.id == "trouble/gateway/1.000000"
    assert GatewayWorks(2.5, "cart2").id == "works/gateway/2.500000"
