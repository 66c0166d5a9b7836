"""Which notification a target gets next: nothing waits for a flood of something else."""

from collections import Counter

from services.alerts.pace import CROWD, FEW_OF_MONEY, QUIET_SECONDS, Choice, Pacer, Pending

DOWN = Pending("inventory", "service_down", "critical", 1)


def many(alerts: int, kind: str = "unreadable", service: str = "cart", severity: str = "warning") -> Pending:
    """This many alerts of a kind."""
    return Pending(service, kind, severity, alerts)


def chosen(pace: Pacer, *pending: Pending, now: float = 0.0) -> Choice | None:
    """What is sent next."""
    choice = pace.choose(pending, now)
    if choice:
        pace.sent(choice, now)
    return choice


def test_money_goes_first_but_not_alone() -> None:
    money, pace = many(10, "void_failed", "payment", "critical"), Pacer()
    heard = [chosen(pace, many(10), money, DOWN) for _ in range(4)]
    assert [one and one.pending.kind for one in heard] == ["void_failed", "service_down", "void_failed", "unreadable"]


def test_a_flood_of_money_is_summarised_and_never_waits() -> None:
    pace = Pacer()
    few = many(FEW_OF_MONEY, "refund_failed", "payment", "critical")
    flood = many(FEW_OF_MONEY + 1, "refund_failed", "payment", "critical")
    assert [chosen(pace, one) for one in (few, flood, few, flood)] == [
        Choice(few, together=False),
        Choice(flood, together=True),
        Choice(few, together=False),
        Choice(flood, together=True),
    ]


def test_of_a_flood_of_others_fifty_are_sent_then_a_summary_a_minute() -> None:
    pace = Pacer()
    for _ in range(CROWD):
        assert chosen(pace, many(1)) == Choice(many(1), together=False)
    assert chosen(pace, many(1)) == Choice(many(1), together=True)
    assert chosen(pace, many(1000), now=QUIET_SECONDS) is None
    assert chosen(pace, DOWN, many(1000), now=QUIET_SECONDS) == Choice(DOWN, together=False)
    assert chosen(pace, many(1000), now=QUIET_SECONDS + 1) == Choice(many(1000), together=True)


def test_what_was_not_accepted_does_not_count() -> None:
    pace = Pacer()
    for _ in range(3):
        assert pace.choose([many(1000)], 0.0) == Choice(many(1000), together=True)


def test_every_kind_has_its_turn_the_critical_ones_first() -> None:
    pace, critical = Pacer(), many(CROWD, "stuck", "order", "critical")
    heard = [chosen(pace, many(CROWD), critical, DOWN) for _ in range(6)]
    assert Counter(one.pending.kind for one in heard if one) == {"stuck": 2, "service_down": 2, "unreadable": 2}
    assert [one and one.pending.severity for one in heard[:3]] == ["critical", "critical", "warning"]
