"""The alerts of late checkouts, by what the journal says."""

from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from services.alerts.watchdog.checkout_alerts import stuck
from services.alerts.watchdog.checkouts import ANSWER, NOTIFIED_SINGLY, CheckoutMonitor, LateCheckouts
from services.journal.late import describe
from services.journal.model import milliseconds
from shared.progress import Limits, Pace
from shared.runtime.observability import health
from shared.settings import load
from tests.support.clock import NOW
from tests.support.reported import Reported

LIMITS = Limits(prompt=30, gateway=250, customer=1800)
LATER = NOW + timedelta(hours=1)


def late(*names: str, step: str = "create", total: int = 0, since: datetime = NOW) -> LateCheckouts:
    """The journal's answer: these checkouts have waited in a step since then."""
    row = {"cart_id": "c", "order_number": None, "step": step, "since": milliseconds(since)}
    listed = [describe({**row, "checkout_id": name}, LIMITS) for name in names]
    return ANSWER.validate_python({"total": total or len(names), "late": listed, "warned": {}})


class Watched(CheckoutMonitor):
    """A monitor, and what it reports."""

    def __init__(self, journal: str = "") -> None:
        self.reported = Reported()
        reports: Any = self.reported
        engine: Any = None
        watched = {"QUADRILLE_WATCHED_SERVICES": f"journal={journal}"} if journal else {}
        super().__init__(load(watched), engine, reports)

    def sees(self, found: LateCheckouts, until: datetime = LATER, excused: str | None = None) -> tuple[list[str], list[str]]:
        """Judge this answer; returns the checkouts of alerts that opened, and the sorted ids of those that closed."""
        self.reported.open, self.reported.closed = [], []
        self.judge(found, until, LATER, excused=excused)
        return [failure.checkout_id or failure.kind for failure in self.reported.open], sorted(self.reported.closed)


def test_an_alert_says_what_the_checkout_waits_for() -> None:
    (one,) = late("c.1").late
    failure = stuck(one, NOW + timedelta(seconds=31))
    assert (failure.kind, failure.severity, failure.service) == ("stuck", "critical", "order")
    assert failure.title == "Checkout c.1 has waited 31 s for the order to be created"
    assert failure.occurrence == "watchdog:stuck:c.1:create:2026-01-01T00:00:00+00:00"


def test_a_failing_cleanup_is_a_warning() -> None:
    (one,) = late("c.1", step="clean_up").late
    failure = stuck(one, LATER)
    assert (failure.kind, failure.severity, failure.service) == ("cleanup_failing", "warning", "cart")


def test_each_late_checkout_opens_one_alert_that_closes_when_it_moves() -> None:
    watched = Watched()
    assert watched.sees(late("a", "b")) == (["a", "b"], [])
    assert watched.sees(late("a", "b", "c")) == (["c"], [])
    assert watched.sees(late("a", "c", step="capture")) == ([], ["watchdog:stuck:b"])
    assert watched.sees(late()) == ([], ["watchdog:stuck:a", "watchdog:stuck:c"])


def test_a_checkout_is_judged_once_the_journal_has_read_past_the_time_when_it_was_due() -> None:
    watched = Watched()
    assert watched.sees(late("a"), until=NOW + timedelta(seconds=29)) == ([], [])
    assert watched.sees(late("a"), until=NOW + timedelta(seconds=30)) == (["a"], [])
    assert watched.sees(late("a"), until=NOW) == ([], []), "an open alert stays while the journal is behind"


def test_a_wait_for_a_failing_gateway_opens_no_alert_and_closes_none() -> None:
    watched = Watched()
    watched.sees(late("a", step="capture"))
    assert watched.sees(late("a", "b", step="capture"), excused=Pace.GATEWAY) == ([], [])
    assert watched.sees(late("a", "b", step="capture")) == (["b"], [])


def test_of_very_many_some_send_notifications_and_one_alert_tells_their_number() -> None:
    watched, names = Watched(), [f"c{number:02}" for number in range(NOTIFIED_SINGLY + 5)]
    watched.sees(late(*names[:3]))
    opened, _ = watched.sees(late(*names))
    assert opened == [*names[3:], "many_stuck"]
    assert [failure.quiet for failure in watched.reported.open] == [False] * 17 + [True] * 5 + [False]
    assert watched.reported.open[-1].title == "25 checkouts are stuck; only the first 20 send notifications"
    assert watched.sees(late(*names[:20])) == (
        [],
        ["watchdog:many_stuck:all", *(f"watchdog:stuck:{name}" for name in names[20:])],
    )


def test_what_is_not_listed_for_its_number_stays_open() -> None:
    watched = Watched()
    watched.sees(late("a", "b"))
    assert watched.sees(late("b", "c", total=30)) == (["c", "many_stuck"], [])
    assert watched.sees(late("b", "c")) == ([], ["watchdog:many_stuck:all", "watchdog:stuck:a"])


def test_alerts_that_were_open_at_the_start_close() -> None:
    watched = Watched()
    for condition in watched.conditions:
        condition.restore(["watchdog:stuck:a", "watchdog:stuck:b", "watchdog:many_stuck:all"])
    assert watched.sees(late("a")) == ([], ["watchdog:many_stuck:all", "watchdog:stuck:b"])


@pytest.mark.parametrize(
    "answer", [None, (503, "{}"), (200, "{}"), (200, '{"total": 1, "late": [{}], "warned": {}}'), (200, "\xff")]
)
async def test_silence_of_the_journal_changes_no_alert(answer: tuple[int, str] | None) -> None:
    async def answered(_: web.Request) -> web.Response:
        status, body = answer or (200, "")
        return web.Response(status=status, text=body)

    runner, port = await health.serve("127.0.0.1", 0, lambda: {"service": "journal", "ready": True}, web.get("/late", answered))
    try:
        watched = Watched(f"http://127.0.0.1:{port if answer else 1}")
        watched.sees(late("a"))
        async with aiohttp.ClientSession() as session:
            await watched.look(session, LATER)
    finally:
        await runner.cleanup()
    assert watched.trouble
    assert watched.trouble.startswith("it does not say which checkouts are late: ")
    assert watched.sees(late("a")) == ([], [])
