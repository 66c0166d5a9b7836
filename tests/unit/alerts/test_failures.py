"""How dead letters are read, and the alerts about them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerts.arrivals import Arrival, fault_of
from services.alerts.failures import failure_of, foreign_payment, gateway_in_trouble, stuck_money
from shared.contract.alerts import AlertOpened, AlertResolved, ResolveAlert
from shared.contract.dead_letter import ERRORS, failure_headers
from shared.contract.payment import ForeignPaymentFound, GatewayInTrouble, GatewayRecovered, RefundFailed, VoidFailed
from shared.contract.products import PricesIgnored
from shared.contract.text import is_plain
from tests.support.clock import NOW
from tests.support.facts import a
from tests.support.solo import Solo, only
from tests.unit.alerts.dead_letters import GARBAGE, Alerts, deadline, lost, stuck, unhandled, unreadable, with_


def test_a_fault_has_the_place_of_the_record_and_the_error() -> None:
    fault = fault_of(unreadable(), "shop.")
    assert (fault.kind, fault.service, fault.stage) == ("record", "cart", "read")
    assert (fault.topic, fault.partition, fault.position, fault.redrive_partition) == ("cart.commands", 3, 17, 3)
    assert fault.cause == "UnreadableError: the value has … bytes and is …"


@pytest.mark.parametrize("arrival", [unreadable(), unhandled(), stuck(), deadline(), lost()])
def test_the_same_failure_has_the_same_id_at_any_offset(arrival: Arrival) -> None:
    again = Arrival(arrival.partition, 99, 5_000, arrival.key, arrival.value, arrival.headers)
    assert fault_of(again).dead_letter_id == fault_of(arrival).dead_letter_id


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (unreadable(), unreadable(offset=18)),
        (unreadable(), unreadable(b"other garbage")),
        (unreadable(), unreadable(service="order")),
        (unreadable(b""), unreadable(None)),
        (unhandled("m1"), unhandled("m2")),
        (stuck(event_id="e1"), stuck(event_id="e2")),
        (deadline("c1"), deadline("c2")),
        (lost(first=17), lost(first=18)),
        (lost("cart"), lost("journal")),
        (Arrival(0, 1, 0, None, b"x", []), Arrival(0, 2, 0, None, b"x", [])),
    ],
)
def test_another_failure_is_another_dead_letter(one: Arrival, other: Arrival) -> None:
    assert fault_of(one).dead_letter_id != fault_of(other).dead_letter_id


def test_a_message_published_twice_is_one_dead_letter() -> None:
    assert fault_of(unhandled(offset=17)).dead_letter_id == fault_of(unhandled(offset=18)).dead_letter_id


def test_ids_alone_do_not_make_two_records_one() -> None:
    headers = [("ce_source", b"/shop"), ("ce_id", b"1")]
    assert fault_of(unreadable(b"a", headers)).dead_letter_id != fault_of(unreadable(b"b", headers)).dead_letter_id


def test_a_forged_failed_void_is_an_ordinary_record() -> None:
    headers = [("ce_type", VoidFailed.type_name().encode()), ("ce_subject", b"c1.1"), (f"{ERRORS}stage", b"compensation")]
    fault = fault_of(unreadable(GARBAGE, headers))
    assert fault.kind == "record"


def test_a_foreign_record_cannot_be_redriven() -> None:
    alerts = with_(Arrival(0, 1, 0, None, b"\xff", [("ce_id", b"\xff\xfe")]))
    dead_letter, alert = alerts.dead_letter, alerts.alert
    assert dead_letter.kind == "foreign"
    assert f"quadrille dlq resolve {dead_letter.dead_letter_id}" in alert.text
    assert "redrive" not in alert.text


def test_an_alert_says_which_command_to_run() -> None:
    alerts = with_(unhandled())
    dead_letter, alert = alerts.dead_letter, alerts.alert
    assert f'`quadrille dlq redrive {dead_letter.dead_letter_id} --why "..."`' in alert.text
    assert alert.severity == "critical"
    alerts = with_(unreadable())
    dead_letter, alert = alerts.dead_letter, alerts.alert
    assert f'`quadrille dlq resolve {dead_letter.dead_letter_id} --why "..."`' in alert.text
    assert alert.severity == "warning"
    alerts = with_(deadline())
    dead_letter, alert = alerts.dead_letter, alerts.alert
    assert "every 15 minutes" in alert.text
    assert "redrive" not in alert.text


@pytest.mark.parametrize(
    ("arrival", "alert_id", "told", "untold"),
    [
        (stuck(VoidFailed), "void:c1.1", ["retry-void c1.1", "mark-voided c1.1", "pi_1"], "refund"),
        (stuck(RefundFailed), "refund:c1.1", ["retry-refund c1.1", "mark-refunded c1.1", "pi_1"], "void"),
        (stuck(RefundFailed, "paid_in_cash"), "refund:c1.1", ["mark-refunded c1.1"], "retry"),
    ],
)
def test_the_alert_of_stuck_money_has_the_commands_to_settle_it(
    arrival: Arrival, alert_id: str, told: list[str], untold: str
) -> None:
    alerts = with_(arrival)
    dead_letter, alert = alerts.dead_letter, alerts.alert
    assert (dead_letter.kind, alert.alert_id, alert.checkout_id) == ("compensation", alert_id, "c1.1")
    assert "14.90 EUR" in alert.title
    for words in told:
        assert words in alert.text
    assert untold not in alert.text


KNOWN = [f"{ERRORS}offset", f"{ERRORS}stage", f"{ERRORS}quadrille.service", "ce_id", "ce_source", "ce_type"]
SAID = [b"payment", b"17", b"compensation", VoidFailed.type_name().encode()]
header = st.tuples(st.text(max_size=20) | st.sampled_from(KNOWN), st.none() | st.binary(max_size=50) | st.sampled_from(SAID))


@given(st.lists(header, max_size=10), st.none() | st.binary(max_size=50), st.none() | st.binary(max_size=50))
def test_nothing_in_a_record_makes_it_fail(
    headers: list[tuple[str, bytes | None]], key: bytes | None, value: bytes | None
) -> None:
    arrival = Arrival(0, 0, 0, key, value, headers)
    alerts = with_(arrival)
    dead_letter, alert = alerts.dead_letter, alerts.alert
    assert alert.text == failure_of(dead_letter).text
    for text in (
        alert.title,
        alert.text,
        dead_letter.reason,
        dead_letter.cause,
        dead_letter.topic,
        dead_letter.message_id or "",
    ):
        assert is_plain(text)


def test_texts_have_limits() -> None:
    why = [(f"{ERRORS}exception.message", b"\xff" * 100_000), ("ce_id", b"i" * 100_000)]
    alerts = with_(Arrival(0, 0, 0, None, b"", why))
    dead_letter, alert = alerts.dead_letter, alerts.alert
    assert len(alert.text) < 1_000
    assert len(dead_letter.message_id or "") == 300


@pytest.mark.parametrize("reason", ["a\x00b", "\x1b[2J", "x" * 1_000_000])
def test_stuck_money_opens_an_alert_whatever_the_gateway_s_reason(reason: str) -> None:
    alert = with_(stuck(reason=reason)).alert
    assert alert.kind == "void_failed"
    assert is_plain(alert.text)
    assert len(alert.text) < 2_000


def test_ids_in_commands_to_paste_are_quoted() -> None:
    money = {
        "amount": 1,
        "currency": "EUR",
        "code": "c",
        "reason": "r",
        "attempts": 1,
        "gateway_reference": "g",
        "authorization_id": "h",
    }
    event = VoidFailed.model_validate({"cart_id": "c|reboot", "checkout_id": "c|reboot.1", **money})
    assert "retry-void 'c|reboot.1' --why" in stuck_money(event, "m1").text


def test_the_alert_of_a_foreign_payment_names_it_and_what_to_do() -> None:
    event = ForeignPaymentFound(
        cart_id="c1", checkout_id="c1.1", amount=1490, currency="EUR", gateway_reference="c1.1", authorization_id="pi_9",
        found_amount=1490, found_currency="JPY",
    )  # fmt: skip
    failure = foreign_payment(event, "e1")
    assert (failure.alert_id, failure.kind, failure.severity) == ("foreign:c1.1", "foreign_payment", "critical")
    assert "1490 (minor units) JPY" in failure.title
    assert all(part in failure.text for part in ("pi_9", "c1.1", "14.90 EUR", "QUADRILLE_SHOP", "alerts resolve foreign:c1.1"))


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("http_401", "QUADRILLE_GATEWAY_API_KEY"),
        ("http_301", "QUADRILLE_GATEWAY_URL"),
        ("no_connection", "DNS"),
        ("api_key_invalid", "our key"),
    ],
)
def test_a_failing_gateway_is_one_alert_that_says_what_to_check(code: str, hint: str) -> None:
    failure = gateway_in_trouble(a(GatewayInTrouble, code=code))
    assert (failure.alert_id, failure.severity, failure.checkout_id) == ("gateway:trouble", "critical", None)
    assert hint in failure.text


def test_the_alert_of_a_gateway_closes_by_itself_and_opens_again() -> None:
    alerts = Solo("alerts")
    for since in (NOW, NOW + timedelta(minutes=5)):
        only(AlertOpened, alerts.hear(a(GatewayInTrouble, since=since)))
        assert alerts.hear(a(GatewayInTrouble, since=since)) == []
        assert only(AlertResolved, alerts.hear(a(GatewayRecovered, since=since))).by == "payment"
        assert alerts.hear(a(GatewayRecovered, since=since)) == []


def test_the_end_of_an_outage_may_arrive_before_its_start_and_after_the_next_one() -> None:
    alerts, later = Solo("alerts"), NOW + timedelta(minutes=5)
    only(AlertResolved, alerts.hear(a(GatewayRecovered)))
    assert alerts.hear(a(GatewayInTrouble)) == []
    only(AlertOpened, alerts.hear(a(GatewayInTrouble, since=later)))
    assert alerts.hear(a(GatewayRecovered)) == [], "that of an older one"
    only(AlertResolved, alerts.hear(a(GatewayRecovered, since=later)))


def test_the_alert_of_a_foreign_payment_opens_once_and_again_for_another() -> None:
    alerts = Solo("alerts")
    event = a(ForeignPaymentFound)
    only(AlertOpened, alerts.hear(event, "e1"))
    assert alerts.hear(event, "e1") == []
    alert_id = f"foreign:{event.checkout_id}"
    only(AlertResolved, alerts.hear(a(ResolveAlert, alert_id=alert_id, settled=False)))
    assert alerts.hear(event, "e1") == [], "it is known, whichever way it comes"
    only(AlertOpened, alerts.hear(event, "e2"))


def test_the_alert_of_an_unreadable_product_warns_of_its_former_price() -> None:
    why = failure_headers("cart", "read", "shop.catalog.events", 3, 17, "UnreadableError", "odd", NOW)
    alert = with_(Arrival(3, 0, 1_000, b"tea", GARBAGE, why)).alert
    assert alert.severity == "critical"
    assert "If the product is on sale, it keeps its former price until a valid record arrives." in alert.text


def test_prices_in_an_unsupported_currency_are_one_alert() -> None:
    alerts = Alerts()
    (opened,) = alerts.hear(PricesIgnored(sku="tea", currencies=("ARS",)))
    assert isinstance(opened, AlertOpened)
    assert (opened.alert_id, opened.severity, opened.kind) == ("currency:ARS", "warning", "prices_ignored")
    assert "Product tea has one" in opened.text
    (other,) = alerts.hear(PricesIgnored(sku="cup", currencies=("ARS", "AAA")))
    assert isinstance(other, AlertOpened)
    assert other.alert_id == "currency:AAA"


@pytest.mark.parametrize("service", ["cart", "journal"])
def test_lost_records_are_a_critical_alert_that_names_them(service: str) -> None:
    alerts = with_(lost(service))
    assert (alerts.dead_letter.kind, alerts.alert.kind, alerts.alert.severity) == ("lost", "records_lost", "critical")
    expected = f"shop.quadrille.{service} never read the offsets 17 to 39 of shop.cart.commands/3: they were deleted before"
    assert alerts.alert.title == expected
    assert alerts.dead_letter.why_not_redriven(parked=False)


@pytest.mark.parametrize(
    ("first", "said"), [(None, "how far the group had read is forgotten"), (50, "the topic was made anew or cut off")]
)
def test_the_alert_of_lost_records_says_what_is_unknown(first: int | None, said: str) -> None:
    assert said in with_(lost(first=first)).alert.title
