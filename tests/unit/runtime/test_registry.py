"""The registry: what a reaction's signature says is read from it, and what it cannot mean is refused when it is defined."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Never

import pytest

from shared.contract.cart import CheckoutStarted
from shared.contract.envelope import Envelope
from shared.contract.inventory import ReservationFailed, StockReserved
from shared.runtime.reactions import Emits, Reactions, TimerFired, UndeclaredEmissionError, arguments, id_field, is_aggregate
from tests.support.clock import NOW
from tests.support.facts import a

STARTED = a(CheckoutStarted)


@dataclass
class Holding:
    """An aggregate with a timer."""

    checkout_id: str
    due_at: datetime | None = None


@dataclass
class Shelf:
    """An aggregate that is related to others."""

    sku: str
    units: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Policy:
    """Something out of the service's context."""

    seconds: int


def skus(holding: Holding, event: CheckoutStarted) -> list[str]:
    return [item.sku for item in event.items]


def quiet(holding: Holding, event: CheckoutStarted) -> Emits[Never]:
    yield from ()


def test_the_signature_says_it_all() -> None:
    reactions = Reactions("toy")

    @reactions.on(CheckoutStarted, shelves=skus, others=lambda holding, event, shelves: shelves)
    def hold(
        holding: Holding,
        event: CheckoutStarted,
        shelves: dict[str, Shelf],
        others: Mapping[str, Shelf],
        now: datetime,
        envelope: Envelope,
        policy: Policy,
    ) -> Emits[StockReserved | ReservationFailed]:
        yield a(StockReserved)

    (reaction,) = reactions
    assert (reaction.service, reaction.name, reaction.trigger, reaction.aggregate) == (
        "toy",
        "hold",
        CheckoutStarted,
        Holding,
    )
    assert reaction.emits == {StockReserved, ReservationFailed}
    assert [(r.parameter, r.aggregate, r.writes) for r in reaction.related] == [
        ("shelves", Shelf, True),
        ("others", Shelf, False),
    ]
    assert reactions.messages == {"quadrille.CheckoutStarted.v1": CheckoutStarted}
    assert reaction.id_of(STARTED) == STARTED.checkout_id

    holding, shelves, envelope, policy = Holding("cart1.1"), {"tea": Shelf("tea")}, Envelope("1", "", "", "", ""), Policy(7)
    given = arguments(reaction, STARTED, envelope, NOW, holding, {"shelves": shelves, "others": shelves}, {Policy: policy})
    assert given == {
        "holding": holding, "event": STARTED, "shelves": shelves, "others": shelves, "now": NOW, "envelope": envelope,
        "policy": policy,
    }  # fmt: skip
    assert reaction.run(given) == [a(StockReserved)]


def test_a_service_reacts_to_a_message_once() -> None:
    reactions = Reactions("toy")
    reactions.on(CheckoutStarted)(quiet)
    with pytest.raises(ValueError, match="toy reacts to CheckoutStarted twice"):
        reactions.on(CheckoutStarted)(quiet)
    assert len(list(reactions)) == 1


def test_a_service_reacts_to_a_timer_once() -> None:
    reactions = Reactions("toy")

    def expire(holding: Holding) -> Emits[Never]:
        yield from ()

    reactions.on_timer()(expire)
    assert reactions.timers[Holding].trigger is TimerFired
    assert reactions.timers[Holding].id_of(TimerFired("cart1.1")) == "cart1.1"
    with pytest.raises(ValueError, match="toy reacts to the timer of Holding twice"):
        reactions.on_timer()(expire)
    assert reactions.messages == {}


def test_a_timer_is_some_aggregates() -> None:
    def tick(now: datetime) -> Emits[Never]:
        yield from ()

    with pytest.raises(ValueError, match=r"toy\.tick takes no aggregate"):
        Reactions("toy").on_timer()(tick)


@pytest.mark.parametrize("hint", ["dict[str, Shelf]", "Mapping[str, Shelf]"])
def test_related_aggregates_must_be_named(hint: str) -> None:
    def hold(holding: Holding, event: CheckoutStarted, shelves: object) -> Emits[Never]:
        yield from ()

    hold.__annotations__["shelves"] = dict[str, Shelf] if hint.startswith("dict") else Mapping[str, Shelf]
    with pytest.raises(ValueError, match=r"toy\.hold does not say which shelves it loads"):
        Reactions("toy").on(CheckoutStarted)(hold)
    with pytest.raises(ValueError, match=r"toy\.hold has no parameter shelf$"):
        Reactions("toy").on(CheckoutStarted, shelves=skus, shelf=skus)(hold)


def test_what_was_not_declared_is_not_emitted() -> None:
    reactions = Reactions("toy")

    @reactions.on(CheckoutStarted)
    def hold(holding: Holding, event: CheckoutStarted) -> Emits[StockReserved]:
        yield a(StockReserved)
        yield a(ReservationFailed)  # type: ignore[misc]

    reaction = reactions.by_trigger[CheckoutStarted]
    with pytest.raises(UndeclaredEmissionError, match=r"toy\.hold emits an undeclared ReservationFailed"):
        reaction.run({"holding": Holding("cart1.1"), "event": STARTED})


def test_a_reaction_that_declares_nothing_emits_nothing() -> None:
    reactions = Reactions("toy")
    reactions.on(CheckoutStarted)(quiet)
    reaction = reactions.by_trigger[CheckoutStarted]
    assert reaction.emits == frozenset()
    assert reaction.run({"holding": Holding("cart1.1"), "event": STARTED}) == []


def test_an_aggregate_is_what_can_change() -> None:
    assert [is_aggregate(kind) for kind in (Holding, Shelf, Policy, CheckoutStarted, dict, "Holding")] == [
        True, True, False, False, False, False,
    ]  # fmt: skip
    assert (id_field(Holding), id_field(Shelf)) == ("checkout_id", "sku")
