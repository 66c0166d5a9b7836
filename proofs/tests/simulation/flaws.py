"""Known bugs, planted one at a time: in the runtime's rules, in reactions and models, and in the calls to the gateway.

Each is a patch of one function, as small as the mistake somebody could make there.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from proofs.simulation.calls import Calls
from proofs.simulation.database import Database, Row
from proofs.simulation.group import ConsumerGroup
from proofs.simulation.partitions import Feed, Member, Partition
from proofs.simulation.relay import Relay
from proofs.simulation.service import Service
from proofs.simulation.wiring import CONTEXT, envelope
from services.cart import reactions as cart
from services.cart.model import Cart, CartState
from services.inventory.model import Reservation, ReservationState, Stock
from services.order import reactions as order
from services.order.coupon import Coupon
from services.order.model import Checkout, CheckoutState
from services.payment import answers, claims
from services.payment import reactions as payment
from services.payment.answers import event_fields
from services.payment.gateways.port import Declined, Unknown
from services.payment.model import Payment, PaymentOperation, PaymentState, Policy
from shared.contract.payment import PaymentCaptured, PaymentVoided

Flaw = Callable[[pytest.MonkeyPatch], None]
FLAWS: Final[dict[str, Flaw]] = {}


def flaw(plant: Flaw) -> Flaw:
    """A bug; its name is the function's."""
    FLAWS[plant.__name__.replace("_", " ")] = plant
    return plant


# --- the runtime


@flaw
def no_inbox(patch: pytest.MonkeyPatch) -> None:
    def is_new(self: Database, message_id: str, message: Any) -> bool:
        self.inbox[message_id] = message
        return True

    patch.setattr(Database, "is_new", is_new)


@flaw
def an_inbox_that_is_not_in_the_commit(patch: pytest.MonkeyPatch) -> None:
    usual = Service._rehearse

    def rehearse(self: Service, inputs: Sequence[Any]) -> None:
        usual(self, inputs)
        self.database.inbox.update({envelope.id: message for envelope, message in inputs if envelope})

    patch.setattr(Service, "_rehearse", rehearse)


@flaw
def one_id_for_all_that_follows_from_a_message(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("proofs.simulation.service.envelope", lambda name, cause, index, message: envelope(name, cause, 0, message))


@flaw
def offsets_committed_before_the_database(patch: pytest.MonkeyPatch) -> None:
    usual = Service._handle

    def handle(self: Service, feed: Feed, start: int, batch: Any) -> None:
        feed.committed = start + len(batch)
        usual(self, feed, start, batch)

    patch.setattr(Service, "_handle", handle)


@flaw
def published_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    usual = Service._rehearse

    def rehearse(self: Service, inputs: Sequence[Any]) -> None:
        for row in usual_rows(self, inputs):
            self.env.deliver(row)

    def usual_rows(self: Service, inputs: Sequence[Any]) -> list[Row]:
        return [
            self._row(cause, index, message) for cause, emitted in usual(self, inputs) for index, message in enumerate(emitted)
        ]

    patch.setattr(Service, "_rehearse", rehearse)


@flaw
def an_outbox_read_by_ids_above_the_last_one_seen(patch: pytest.MonkeyPatch) -> None:
    def sweep(self: Relay, member: Member, partition: Partition) -> None:
        last = max(self._last)
        self.queue(member, [row for row in self._database.outbox[partition.number] if row.id > last])

    patch.setattr(Relay, "sweep", sweep)


@flaw
def rows_deleted_before_they_are_sent(patch: pytest.MonkeyPatch) -> None:
    usual = Relay.queue

    def queue(self: Relay, member: Member, rows: Sequence[Row]) -> None:
        usual(self, member, rows)
        for row in rows:
            self._database.outbox[row.partition].remove(row)

    patch.setattr(Relay, "queue", queue)


@flaw
def nobody_publishes_what_a_crash_left(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Relay, "sweep", lambda self, member, partition: None)


@flaw
def what_a_former_owner_left_is_published_last(patch: pytest.MonkeyPatch) -> None:
    usual = Relay.hand_in

    def hand_in(self: Relay, member: Member, rows: Sequence[Row]) -> None:
        usual(self, member, rows)
        for partition in {row.partition for row in rows}:
            self.queue(member, [row for row in self._database.outbox[partition] if row.id not in member.known])

    patch.setattr(Relay, "sweep", lambda self, member, partition: None)
    patch.setattr(Relay, "hand_in", hand_in)


@flaw
def no_epoch_check(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ConsumerGroup, "owns", lambda self, member, partition: True)


@flaw
def records_fetched_before_a_rebalance_are_handled_after_it(patch: pytest.MonkeyPatch) -> None:
    def restart(self: Feed) -> None:
        self.position = self.done = self.committed
        if self.fetched:
            self.fetched.popleft()  # the batch in hand is dropped, those behind it are not

    patch.setattr(Feed, "restart", restart)


@flaw
def a_lost_answer_to_a_commit_is_taken_for_a_failure(patch: pytest.MonkeyPatch) -> None:
    usual = ConsumerGroup.release

    def release(self: ConsumerGroup, member: Member) -> None:
        epochs = dict(member.epochs)
        usual(self, member)
        for partition in self.partitions:
            if partition.owner is member and partition.number in epochs and self.away_until <= self._env.now:
                member.epochs[partition.number] = epochs[partition.number]
                self._env.ready.remove(partition.taking)
                partition.open()

    patch.setattr(ConsumerGroup, "release", release)


@flaw
def deadlines_forgotten_by_a_restart(patch: pytest.MonkeyPatch) -> None:
    usual = Service._fire

    def fire(self: Service, timer: Any, trigger: Any) -> None:
        usual(self, timer, trigger)
        for partition in self.group.partitions:
            if not partition.taken and timer in partition.parked:
                partition.parked.remove(timer)

    patch.setattr(Service, "_fire", fire)


# --- reactions and models


@flaw
def a_capture_without_an_order(patch: pytest.MonkeyPatch) -> None:
    usual = answers._complete

    def succeed(payment: Payment, policy: Any, now: Any) -> Any:
        yield from usual(payment, policy, now)
        if payment.state is PaymentState.AUTHORIZED:
            payment.begin("capture", PaymentState.CAPTURING, now)

    patch.setattr(answers, "_complete", succeed)


@flaw
def a_void_where_a_refund_is_due(patch: pytest.MonkeyPatch) -> None:
    usual = payment._void_or_refund

    def undo(it: Payment, cart_id: str, now: Any) -> Any:
        if it.state is PaymentState.CAPTURED:
            it.finish(PaymentState.VOIDED)
            yield PaymentVoided(**event_fields(it))
        else:
            yield from usual(it, cart_id, now)

    patch.setattr(payment, "_void_or_refund", undo)


@flaw
def a_cancellation_forgotten_while_the_capture_is_in_flight(patch: pytest.MonkeyPatch) -> None:
    usual = payment._void_or_refund

    def undo(it: Payment, cart_id: str, now: Any) -> Any:
        if it.state is not PaymentState.CAPTURING:
            yield from usual(it, cart_id, now)

    patch.setattr(payment, "_void_or_refund", undo)


@flaw
def a_capture_that_confirms_a_cancelled_order(patch: pytest.MonkeyPatch) -> None:
    def confirm(checkout: Checkout, event: PaymentCaptured) -> Any:
        if checkout.state in (CheckoutState.CREATED, CheckoutState.CANCELLED):
            yield order._confirm(checkout)

    _replace(patch, order, "confirm_order", confirm)


@flaw
def an_order_for_a_checkout_that_is_over(patch: pytest.MonkeyPatch) -> None:
    usual = order._create

    def create(checkout: Checkout, *more: Any) -> Any:
        if checkout.state is CheckoutState.CLOSED and checkout.totals:
            checkout.state = CheckoutState.PAYING
        yield from usual(checkout, *more)

    patch.setattr(order, "_create", create)


@flaw
def totals_with_one_half_missing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Checkout, "complete", property(lambda self: self.state is CheckoutState.WAITING and self.quote is not None))


@flaw
def a_reservation_released_twice(patch: pytest.MonkeyPatch) -> None:
    def free(self: Reservation, state: ReservationState, stocks: dict[str, Stock]) -> bool:
        for sku, quantity in self.units.items():
            stocks[sku].reserved -= quantity
        self.move(state)
        return True

    patch.setattr(Reservation, "free", free)


@flaw
def expired_units_that_are_not_taken_anew(patch: pytest.MonkeyPatch) -> None:
    usual = Reservation.take

    def take(self: Reservation, items: Any, stocks: Any, now: Any) -> Any:
        return () if self.state is ReservationState.EXPIRED else usual(self, items, stocks, now)

    patch.setattr(Reservation, "take", take)


@flaw
def stock_that_is_checked_against_what_is_on_hand(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Stock, "free", property(lambda self: self.on_hand))


@flaw
def sold_units_that_do_not_come_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reservation, "take_back", lambda self, stocks: self.move(ReservationState.RELEASED))


@flaw
def a_deadline_that_is_never_set(patch: pytest.MonkeyPatch) -> None:
    usual = Reservation.move

    def move(self: Reservation, state: ReservationState, due_at: Any = None) -> None:
        usual(self, state, None if state is ReservationState.HELD else due_at)

    patch.setattr(Reservation, "move", move)


@flaw
def a_coupon_counted_twice(patch: pytest.MonkeyPatch) -> None:
    usual = Coupon.redeem

    def redeem(self: Coupon) -> None:
        usual(self)
        usual(self)

    patch.setattr(Coupon, "redeem", redeem)


@flaw
def a_coupon_that_is_not_given_back(patch: pytest.MonkeyPatch) -> None:
    def end(self: Checkout, state: CheckoutState, coupons: Any) -> None:
        self.state = state

    patch.setattr(Checkout, "end", end)


@flaw
def a_coupon_given_back_that_was_not_redeemed(patch: pytest.MonkeyPatch) -> None:
    usual = Checkout.end

    def end(self: Checkout, state: CheckoutState, coupons: Any) -> None:
        self.coupons_redeemed = self.quote is not None
        usual(self, state, coupons)

    patch.setattr(Checkout, "end", end)


@flaw
def a_coupon_s_limit_that_is_off_by_one(patch: pytest.MonkeyPatch) -> None:
    usual = Coupon.fault

    def fault(self: Coupon, currency: str, subtotal: int, now: Any) -> Any:
        self.redeemed -= 1
        try:
            return usual(self, currency, subtotal, now)
        finally:
            self.redeemed += 1

    patch.setattr(Coupon, "fault", fault)


@flaw
def a_declined_card_that_does_not_reopen_the_cart(patch: pytest.MonkeyPatch) -> None:
    _replace(patch, cart, "reopen_on_declined_payment", lambda cart, event: iter(()))


@flaw
def an_old_attempt_that_reopens_the_new_one(patch: pytest.MonkeyPatch) -> None:
    usual = cart._reopen

    def reopen(it: Cart, checkout_id: str, *more: Any) -> Any:
        yield from usual(it, it.session.checkout_id if it.session else checkout_id, *more)

    patch.setattr(cart, "_reopen", reopen)


@flaw
def a_session_that_expires_though_it_is_confirmed(patch: pytest.MonkeyPatch) -> None:
    def lock(self: Cart) -> None:
        self.state = CartState.LOCKED

    patch.setattr(Cart, "lock", lock)


# --- the calls to the gateway


@flaw
def an_idempotency_key_that_is_not_stable(patch: pytest.MonkeyPatch) -> None:
    usual = Payment._ask

    def ask(self: Payment, step: Any, at: Any) -> None:
        usual(self, step, at)
        assert self.operation is not None
        self.operation.key = f"{self.checkout_id}:{self.serial}"

    patch.setattr(Payment, "_ask", ask)


@flaw
def a_timeout_taken_for_a_refusal(patch: pytest.MonkeyPatch) -> None:
    usual = answers.apply_answer

    def apply_answer(it: Payment, answer: Any, policy: Any, now: Any) -> Any:
        if isinstance(answer, Unknown):
            answer = Declined(answer.code, answer.reason)
        yield from usual(it, answer, policy, now)

    patch.setattr(payment, "apply_answer", apply_answer)


@flaw
def a_lost_timeout(patch: pytest.MonkeyPatch) -> None:
    usual = answers.apply_answer

    def apply_answer(it: Payment, answer: Any, policy: Any, now: Any) -> Any:
        if isinstance(answer, Unknown):
            it.due_at = None
            return
        yield from usual(it, answer, policy, now)

    patch.setattr(payment, "apply_answer", apply_answer)


@flaw
def an_unknown_authorization_that_is_not_voided(patch: pytest.MonkeyPatch) -> None:
    usual = answers.give_up

    def give_up(it: Payment, now: Any) -> Any:
        assert it.operation is not None
        it.operation.uncertain = False
        yield from usual(it, now)

    patch.setattr(answers, "give_up", give_up)


@flaw
def a_hold_that_is_looked_for_once_only(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(CONTEXT, Policy, replace(CONTEXT[Policy], arrives_within=timedelta(0)))


@flaw
def a_request_of_a_dead_process_that_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    usual = Calls.take_over

    def take_over(self: Calls, member: Member, partition: Partition) -> None:
        usual(self, member, partition)
        member.inherited.clear()

    patch.setattr(Calls, "take_over", take_over)


@flaw
def a_key_used_when_the_gateway_has_forgotten_it(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PaymentOperation, "is_old", lambda self, now: False)


@flaw
def an_answer_to_an_older_request_that_is_believed(patch: pytest.MonkeyPatch) -> None:
    def on_gateway_result(payment: Payment, answered: Any, policy: Any, now: Any) -> Any:
        if payment.operation is not None:
            yield from answers.apply_answer(payment, answered.answer, policy, now)

    _replace(patch, payment, "on_gateway_result", on_gateway_result)


def _replace(patch: pytest.MonkeyPatch, module: Any, name: str, function: Any) -> None:
    """Give a registered reaction another function."""
    for reaction in module.reactions:
        if reaction.name == name:
            patch.setitem(reaction.__dict__, "function", function)


@flaw
def a_person_s_word_against_the_gateway_s(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(claims, "contradiction", lambda *_: None)
