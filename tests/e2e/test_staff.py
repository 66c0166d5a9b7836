"""Everything that needs a person is handled to its end with the commands that its alert says to run."""

import re
import shlex

from devstack.demo.shop import CASH, Shop, card, unique
from services.alerts import views
from services.alerts.model import Alert
from services.payment.gateways.http import HttpGateway
from services.payment.gateways.port import Succeeded
from shared.contract.cart import CheckoutCompleted
from shared.contract.order import CancelOrder, OrderCreated
from shared.contract.payment import FailedCompensation, RefundFailed, VoidFailed
from tests.support.alerts import dead_letter_of, resolved
from tests.support.cli import Ran, process
from tests.support.cli import quadrille as command
from tests.support.system import System
from tests.support.topics import raw_producer
from tests.support.waiting import until

NOBODY = "Q-9999999"


def advised(alert: Alert, words: str) -> list[str]:
    """The arguments of the command in an alert's text that has these words."""
    (command,) = [found for found in re.findall(r"`quadrille ([^`]+)`", alert.text) if words in found]
    return shlex.split(command)


async def acted(shop: Shop, alert: Alert, what: str, state: str) -> Alert:
    """The alert, once somebody has done this about it and it is in that state."""

    def done(found: Alert) -> bool:
        acted = any(action.what.startswith(what) for action in found.actions)
        return acted and found.state == state and found.times_seen > alert.times_seen

    found: Alert = await until(lambda: views.alert(shop.engine, alert.alert_id), what, good=done)
    return found


async def void_failed(shop: Shop) -> tuple[VoidFailed, Alert]:
    """An authorization that the gateway does not release at the first four requests."""
    sku = await shop.product(stock=1)
    cart_id, _ = await shop.check_out(sku, payment=card("tok_decline_capture+refuse_void_4"))
    failed = await shop.client.wait_for(cart_id, VoidFailed, timeout=40)
    return failed, await shop.alert(failed.checkout_id)


async def test_money_is_released_as_the_alert_says_and_the_alert_closes_by_itself(shop: Shop, quadrille: System) -> None:
    failed, alert = await void_failed(shop)
    ran = await process(quadrille.environment, *advised(alert, "retry-void"), "--by", "ada")
    assert ran.code == 0, ran
    assert b"the authorization is released" in ran.out
    closed = await resolved(shop, alert)
    assert [(action.what, action.by, action.why) for action in closed.actions] == [
        ("retried", "ada", "..."),
        ("resolved", "payment", "the payment was voided"),
    ]
    again = await command(quadrille.environment, "payments", "retry-void", failed.checkout_id, "--why", "again")
    assert again.code == 1
    assert b"Refused" in again.out


async def test_an_authorization_released_by_hand_is_said_so_by_order_number(shop: Shop, quadrille: System) -> None:
    failed, alert = await void_failed(shop)
    number = (await shop.client.wait_for(failed.cart_id, OrderCreated)).order_number
    by_hand = gateway(quadrille)
    assert isinstance(await by_hand.void(unique("by-hand"), failed.authorization_id or ""), Succeeded)
    await by_hand.close()
    ran = await decide(quadrille, "mark-voided", number, "--why", "the bank released it, call 4711")
    assert ran.code == 0, ran
    last = (await resolved(shop, alert)).actions[-1]
    assert (last.what, last.by, last.why) == ("resolved", "ada", "the bank released it, call 4711")


async def test_nothing_a_person_says_or_tries_closes_an_alert_while_the_gateway_holds_the_money(
    shop: Shop, quadrille: System
) -> None:
    sku = await shop.product(stock=1)
    cart_id, _ = await shop.check_out(sku, payment=card("tok_decline_capture+refuse_void_5"))
    failed = await shop.client.wait_for(cart_id, VoidFailed, timeout=40)
    alert = await shop.alert(failed.checkout_id)
    environment = quadrille.environment

    retried = await process(environment, *advised(alert, "retry-void"))
    assert retried.code == 1, retried
    assert b"the void failed again: The bank refuses" in retried.out
    again = await acted(shop, alert, "retried", "open")
    assert again.times_seen == 2

    refused = await decide(quadrille, "mark-voided", failed.checkout_id, "--why", "the bank says so")
    assert refused.code == 1, refused
    assert f"the gateway still holds 14.90 EUR (its payment {failed.authorization_id})".encode() in refused.out
    assert b"--although" in refused.out
    recorded = await decide(quadrille, "mark-voided", failed.checkout_id, "--why", "the bank says so", "--although", "--json")
    assert (recorded.code, recorded.json["settled"], recorded.json["event"]) == (0, False, "SettlementDisputed"), recorded
    noted = await acted(shop, alert, "claims it is settled, though the gateway still holds", "acknowledged")
    assert (noted.actions[-1].by, noted.actions[-1].why) == ("ada", "the bank says so")

    released = await process(environment, *advised(alert, "retry-void"))
    assert released.code == 0, released
    await resolved(shop, alert)


async def test_a_refund_that_failed_is_tried_again(shop: Shop, quadrille: System) -> None:
    failed, alert = await refund_failed(shop, "tok_refuse_refund_4")
    ran = await command(quadrille.environment, *advised(alert, "retry-refund"), "--json")
    assert (ran.code, ran.json["event"], ran.json["amount"]) == (0, "PaymentRefunded", failed.amount), ran
    await resolved(shop, alert)


async def test_all_that_failed_is_tried_again_by_one_command(shop: Shop, quadrille: System) -> None:
    refunds = [await refund_failed(shop, "tok_refuse_refund_4") for _ in range(2)]
    ran = await command(quadrille.environment, "payments", "retry-failed", "--why", "the gateway is back", "--json")
    outcomes = {one["subject"]: one["outcome"] for one in ran.json}
    assert {outcomes[failed.checkout_id] for failed, _ in refunds} == {"PaymentRefunded"}, ran
    for _, alert in refunds:
        await resolved(shop, alert)


async def test_money_received_on_delivery_is_given_back_by_hand(shop: Shop, quadrille: System) -> None:
    sku = await shop.product(stock=1)
    cart_id, outcome = await shop.check_out(sku, payment=CASH)
    assert isinstance(outcome, CheckoutCompleted)
    paid = await decide(quadrille, "mark-paid", outcome.order_number, "--why", "cash, driver 12")
    assert paid.code == 0, paid
    assert (await decide(quadrille, "mark-paid", outcome.order_number, "--why", "twice")).code == 1
    await shop.client.send(CancelOrder(cart_id=cart_id, checkout_id=outcome.checkout_id, reason="broken"))
    failed = await shop.client.wait_for(cart_id, RefundFailed)
    alert = await shop.alert(failed.checkout_id)
    assert "retry" not in alert.text
    assert (await command(quadrille.environment, *advised(alert, "mark-refunded"))).code == 0
    await resolved(shop, alert)


async def test_an_unreadable_record_is_handled_to_its_end(shop: Shop, quadrille: System) -> None:
    cart_id = unique("poison")
    shop.client.follow(cart_id)
    async with raw_producer(quadrille.settings) as producer:
        topic = quadrille.settings.topic("cart.commands")
        await producer.send_and_wait(topic, b'\xff{"not": json', cart_id.encode(), headers=[("mine", b"\x00")])
    await shop.client.dead_letter(cart_id)
    dead_letter = await dead_letter_of(shop, cart_id)
    alert = await views.alert(shop.engine, dead_letter.alert_id)

    shown = await process(quadrille.environment, *advised(alert, "dlq show"))
    assert shown.code == 0, shown
    assert b"ff 7b 22 6e 6f 74" in shown.out
    assert b"0x00" in shown.out
    redriven = await command(quadrille.environment, *advised(alert, "redrive"))
    assert redriven.code == 1, redriven
    assert b"came back once" in redriven.out
    alert = await views.alert(shop.engine, dead_letter.alert_id)
    assert "1 of 1 redrive failed" in alert.text
    listed = await command(quadrille.environment, "dlq", "list", "--service", "cart", "--limit", "1000")
    assert dead_letter.dead_letter_id.encode() in listed.out
    closed = await command(quadrille.environment, *advised(alert, "resolve"))
    assert closed.code == 0, closed
    assert (await resolved(shop, alert)).times_seen == 2


async def test_what_cannot_be_done_is_one_sentence_and_exit_code_2(quadrille: System) -> None:
    environment = quadrille.environment
    for arguments in (
        ("payments", "retry-void", NOBODY, "--why", "x"),
        ("payments", "retry-void", "nothing", "--why", "x"),
        ("alerts", "show", "no-such-alert"),
        ("dlq", "show", "zzzz"),
    ):
        ran = await command(environment, *arguments)
        assert (ran.code, ran.err.count(b"\n")) == (2, 1), ran


async def refund_failed(shop: Shop, token: str) -> tuple[FailedCompensation, Alert]:
    """An order that was paid and cancelled, and the money stays."""
    sku = await shop.product(stock=1)
    cart_id, outcome = await shop.check_out(sku, payment=card(token))
    assert isinstance(outcome, CheckoutCompleted)
    await shop.client.send(CancelOrder(cart_id=cart_id, checkout_id=outcome.checkout_id, reason="changed my mind"))
    failed = await shop.client.wait_for(cart_id, RefundFailed, timeout=40)
    return failed, await shop.alert(failed.checkout_id)


async def decide(quadrille: System, *arguments: str) -> Ran:
    """A decision about money, by Ada."""
    return await command(quadrille.environment, "payments", *arguments, "--by", "ada")


def gateway(quadrille: System) -> HttpGateway:
    """The gateway, as a person at its terminal has it."""
    settings = quadrille.settings
    assert settings.gateway_url
    assert settings.gateway_api_key
    return HttpGateway(settings.gateway_url, settings.gateway_api_key.get_secret_value(), 10)
